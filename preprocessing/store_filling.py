"""A feature store while one process fills it, whoever runs the encoder."""

import contextlib
import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samnerf.errors import SamNerfError
from samnerf.feature_manifest import ImageRecord, Manifest
from samnerf.feature_map import FeatureMap, Layout
from samnerf.feature_store import FeatureStore, sole_writer, store_folder
from samnerf.preprocessing.captures import Capture, Frame
from samnerf.teachers.contracts import Encoder


@dataclass(frozen=True)
class EncoderRecord:
    """What a manifest says of an encoder; it travels between machines, where an encoder does not."""

    teacher: str
    weights_hash: str
    layout: Layout
    channels: int
    side: int

    @staticmethod
    def of(encoder: Encoder, layout: Layout | None = None) -> "EncoderRecord":
        """Of an encoder that is asked for a layout; its own where None."""
        return EncoderRecord(
            encoder.name, encoder.weights_hash, layout or encoder.layout, encoder.channels, encoder.side
        )


class StoreFilling:
    """Makes or goes on with the store of one capture by one encoder; entered, it is the store's only writer.

    Attributes:
        folder: of the store.
    """

    def __init__(self, capture: Capture, encoder: EncoderRecord, features: Path | None = None) -> None:
        """Look at the images; nothing is written.

        Args:
            capture: checked.
            encoder: whose features it holds.
            features: folder of the stores; the capture's own where None.

        Raises:
            SamNerfError: if an image cannot be read.
        """
        self.folder = store_folder(features or capture.features, encoder.teacher, encoder.layout)
        self._frames, self._encoder = capture.frames, encoder
        self._records = image_records(capture)
        self._store: FeatureStore | None = None
        self._missing = {frame.name for frame in capture.frames}
        self._held = contextlib.ExitStack()

    def finished(self) -> FeatureStore | None:
        """The store, if nothing is missing in it.

        Raises:
            SamNerfError: if there is a store by another encoder or of other images.
        """
        store = self._existing()
        return store if store is not None and store.complete else None

    def __enter__(self) -> "StoreFilling":
        """Take hold of the store.

        Raises:
            SamNerfError: if another process fills it, or it is by another encoder or of other images.
        """
        with contextlib.ExitStack() as held:
            held.enter_context(sole_writer(self.folder))
            # Opened under the lock: another process may have worked on it until now.
            self._store = self._existing()
            if self._store is not None:
                self._missing = set(self._store.missing)
            self._held = held.pop_all()
        return self

    def __exit__(self, *failure: Any) -> None:
        self._held.close()

    @property
    def missing(self) -> tuple[Frame, ...]:
        """Frames without features, in order."""
        return tuple(frame for frame in self._frames if frame.name in self._missing)

    @property
    def done(self) -> int:
        """Number of frames that have features."""
        return len(self._frames) - len(self._missing)

    def put(self, name: str, feature_map: FeatureMap) -> None:
        """Store the features of one frame; once this returns they survive a kill.

        Raises:
            SamNerfError: as `FeatureStore.create` and `FeatureStore.put`, and if the map has finer levels.
        """
        if feature_map.finer:
            raise SamNerfError(f"{self._encoder.teacher} has finer feature levels, which a feature store does not keep")
        if self._store is None:
            # Only its first map tells whether an encoder has a class token.
            summaries = feature_map.summary is not None
            made = self._encoder
            manifest = Manifest(
                made.teacher, made.weights_hash, made.layout, made.channels, made.side, self._records, summaries
            )
            self._store = FeatureStore.create(self.folder, manifest)
        self._store.put(name, feature_map)
        self._missing.discard(name)

    def kept(self) -> str:
        """What to say when the work ends too early."""
        if not FeatureStore.exists(self.folder):
            return f"no image was done yet; nothing was left in {self.folder}"
        done = len(self._frames) - len(FeatureStore.open(self.folder).missing)
        return (
            f"features of {done} of {len(self._frames)} images are kept in {self.folder}; "
            "the same command resumes there"
        )

    def _existing(self) -> FeatureStore | None:
        if not FeatureStore.exists(self.folder):
            return None
        store = FeatureStore.open(self.folder)
        store.check(self._encoder.teacher, self._encoder.weights_hash, self._encoder.layout, self._records)
        return store


def image_records(capture: Capture) -> tuple[ImageRecord, ...]:
    """What a manifest says of the images of a capture, in the order of its frames."""
    with ThreadPoolExecutor() as threads:
        hashes = threads.map(file_hash, [frame.image for frame in capture.frames])
        return tuple(
            ImageRecord(frame.name, frame.size, sha256) for frame, sha256 in zip(capture.frames, hashes, strict=True)
        )


def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hex.

    Raises:
        SamNerfError: if it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SamNerfError(f"image {path} cannot be read: {error.strerror}") from error
