"""Runs the teachers over the images of a capture, into feature stores; resumable at any moment."""

import collections
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from samnerf.errors import SamNerfError
from samnerf.feature_map import FeatureMap, Layout
from samnerf.feature_store import FeatureStore
from samnerf.preprocessing.captures import Capture, Frame, read_capture
from samnerf.preprocessing.images import read_image
from samnerf.preprocessing.store_filling import EncoderRecord, StoreFilling
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
    filling = StoreFilling(capture, EncoderRecord.of(encoder, layout), features)
    store = filling.finished()
    if store is not None:
        return store
    with filling, extraction_progress(console) as progress:
        task = progress.add_task(encoder.name, total=len(capture.frames), completed=filling.done)
        try:
            for frame, feature_map in encoded_frames(encoder, filling.missing, layout):
                filling.put(frame.name, feature_map)
                progress.update(task, completed=filling.done)
        except (KeyboardInterrupt, SamNerfError):
            progress.stop()
            progress.console.print(filling.kept(), highlight=False, soft_wrap=True)
            raise
    return FeatureStore.open(filling.folder)


def encoded_frames(
    encoder: Encoder, frames: Sequence[Frame], layout: Layout | None = None
) -> Iterator[tuple[Frame, FeatureMap]]:
    """Frames with their features, as many encoded at once as the encoder takes best."""
    images = _decoded(frames, _IMAGES_AHEAD + _batch_size(encoder) - 1)
    for batch in _batches(images, lambda: _batch_size(encoder)):
        maps = _encode(encoder, [image for _, image in batch], layout)
        yield from zip((frame for frame, _ in batch), maps, strict=True)


def _batch_size(encoder: Encoder) -> int:
    return encoder.batch_size if isinstance(encoder, BatchEncoder) else 1


@torch.no_grad()
def _encode(encoder: Encoder, images: list[np.ndarray], layout: Layout | None) -> list[FeatureMap]:
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


class _Rate(ProgressColumn):
    """Images per second."""

    def render(self, task: Task) -> Text:
        """As text."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.3g} images/s")


def extraction_progress(console: Console | None) -> Progress:
    """The bar under which images are encoded; drawn nowhere where the console is None."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
        console=console or Console(quiet=True),
    )
