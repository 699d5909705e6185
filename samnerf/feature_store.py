"""Teacher features of the images of a capture, on disk.

A store is a folder, `<capture>/features/<teacher>-<layout>/`:

    manifest.json    who made it of what: teacher, weights, layout, and name, size and hash of each image
    values.npy       float16 [images, side, side, channels]: the channels of one cell lie together, because
                     training reads cells at random
    summaries.npy    float32 [images, channels]: class tokens, only of encoders that have one
    done.npy         uint8 [images]: 1 when that image's features are whole and on the disk

The manifest is written last, so a folder without one is no store yet. An image counts as done only after its
features were flushed, so a kill at any moment loses the images at work and nothing else. POSIX only.
"""

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from samnerf.array_files import map_array, reserve_array, write_entries
from samnerf.atomic_files import unwritable
from samnerf.errors import SamNerfError
from samnerf.feature_manifest import FILE, ImageRecord, Manifest, cure
from samnerf.feature_map import FeatureMap, Layout

_VALUES, _SUMMARIES, _DONE = "values.npy", "summaries.npy", "done.npy"


def store_folder(features: Path, teacher: str, layout: Layout) -> Path:
    """Where the store of a teacher lies in a folder of features."""
    return Path(features) / f"{teacher}-{layout}"


class FeatureStore:
    """Features of the images of one capture by one teacher; reading is safe from several threads.

    Attributes:
        folder: where it lies.
        manifest: what it holds; image indices are those of `manifest.images`.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        """Use `open` or `create`."""
        self.folder = Path(folder)
        self.manifest = manifest
        self._indices = {image.name: index for index, image in enumerate(manifest.images)}
        self._arrays = {
            name: map_array(self.folder / name, *kind, cure(self.folder))
            for name, kind in _array_kinds(manifest).items()
        }
        self._cells = self._arrays[_VALUES].reshape(-1, manifest.channels)
        if self._arrays[_DONE].max() > 1:
            raise SamNerfError(f"{self.folder / _DONE} holds numbers other than 0 and 1; {cure(self.folder)}")

    def __reduce__(self) -> tuple[Any, tuple[Path]]:
        # Other processes map the files themselves: a pickled memory-map would carry all its content.
        return FeatureStore.open, (self.folder,)

    @staticmethod
    def exists(folder: Path) -> bool:
        """Whether a store was made in this folder (it may lack images)."""
        return (Path(folder) / FILE).exists()

    @staticmethod
    def open(folder: Path) -> "FeatureStore":
        """Open a store; images may still be missing.

        Raises:
            SamNerfError: if there is none, if it is foreign, malformed, truncated or of another version: which
                file, and what to do.
        """
        folder = Path(folder)
        if not FeatureStore.exists(folder):
            raise SamNerfError(f"there is no feature store in {folder}; `samnerf extract` makes one")
        return FeatureStore(folder, Manifest.load(folder))

    @staticmethod
    def create(folder: Path, manifest: Manifest) -> "FeatureStore":
        """Make a store without features, its space on the disk reserved.

        Raises:
            SamNerfError: if there is one already, the disk is too small, or the folder cannot be written.
        """
        folder = Path(folder)
        if FeatureStore.exists(folder):
            raise SamNerfError(f"there is a feature store in {folder} already; delete that folder to make a new one")
        kinds = _array_kinds(manifest)
        needed = sum(dtype.itemsize * int(np.prod(shape)) for dtype, shape in kinds.values())
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name, (dtype, shape) in kinds.items():
                reserve_array(folder / name, dtype, shape)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise unwritable(folder, error) from error
            for name in kinds:
                (folder / name).unlink(missing_ok=True)
            raise SamNerfError(
                f"no space left on the disk of {folder}: the feature store needs {needed / 1e9:.3g} GB; free some, or "
                "name another folder for the features"
            ) from error
        manifest.save(folder)
        return FeatureStore(folder, manifest)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the images, in the order of their indices."""
        return tuple(self._indices)

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the images whose features are not there yet."""
        done = self._arrays[_DONE]
        return tuple(name for name, index in self._indices.items() if not done[index])

    @property
    def complete(self) -> bool:
        """Whether every image has its features."""
        return bool(self._arrays[_DONE].all())

    def index(self, name: str) -> int:
        """Index of an image.

        Raises:
            SamNerfError: if the store was made without that image.
        """
        if name not in self._indices:
            raise SamNerfError(f"the feature store {self.folder} has no image {name!r}; {cure(self.folder)}")
        return self._indices[name]

    def check(
        self,
        teacher: str,
        weights_hash: str | None = None,
        layout: Layout | None = None,
        images: Sequence[ImageRecord] | None = None,
    ) -> None:
        """Hold the store against what is at hand now; what is None is not compared.

        Raises:
            SamNerfError: naming the first difference: another teacher, other weights, another layout, or the image
                that was added, removed or changed.
        """
        made = self.manifest
        for what, then, now in [("teacher", made.teacher, teacher), ("layout", made.layout, layout or made.layout)]:
            if then != now:
                raise SamNerfError(
                    f"the feature store {self.folder} was made with {what} {then!r}, not {now!r}; {cure(self.folder)}"
                )
        if weights_hash is not None and weights_hash != made.weights_hash:
            raise SamNerfError(
                f"the feature store {self.folder} was made by other weights of {teacher!r} (hash "
                f"{made.weights_hash[:12]}, now {weights_hash[:12]}); {cure(self.folder)}"
            )
        if images is not None:
            made.check_images(images, self.folder)

    def put(self, name: str, feature_map: FeatureMap) -> None:
        """Store the features of one image; once this returns they survive a kill.

        Raises:
            SamNerfError: if the disk is full or the features do not fit into 16-bit floats.
            ValueError: if the map is not one that this store is made for.
        """
        index = self.index(name)
        self._check_map(name, feature_map)
        cells = feature_map.values.detach().permute(1, 2, 0).to("cpu", torch.float16).contiguous().numpy()
        if not np.isfinite(cells).all():
            raise SamNerfError(
                f"features of image {name!r} by {self.manifest.teacher!r} are not finite in 16-bit floats; are its "
                "weights intact?"
            )
        self._write(_VALUES, index, cells)
        if feature_map.summary is not None:
            self._write(_SUMMARIES, index, feature_map.summary.detach().to("cpu", torch.float32).numpy())
        self._write(_DONE, index, np.ones((), np.uint8))

    def map(self, name: str) -> FeatureMap:
        """The features of one image, in float32 on the CPU.

        Raises:
            SamNerfError: if the store has no such image, or not its features yet.
        """
        index = self.index(name)
        if not self._arrays[_DONE][index]:
            raise SamNerfError(f"features of image {name!r} are missing in {self.folder}; run `samnerf extract` again")
        values = torch.from_numpy(self._arrays[_VALUES][index].astype(np.float32)).permute(2, 0, 1).contiguous()
        summary = torch.from_numpy(np.array(self._arrays[_SUMMARIES][index])) if self.manifest.summaries else None
        return FeatureMap(
            values, self.manifest.images[index].size, self.manifest.layout, self.manifest.teacher, summary
        )

    def gather(
        self, image_indices: Int[Tensor, " n"], rows: Int[Tensor, " n"], columns: Int[Tensor, " n"]
    ) -> Float[Tensor, "n channels"]:
        """Features of single cells, in float32 on the CPU. Images are counted as in `names`.

        Raises:
            IndexError: if there is no such cell.
            SamNerfError: if features of one of the images are missing.
        """
        indices = [axis.to("cpu", torch.int64).numpy() for axis in (image_indices, rows, columns)]
        shape = self._arrays[_VALUES].shape[:3]
        # ravel_multi_index refuses what lies outside with a ValueError that does not say which.
        for what, axis, size in zip(("image", "row", "column"), indices, shape, strict=True):
            if axis.size and (axis.min() < 0 or axis.max() >= size):
                raise IndexError(f"{what} {axis.min()} to {axis.max()} asked for; there are {size}, counted from 0")
        if not self._arrays[_DONE][indices[0]].all():
            raise SamNerfError(f"features of some images are missing in {self.folder}; run `samnerf extract` again")
        cells = self._cells.take(np.ravel_multi_index(indices, shape), axis=0)
        return torch.from_numpy(np.asarray(cells)).float()

    def summary_mean(self) -> Float[Tensor, " channels"] | None:
        """Mean class token of the images that are done; None if the encoder has none.

        Raises:
            SamNerfError: if no image is done.
        """
        if not self.manifest.summaries:
            return None
        done = self._arrays[_DONE] == 1
        if not done.any():
            raise SamNerfError(f"the feature store {self.folder} is empty; run `samnerf extract` again")
        return torch.from_numpy(np.asarray(self._arrays[_SUMMARIES][done].mean(axis=0)))

    def _check_map(self, name: str, feature_map: FeatureMap) -> None:
        made = self.manifest
        pairs = {
            "teacher": (feature_map.teacher, made.teacher),
            "layout": (feature_map.layout, made.layout),
            "channels": (feature_map.channels, made.channels),
            "side": (feature_map.side, made.side),
            "image size": (tuple(feature_map.image_size), made.images[self.index(name)].size),
        }
        for what, (now, then) in pairs.items():
            if now != then:
                raise ValueError(f"{what} of the map of {name!r} is {now!r}; the store expects {then!r}")
        if (feature_map.summary is not None) != made.summaries:
            raise ValueError(f"the map of {name!r} and the store disagree on whether there is a summary")

    def _write(self, name: str, index: int, content: np.ndarray) -> None:
        write_entries(self.folder / name, self._arrays[name], index, content)


@contextlib.contextmanager
def sole_writer(folder: Path, wait: bool = False) -> Iterator[int]:
    """Keep other processes from making or filling what is in `folder`; ends with the process at the latest.

    Gives the descriptor of the lock: a child that inherits it holds the lock until it ends, too.

    Args:
        folder: of a store, or of anything else that one process makes and others use.
        wait: until no other process holds it.

    Raises:
        SamNerfError: if another process holds it and one is not to wait, or the folder cannot be written.
    """
    path = Path(folder) / ".lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise SamNerfError(f"another process is extracting into {folder}; wait for it or stop it") from error
        yield descriptor
    finally:
        os.close(descriptor)


def _array_kinds(manifest: Manifest) -> dict[str, tuple[np.dtype, tuple[int, ...]]]:
    """Type and shape of each array file."""
    count = len(manifest.images)
    kinds: dict[str, tuple[np.dtype, tuple[int, ...]]] = {
        _VALUES: (np.dtype(np.float16), (count, manifest.side, manifest.side, manifest.channels)),
        _DONE: (np.dtype(np.uint8), (count,)),
    }
    if manifest.summaries:
        kinds[_SUMMARIES] = (np.dtype(np.float32), (count, manifest.channels))
    return kinds
