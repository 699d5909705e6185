"""The workers of a Ray cluster that encode images, and what passes between them and the process that asks.

A worker encodes one slice, a few images, at a time. If it dies its slice goes to another, and another worker is
asked for.
"""

import collections
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from samnerf.errors import SamNerfError
from samnerf.feature_map import FeatureMap, Layout
from samnerf.preprocessing.captures import Frame
from samnerf.preprocessing.extraction import encoded_frames
from samnerf.preprocessing.store_filling import EncoderRecord, StoreFilling
from samnerf.scale.ray_cluster import WorkerResources
from samnerf.teachers.contracts import BatchEncoder, Encoder
from samnerf.teachers.pairs import Kind, load_encoder

_MOST_TRIES = 3
_SECONDS_TO_START = 300.0


@dataclass
class FrameSlice:
    """Work for one worker.

    Attributes:
        filling: the store where it goes.
        encoder, kind: who is to encode it.
        frames: some of those that are missing.
        tries: how many workers died over it.
    """

    filling: StoreFilling
    encoder: EncoderRecord
    kind: Kind
    frames: tuple[Frame, ...]
    tries: int = 0


@dataclass(frozen=True)
class EncodedSlice:
    """What a worker answers.

    Attributes:
        encoder: which encoder that was.
        maps: of the frames in order, up to one that could not be read; values in 16 bits, as stores keep them.
        problem: what was wrong with that one.
    """

    encoder: EncoderRecord
    maps: tuple[FeatureMap, ...] = ()
    problem: str | None = None


class EncodingWorker:
    """Runs on a machine of the cluster and keeps its encoders between slices."""

    def __init__(self, pair: str, device: str, compiled: bool) -> None:
        self._pair, self._device, self._compiled = pair, device, compiled
        self._encoders: dict[Kind, Encoder] = {}

    def record(self, kind: Kind, layout: Layout | None) -> EncoderRecord:
        """Which encoder it has."""
        return EncoderRecord.of(self._encoder(kind), layout)

    def encode(self, kind: Kind, layout: Layout | None, frames: Sequence[Frame]) -> EncodedSlice:
        """Features of frames, in their order."""
        encoder, maps = self._encoder(kind), []
        try:
            for _, feature_map in encoded_frames(encoder, frames, layout):
                maps.append(replace(feature_map, values=feature_map.values.detach().cpu().half()))
        except SamNerfError as error:
            return EncodedSlice(EncoderRecord.of(encoder, layout), tuple(maps), str(error))
        return EncodedSlice(EncoderRecord.of(encoder, layout), tuple(maps))

    def _encoder(self, kind: Kind) -> Encoder:
        if kind not in self._encoders:
            encoder = load_encoder(self._pair, kind, self._device)
            if self._compiled and isinstance(encoder, BatchEncoder):
                encoder.compile()
            self._encoders[kind] = encoder
        return self._encoders[kind]


class EncodingWorkers:
    """Workers of the cluster, replaced when they die, with one slice each at a time."""

    worker = EncodingWorker

    def __init__(self, ray: Any, count: int, resources: WorkerResources, arguments: tuple[str, str, bool]) -> None:
        self.count = count
        self._ray, self._resources, self._arguments = ray, resources, arguments
        self._actor = ray.remote(self.worker).options(num_cpus=resources.cpus, num_gpus=resources.gpus, max_restarts=0)
        self._actors: list[Any] = []
        self._failed_starts = 0
        self._starting: dict[Any, Any] = {}
        self._idle: list[Any] = []

    def record(self, kind: Kind, layout: Layout | None) -> EncoderRecord:
        """Which encoder the workers have, by the first that answers."""
        while not self._idle:
            self._start_missing()
            self._take(*self._wait([]))
        worker = self._idle[0]
        try:
            return self._get(worker.record.remote(kind, layout))
        except self._ray.exceptions.RayActorError as error:
            raise SamNerfError(
                f"a Ray worker died while it loaded the {kind} of {self._arguments[0]}, perhaps for want of memory: "
                f"{_first_line(error)}"
            ) from error

    def answers(self, slices: Iterator[FrameSlice]) -> Iterator[tuple[FrameSlice, EncodedSlice]]:
        """What comes of the slices, in the order in which it comes; each exactly once.

        Raises:
            SamNerfError: if a slice has ended three workers, no worker can be started, or one says so.
        """
        again: collections.deque[FrameSlice] = collections.deque()
        busy: dict[Any, tuple[Any, FrameSlice]] = {}
        upcoming = next(slices, None)
        while upcoming or again or busy:
            if upcoming or again:
                self._start_missing()
            while self._idle and (again or upcoming):
                slice_ = again.popleft() if again else upcoming
                assert slice_ is not None
                if slice_ is upcoming:
                    upcoming = next(slices, None)
                worker = self._idle.pop()
                busy[worker.encode.remote(slice_.kind, slice_.encoder.layout, slice_.frames)] = worker, slice_
            reference = self._wait(list(busy))[0]
            if reference in self._starting:
                self._take(reference)
                continue
            worker, slice_ = busy.pop(reference)
            try:
                answer = self._get(reference)
            except self._ray.exceptions.RayActorError as error:
                self._dismiss(worker)
                again.append(_tried(slice_, error))
                continue
            self._idle.append(worker)
            yield slice_, answer

    def end(self) -> None:
        """Stop all workers."""
        for actor in self._actors:
            self._ray.kill(actor)

    def _dismiss(self, actor: Any) -> None:
        """Nothing more is asked of a worker; one that only could not be reached ends, too."""
        self._actors.remove(actor)
        self._ray.kill(actor)

    def _start_missing(self) -> None:
        while len(self._actors) < self.count:
            actor = self._actor.remote(*self._arguments)
            self._actors.append(actor)
            # Answered as soon as the worker has a place; until then the others go on without it.
            self._starting[actor.__ray_ready__.remote()] = actor

    def _wait(self, busy: list[Any]) -> list[Any]:
        """The next that is done, of what is computed and of workers that start."""
        timeout = None if busy or self._idle else _SECONDS_TO_START
        done, _ = self._ray.wait([*busy, *self._starting], num_returns=1, timeout=timeout)
        if not done:
            raise SamNerfError(
                f"no Ray worker could be started within {_SECONDS_TO_START:g} s: each wants {self._resources}; is the "
                "cluster taken by others (`ray status`)?"
            )
        return done

    def _take(self, reference: Any) -> None:
        """A worker that was started, or was not."""
        actor = self._starting.pop(reference)
        try:
            self._get(reference)
        except self._ray.exceptions.RayActorError as error:
            self._dismiss(actor)
            self._failed_starts += 1
            if self._failed_starts >= _MOST_TRIES * self.count:
                raise SamNerfError(f"Ray workers die as they start: {_first_line(error)}") from error
            return
        self._idle.append(actor)

    def _get(self, reference: Any) -> Any:
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            # What the worker raised, without Ray's own traceback around it.
            raise error.cause from error


def _tried(slice_: FrameSlice, error: Exception) -> FrameSlice:
    slice_.tries += 1
    if slice_.tries >= _MOST_TRIES:
        raise SamNerfError(
            f"{_MOST_TRIES} Ray workers died over the images {slice_.frames[0].image} to "
            f"{slice_.frames[-1].image.name}, perhaps for want of memory: {_first_line(error)}"
        ) from error
    return slice_


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
