"""Runs the teachers over the images of a capture, into feature stores; resumable at any moment."""

import collections
import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from samnerf.errors import SamNerfError
from samnerf.feature_manifest import ImageRecord, Manifest
from samnerf.feature_map import FeatureMap, Layout
from samnerf.feature_store import FeatureStore, sole_writer, store_folder
from samnerf.preprocessing.captures import Capture, Frame, read_capture
from samnerf.preprocessing.images import read_image
from samnerf.teachers.contracts import BatchEncoder, Encoder
from samnerf.teachers.pairs import KINDS, Kind, distillable_specs, load_encoder

_IMAGES_AHEAD = 3


def extract_features(
    capture: Path,
    pair: str,
    kinds: Sequence[Kind] = KINDS,
    layout: Layout | None = None,
    device: str = "cpu",
    features: Path | None = None,
    console: Console | None = None,
    compiled: bool = False,
) -> dict[Kind, FeatureStore]:
    """Features of every image of a capture by the teachers of a pair; what is in a store already is kept.

    Args:
        capture: its folder, or its JSON file.
        pair: name of the teachers, e.g. "tiny".
        kinds: which of them: "sam", "clipseg".
        layout: how images lie on the grid; each teacher's own where None.
        device: where to run the teachers.
        features: folder for the stores; `<capture>/features` where None.
        console: where to draw progress; nowhere where None.
        compiled: let torch compile the encoders that can be; see `BatchEncoder.compile`.

    Returns:
        A complete store for each kind.

    Raises:
        SamNerfError: if no scene can be distilled from the pair, the capture is malformed, a store was made by other
            weights or of other images, or the disk is full. What is done by then is kept, as on KeyboardInterrupt,
            and the next call goes on.
    """
    distillable_specs(pair, kinds)
    # Images are decoded below, once each; here a look at their headers is enough.
    checked = read_capture(capture, decode=False)
    console = console or Console(quiet=True)
    for warning in checked.warnings:
        console.print(f"warning: {warning}", highlight=False)
    stores = {}
    for kind in kinds:
        encoder = load_encoder(pair, kind, device)
        if compiled and isinstance(encoder, BatchEncoder):
            encoder.compile()
        stores[kind] = extract_store(checked, encoder, layout, features, console)
    return stores


def extract_store(
    capture: Capture,
    encoder: Encoder,
    layout: Layout | None = None,
    features: Path | None = None,
    console: Console | None = None,
) -> FeatureStore:
    """Features of every image of a checked capture by one encoder; arguments as for `extract_features`."""
    layout = layout or encoder.layout
    folder = store_folder(features or capture.features, encoder.name, layout)
    records = image_records(capture)
    if FeatureStore.exists(folder):
        store = FeatureStore.open(folder)
        store.check(encoder.name, encoder.weights_hash, layout, records)
        if store.complete:
            return store
    with sole_writer(folder), _progress(console) as progress:
        task = progress.add_task(encoder.name, total=len(capture.frames))
        try:
            _fill(capture, encoder, layout, folder, records, lambda done: progress.update(task, completed=done))
        except (KeyboardInterrupt, SamNerfError):
            progress.stop()
            progress.console.print(_kept(folder, len(capture.frames)), highlight=False, soft_wrap=True)
            raise
    return FeatureStore.open(folder)


def image_records(capture: Capture) -> tuple[ImageRecord, ...]:
    """What a manifest says of the images of a capture, in the order of its frames."""
    with ThreadPoolExecutor() as threads:
        hashes = threads.map(_sha256, [frame.image for frame in capture.frames])
        return tuple(
            ImageRecord(frame.name, frame.size, sha256) for frame, sha256 in zip(capture.frames, hashes, strict=True)
        )


