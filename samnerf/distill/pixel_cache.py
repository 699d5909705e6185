"""The pixels of a data set's images on disk, decoded once and memory-mapped.

nerfstudio keeps all images in memory as floats, 12 bytes a pixel, and twice that while it stacks them. A step reads a
few thousand pixels only, so here images stay on the disk, 3 bytes a pixel, and training holds none of them: what of the
file is in memory is the kernel's to keep or to drop. A cache is a folder, `<name>-<hash of what the images are>/`:

    pixels.npy    uint8 [pixels, 3]: all images one after another, row by row; 4 channels if any has transparency
    masks.npy     bool [pixels], only of captures with masks
    done.npy      uint8 [images]: 1 when that image is whole and on the disk

Other images, sizes or masks give another hash, so what can be opened is never stale; the old folder goes when a new
one is made. A killed run loses the images at work and nothing else. POSIX only.
"""

import hashlib
import json
import math
import os
import shutil
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Shaped
from nerfstudio.data.datasets.base_dataset import InputDataset
from nerfstudio.data.utils.data_utils import get_image_mask_tensor_from_path
from nerfstudio.utils.rich_utils import CONSOLE
from rich.progress import track
from torch import Tensor

from samnerf.array_files import map_array, reserve_array, write_entries
from samnerf.atomic_files import unwritable
from samnerf.errors import SamNerfError
from samnerf.feature_store import sole_writer
from samnerf.preprocessing.images import read_header
from samnerf.preprocessing.store_filling import file_hash

_VERSION = 1
_PIXELS, _MASKS, _DONE = "pixels.npy", "masks.npy", "done.npy"
_CURE = "name another folder with --pipeline.datamanager.pixels"
_THREADS = min(4, os.cpu_count() or 1)
"""Images that are decoded at once, and in memory."""


@dataclass(frozen=True)
class _Image:
    """What determines the pixels of one image: (H, W) as the data set sees it, hashes of its file and of its mask's."""

    size: tuple[int, int]
    transparency: bool
    sha256: str
    mask_sha256: str | None

    @property
    def pixels(self) -> int:
        return self.size[0] * self.size[1]


class PixelCache:
    """Images and masks of a data set, as nerfstudio's pixel samplers take them, without being in memory.

    Attributes:
        folder: of the cache.
        images: uint8 [N, H, W, C], or a list of [H, W, C] where sizes differ.
        masks: bool [N, H, W, 1] or a list likewise; None if the capture has none.
    """

    def __init__(self, folder: Path, images: Sequence[_Image], alpha_colour: Tensor | None, mask_colour: Any) -> None:
        """Use `open`."""
        self.folder = folder
        arrays = _mapped(folder, images)
        sizes = [image.size for image in images]
        self.images = _views(arrays[_PIXELS], sizes)
        self.masks = _views(arrays[_MASKS][:, None], sizes) if _MASKS in arrays else None
        self._alpha_colour, self._mask_colour = alpha_colour, mask_colour

    @staticmethod
    def open(dataset: InputDataset, folder: Path, name: str) -> "PixelCache":
        """The cache of a data set; made now, or as far as it is missing.

        Args:
            dataset: whose images they are.
            folder: of all pixel caches of a capture.
            name: of the data set among them; one of each name is kept.

        Raises:
            SamNerfError: if an image cannot be read, the disk is too small, or the folder cannot be written.
        """
        images = _images(dataset)
        content = json.dumps([_VERSION, [asdict(image) for image in images]])
        place = Path(folder) / f"{name}-{hashlib.sha256(content.encode()).hexdigest()[:16]}"
        if not _complete(place, images):
            _check_writable(Path(folder))
            with sole_writer(folder, wait=True):
                # Another process may have made it while this one waited.
                if not place.exists():
                    _reserve(place, name, images)
                _fill(place, images, dataset)
        return PixelCache(place, images, dataset._dataparser_outputs.alpha_color, dataset.mask_color)

    def batch(self) -> dict[str, Any]:
        """Everything, as nerfstudio's loaders hand it to a pixel sampler; colours are still uint8."""
        batch = {"image": self.images, "image_idx": torch.arange(len(self.images))}
        return batch if self.masks is None else {**batch, "mask": self.masks}

    def colours(
        self, pixels: Shaped[Tensor, "n channels"], inside: Shaped[Tensor, "n 1"] | None = None
    ) -> Float[Tensor, "n colours"]:
        """Sampled pixels as nerfstudio's data set has them, bit by bit: 0 to 1, its background and mask colour laid in.

        Args:
            pixels: of `images`, uint8.
            inside: the same places of `masks`.
        """
        # By a tensor: some devices divide by numbers inexactly.
        colours = pixels.float() / torch.tensor(255.0, device=pixels.device)
        if self._alpha_colour is not None and colours.shape[1] == 4:
            opacity = colours[:, 3:]
            colours = colours[:, :3] * opacity + self._alpha_colour.to(opacity.device) * (1.0 - opacity)
        if self._mask_colour and inside is not None:
            colours = torch.where(inside.bool(), colours, torch.tensor(self._mask_colour, device=colours.device))
        return colours


