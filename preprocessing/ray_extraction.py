"""Extraction on a Ray cluster: many workers encode, this process alone writes the stores.

Workers find images under the paths that this process gives, so that captures must lie on a disk that all machines see
alike; stores and weights need not be shared, but weights must be the same everywhere. Whatever happens to a worker, an
image is encoded until it is in its store, and written there once.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from samnerf.errors import SamNerfError
from samnerf.feature_map import Layout
from samnerf.feature_store import FeatureStore
from samnerf.preprocessing.captures import Capture, read_capture
from samnerf.preprocessing.encoding_workers import EncodedSlice, EncodingWorkers, FrameSlice
from samnerf.preprocessing.extraction import extraction_progress
from samnerf.preprocessing.store_filling import StoreFilling
from samnerf.scale.ray_cluster import connected, worker_resources, workers_that_fit
from samnerf.teachers.pairs import KINDS, Kind, distillable_specs

_LARGEST_SLICE = 8
_SLICES_PER_WORKER = 4
"""At least, where there are enough images: the last ones then end at about the same time."""


@dataclass(frozen=True)
class RayOptions:
    """Where and how many workers run.

    Attributes:
        address: as for `connected`.
        workers: how many; as many as the cluster has room for where None.
        cpus, gpus: of each; 1 core, and 1 GPU where there are any, where None.
    """

    address: str | None = None
    workers: int | None = None
    cpus: float | None = None
    gpus: float | None = None


def extract_on_ray(
    captures: Sequence[Path],
    pair: str,
    kinds: Sequence[Kind] = KINDS,
    layout: Layout | None = None,
    device: str = "auto",
    features: Path | None = None,
    console: Console | None = None,
    compiled: bool = False,
    options: RayOptions | None = None,
) -> dict[Path, dict[Kind, FeatureStore]]:
    """As `extract_features`, of any number of captures, by the workers of a Ray cluster.

    Args:
        captures: folders, or JSON files, at paths that all machines see.
        device: of a worker; "auto" takes its GPU if it has one.
        features: folder for the stores of a single capture.
        options: where and how many workers run.

    Raises:
        SamNerfError: as `extract_features`; if Ray is missing or cannot be reached, if machines have different
            weights, or a slice of images has ended three workers. What is done by then is kept.
    """
    distillable_specs(pair, kinds)
    if features is not None and len(captures) != 1:
        raise SamNerfError(f"one folder for the features of {len(captures)} captures; leave --output out, or run each")
    console, options = console or Console(quiet=True), options or RayOptions()
    checked = {path: read_capture(path.absolute(), decode=False) for path in captures}
    for path, capture in checked.items():
        for warning in capture.warnings:
            console.print(f"warning: {path}: {warning}", highlight=False)
    with connected(options.address) as ray, contextlib.ExitStack() as ending:
        resources = worker_resources(ray, options.cpus, options.gpus)
        count = options.workers or workers_that_fit(ray, resources)
        if device == "auto":
            device = "cuda" if resources.gpus else "cpu"
        workers = EncodingWorkers(ray, count, resources, (pair, device, compiled))
        ending.callback(workers.end)
        return _Extraction(workers, layout, features, console).run(checked, kinds)


@dataclass
class _Extraction:
    """One call of `extract_on_ray`."""

    workers: EncodingWorkers
    layout: Layout | None
    features: Path | None
    console: Console
    stores: dict[Path, dict[Kind, FeatureStore]] = field(default_factory=dict)

    def run(self, captures: dict[Path, Capture], kinds: Sequence[Kind]) -> dict[Path, dict[Kind, FeatureStore]]:
        images = sum(len(capture.frames) for capture in captures.values()) * len(kinds)
        with extraction_progress(self.console) as self._progress:
            self._bar = self._progress.add_task(f"{self.workers.count} Ray workers", total=images)
            with contextlib.ExitStack() as self._open:
                self._left: dict[StoreFilling, tuple[Path, Kind]] = {}
                try:
                    for slice_, answer in self.workers.answers(self._slices(captures, kinds)):
                        self._store(slice_, answer)
                except (KeyboardInterrupt, SamNerfError):
                    self._progress.stop()
                    for filling in self._left:
                        self._progress.console.print(filling.kept(), highlight=False, soft_wrap=True)
                    raise
        return {path: {kind: self.stores[path][kind] for kind in kinds} for path in captures}

    def _slices(self, captures: dict[Path, Capture], kinds: Sequence[Kind]) -> Iterator[FrameSlice]:
        """What is missing, capture by capture, each store held open from its first slice on."""
        records = {kind: self.workers.record(kind, self.layout) for kind in kinds}
        for path, capture in captures.items():
            for kind in kinds:
                filling = StoreFilling(capture, records[kind], self.features)
                finished = filling.finished()
                if finished is None:
                    filling.__enter__()
                    self._open.callback(filling.__exit__)
                    self._left[filling] = path, kind
                self._progress.advance(self._bar, len(capture.frames) if finished else filling.done)
                if finished is not None or not filling.missing:
                    self._finish(filling, path, kind)
                    continue
                missing = filling.missing
                size = min(_LARGEST_SLICE, -(-len(missing) // (_SLICES_PER_WORKER * self.workers.count)))
                for first in range(0, len(missing), size):
                    yield FrameSlice(filling, records[kind], kind, missing[first : first + size])

    def _store(self, slice_: FrameSlice, answer: EncodedSlice) -> None:
        if answer.encoder != slice_.encoder:
            raise SamNerfError(
                f"the machines of the cluster have different weights of {slice_.encoder.teacher} (hash "
                f"{slice_.encoder.weights_hash[:12]} and {answer.encoder.weights_hash[:12]}); give all the same"
            )
        for frame, feature_map in zip(slice_.frames, answer.maps, strict=False):
            slice_.filling.put(frame.name, feature_map)
            self._progress.advance(self._bar)
        if answer.problem is not None:
            raise SamNerfError(answer.problem)
        if not slice_.filling.missing:
            self._finish(slice_.filling, *self._left[slice_.filling])

    def _finish(self, filling: StoreFilling, path: Path, kind: Kind) -> None:
        filling.__exit__()
        self._left.pop(filling, None)
        self.stores.setdefault(path, {})[kind] = FeatureStore.open(filling.folder)