def _fill(
    capture: Capture,
    encoder: Encoder,
    layout: Layout,
    folder: Path,
    records: tuple[ImageRecord, ...],
    report: Callable[[int], None],
) -> None:
    # Opened again under the lock: another process may have worked on it until now.
    store = FeatureStore.open(folder) if FeatureStore.exists(folder) else None
    if store is not None:
        store.check(encoder.name, encoder.weights_hash, layout, records)
    missing = set(store.missing) if store else {frame.name for frame in capture.frames}
    done = len(capture.frames) - len(missing)
    report(done)
    for frame, feature_map in _encoded(encoder, [frame for frame in capture.frames if frame.name in missing], layout):
        if feature_map.finer:
            raise SamNerfError(f"{encoder.name} has finer feature levels, which a feature store does not keep")
        if store is None:
            # Only its first map tells whether an encoder has a class token.
            summaries = feature_map.summary is not None
            manifest = Manifest(
                encoder.name, encoder.weights_hash, layout, encoder.channels, encoder.side, records, summaries
            )
            store = FeatureStore.create(folder, manifest)
        store.put(frame.name, feature_map)
        done += 1
        report(done)


def _encoded(encoder: Encoder, frames: Sequence[Frame], layout: Layout) -> Iterator[tuple[Frame, FeatureMap]]:
    """Frames with their features, as many encoded at once as the encoder takes best."""
    images = _decoded(frames, _IMAGES_AHEAD + _batch_size(encoder) - 1)
    for batch in _batches(images, lambda: _batch_size(encoder)):
        maps = _encode(encoder, [image for _, image in batch], layout)
        yield from zip((frame for frame, _ in batch), maps, strict=True)


def _batch_size(encoder: Encoder) -> int:
    return encoder.batch_size if isinstance(encoder, BatchEncoder) else 1


@torch.no_grad()
def _encode(encoder: Encoder, images: list[np.ndarray], layout: Layout) -> list[FeatureMap]:
    if isinstance(encoder, BatchEncoder):
        return encoder.encode_batch(images, layout)
    return [encoder.encode(image, layout) for image in images]


def _batches(
    images: Iterator[tuple[Frame, np.ndarray]], size: Callable[[], int]
) -> Iterator[list[tuple[Frame, np.ndarray]]]:
    """Images in batches of a size that may change; those before one that cannot be decoded are not lost with it."""
    batch = []
    try:
        for image in images:
            batch.append(image)
            if len(batch) >= size():
                full, batch = batch, []
                yield full
    except SamNerfError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


def _decoded(frames: Sequence[Frame], ahead: int) -> Iterator[tuple[Frame, np.ndarray]]:
    """Frames with their pixels, decoded by a thread that stays at most `ahead` images ahead of the encoder."""
    waiting: collections.deque[tuple[Frame, Future[np.ndarray]]] = collections.deque()
    with ThreadPoolExecutor(max_workers=1) as thread:
        try:
            for frame in frames:
                waiting.append((frame, thread.submit(_read_frame, frame)))
                if len(waiting) == ahead:
                    current, pixels = waiting.popleft()
                    yield current, pixels.result()
            for current, pixels in waiting:
                yield current, pixels.result()
        finally:
            thread.shutdown(wait=False, cancel_futures=True)


def _read_frame(frame: Frame) -> np.ndarray:
    image = read_image(frame.image)
    if image.shape[:2] != frame.size:
        raise SamNerfError(f"image {frame.image} changed its size while features were extracted; run again")
    return image


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SamNerfError(f"image {path} cannot be read: {error.strerror}") from error


def _kept(folder: Path, count: int) -> str:
    if not FeatureStore.exists(folder):
        return f"no image was done yet; nothing was left in {folder}"
    done = count - len(FeatureStore.open(folder).missing)
    return f"features of {done} of {count} images are kept in {folder}; the same command resumes there"


class _Rate(ProgressColumn):
    """Images per second."""

    def render(self, task: Task) -> Text:
        """As text."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.3g} images/s")


def _progress(console: Console | None) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
        console=console or Console(quiet=True),
    )