def _images(dataset: InputDataset) -> list[_Image]:
    paths, masks = dataset.image_filenames, dataset._dataparser_outputs.mask_filenames
    with ThreadPoolExecutor(_THREADS) as threads:
        headers = list(threads.map(lambda path: read_header(path, decode=False), paths))
        hashes = list(threads.map(file_hash, paths))
        mask_hashes = list(threads.map(file_hash, masks)) if masks else [None] * len(paths)
    scale = dataset.scale_factor
    return [
        _Image((int(header.size[0] * scale), int(header.size[1] * scale)), header.transparency, sha256, mask)
        for header, sha256, mask in zip(headers, hashes, mask_hashes, strict=True)
    ]


def _kinds(images: Sequence[_Image]) -> dict[str, tuple[np.dtype, tuple[int, ...]]]:
    """Type and shape of each array file."""
    pixels = sum(image.pixels for image in images)
    channels = 4 if any(image.transparency for image in images) else 3
    kinds: dict[str, tuple[np.dtype, tuple[int, ...]]] = {
        _PIXELS: (np.dtype(np.uint8), (pixels, channels)),
        _DONE: (np.dtype(np.uint8), (len(images),)),
    }
    if images[0].mask_sha256 is not None:
        kinds[_MASKS] = (np.dtype(np.bool_), (pixels,))
    return kinds


def _complete(place: Path, images: Sequence[_Image]) -> bool:
    return place.exists() and bool(_mapped(place, images)[_DONE].all())


def _mapped(place: Path, images: Sequence[_Image]) -> dict[str, np.memmap]:
    cure = f"delete {place}; the next training makes it again"
    return {name: map_array(place / name, *kind, cure) for name, kind in _kinds(images).items()}


def _check_writable(folder: Path) -> None:
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not os.access(existing, os.W_OK):
        raise SamNerfError(f"cannot write into {existing}, where the decoded images are to be kept: {_CURE}")


def _reserve(place: Path, name: str, images: Sequence[_Image]) -> None:
    """A cache without images, its space on the disk taken; the folder has its name only when it is whole."""
    for other in place.parent.glob(f"{name}-*"):
        # Who has it mapped keeps it.
        shutil.rmtree(other)
    kinds = _kinds(images)
    begun = place.with_name(f"{place.name}.begun")
    try:
        begun.mkdir()
        for file, kind in kinds.items():
            reserve_array(begun / file, *kind)
        begun.rename(place)
    except OSError as error:
        shutil.rmtree(begun, ignore_errors=True)
        needed = sum(dtype.itemsize * math.prod(shape) for dtype, shape in kinds.values())
        raise SamNerfError(
            f"{unwritable(place, error)}; the pixels of {len(images)} images need {needed / 1e9:.3g} GB there: {_CURE}"
        ) from error


def _fill(place: Path, images: Sequence[_Image], dataset: InputDataset) -> None:
    arrays = _mapped(place, images)
    starts = np.cumsum([0, *(image.pixels for image in images)])
    channels = arrays[_PIXELS].shape[1]
    masks = dataset._dataparser_outputs.mask_filenames

    def put(index: int) -> None:
        image, first = images[index], int(starts[index])
        pixels = _with_channels(dataset.get_numpy_image(index), channels)
        _check_size(dataset.image_filenames[index], pixels.shape[:2], image.size)
        write_entries(place / _PIXELS, arrays[_PIXELS], first, pixels)
        if masks:
            mask = get_image_mask_tensor_from_path(masks[index], dataset.scale_factor).numpy()
            _check_size(masks[index], mask.shape[:2], image.size)
            write_entries(place / _MASKS, arrays[_MASKS], first, mask)
        write_entries(place / _DONE, arrays[_DONE], index, np.ones(1, np.uint8))

    missing = np.flatnonzero(np.asarray(arrays[_DONE]) == 0).tolist()
    with ThreadPoolExecutor(_THREADS) as threads:
        done = threads.map(put, missing)
        for _ in track(done, "Decoding images", total=len(missing), console=CONSOLE, transient=True):
            pass


def _with_channels(pixels: Shaped[np.ndarray, "height width _"], channels: int) -> Shaped[np.ndarray, "height width _"]:
    if pixels.shape[2] == channels:
        return pixels
    opaque = np.full((*pixels.shape[:2], 1), 255, np.uint8)
    return np.concatenate([pixels, opaque], axis=2)


def _check_size(path: Path, size: tuple[int, ...], expected: tuple[int, int]) -> None:
    if size != expected:
        raise SamNerfError(
            f"{path} has {size[1]} x {size[0]} pixels where its image had {expected[1]} x {expected[0]}; masks must "
            "have the size of their images, and neither may change while training begins"
        )


def _views(
    array: Shaped[np.ndarray, "pixels channels"], sizes: Sequence[tuple[int, int]]
) -> Shaped[Tensor, "images height width channels"] | list[Shaped[Tensor, "_ _ channels"]]:
    """Images that lie one after another, as one tensor where they have one size; nothing is copied."""
    with warnings.catch_warnings():
        # Nobody writes to them; a map that could be written to would be counted as memory.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        pixels = torch.from_numpy(array)
    if len(set(sizes)) == 1:
        return pixels.view(len(sizes), *sizes[0], -1)
    parts = pixels.split([height * width for height, width in sizes])
    return [part.view(*size, -1) for part, size in zip(parts, sizes, strict=True)]
