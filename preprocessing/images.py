"""Photographs as 8-bit sRGB: of a capture as nerfstudio reads them, alone as people see them.

nerfstudio ignores EXIF and misreads some kinds of files, so for a capture these are refused (`read_image`). A single
picture may be of any kind, and is turned as EXIF says (`read_picture`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Shaped, UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from samnerf.errors import SamNerfError

PICTURES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
"""Suffixes of the files of a folder that are taken for pictures."""

_EXIF_ORIENTATION = 274
_MOST_LEVELS = 2**16 - 1
_UNREADABLE = (OSError, UnidentifiedImageError, SyntaxError, ValueError, Image.DecompressionBombError)


@dataclass(frozen=True)
class Header:
    """(H, W) in pixels as stored, whether EXIF asks for the image to be turned, and whether it has transparency."""

    size: tuple[int, int]
    turned: bool
    transparency: bool


def read_image(path: Path) -> UInt8[np.ndarray, "height width 3"]:
    """An sRGB image as nerfstudio's losses see it: transparent pixels on black, grey in three channels.

    Raises:
        SamNerfError: if the file is missing, truncated, or not an 8-bit grey, RGB or RGBA image.
    """
    try:
        with Image.open(path) as image:
            _check_mode(path, image)
            pixels = np.array(image if image.mode == "RGBA" else image.convert("RGB"))
    except _UNREADABLE as error:
        raise _unreadable(path, error) from error
    return _on_black(pixels) if pixels.shape[2] == 4 else pixels


def read_picture(path: Path) -> UInt8[np.ndarray, "height width 3"]:
    """A picture of any kind that Pillow reads, upright: grey, palette, 16 bits, with or without transparency.

    Of an animation the first frame is taken; transparent pixels lie on black.

    Raises:
        SamNerfError: if the file is missing, truncated, no image, or holds floating-point numbers.
    """
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)
            if upright.mode == "F":
                raise SamNerfError(f"image {path} holds floating-point numbers; convert it to 8 or 16 bits")
            if upright.mode.startswith("I"):
                levels = np.asarray(upright)
                if levels.min() < 0 or levels.max() > _MOST_LEVELS:
                    raise SamNerfError(f"image {path} holds numbers beyond 16 bits; convert it to 8 or 16 bits")
                return rgb_pixels(levels.astype(np.uint16))
            return rgb_pixels(np.array(upright.convert("RGBA" if upright.has_transparency_data else "RGB")))
    except _UNREADABLE as error:
        raise _unreadable(path, error) from error


def rgb_pixels(pixels: Shaped[np.ndarray, "..."]) -> UInt8[np.ndarray, "height width 3"]:
    """Grey or colours, with or without transparency, of 8 or 16 bits -> 8-bit sRGB; transparent pixels lie on black.

    Args:
        pixels: [H, W] or [H, W, channels] with 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGBA) channels.

    Raises:
        SamNerfError: if the array is of another shape or type, or has no pixels.
    """
    if pixels.dtype not in (np.uint8, np.uint16):
        raise SamNerfError(f"an image of type {pixels.dtype} came; expected uint8 or uint16")
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or not 1 <= pixels.shape[2] <= 4 or pixels.size == 0:
        raise SamNerfError(f"an image of shape {pixels.shape} came; expected [H, W] or [H, W, 1 to 4 channels]")
    if pixels.dtype == np.uint16:
        pixels = ((pixels.astype(np.uint32) * 255 + _MOST_LEVELS // 2) // _MOST_LEVELS).astype(np.uint8)
    if pixels.shape[2] < 3:
        pixels = np.concatenate([pixels[..., :1]] * 3 + [pixels[..., 1:]], axis=2)
    return _on_black(pixels) if pixels.shape[2] == 4 else np.ascontiguousarray(pixels)


def read_header(path: Path, decode: bool) -> Header:
    """Size, orientation, transparency; with `decode` the pixels are read too, so that a truncated file is found.

    Raises:
        SamNerfError: as `read_image`.
    """
    try:
        with Image.open(path) as image:
            _check_mode(path, image)
            size, transparency = (image.height, image.width), image.mode == "RGBA"
            if decode:
                # Draft mode decodes a JPEG at an eighth of its size, yet reads the file to its end.
                image.draft("RGB", (max(1, image.width // 8), max(1, image.height // 8)))
                image.load()
            # The method of the PNG class would decode the whole image in search of a late EXIF chunk.
            turned = Image.Image.getexif(image).get(_EXIF_ORIENTATION, 1) not in (0, 1)
    except _UNREADABLE as error:
        raise _unreadable(path, error) from error
    return Header(size, turned, transparency)


def find_pictures(paths: Sequence[Path]) -> list[Path]:
    """Every file that is named, and the pictures in every folder that is named, in order; each once.

    Raises:
        SamNerfError: if a folder holds no pictures.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(file for file in path.iterdir() if file.suffix.lower() in PICTURES and file.is_file())
        if not inside:
            raise SamNerfError(f"folder {path} holds no pictures ({', '.join(PICTURES)})")
        found += inside
    return list(dict.fromkeys(found))


def _on_black(pixels: UInt8[np.ndarray, "height width 4"]) -> UInt8[np.ndarray, "height width 3"]:
    opacity: Float[np.ndarray, "height width 1"] = pixels[..., 3:] / 255.0
    return (pixels[..., :3] * opacity + 0.5).astype(np.uint8)


def _check_mode(path: Path, image: Image.Image) -> None:
    if image.mode not in ("L", "RGB", "RGBA"):
        raise SamNerfError(
            f"image {path} is of PIL mode {image.mode!r}; nerfstudio reads 8-bit grey, RGB and RGBA: convert it"
        )


def _unreadable(path: Path, error: Exception) -> SamNerfError:
    if isinstance(error, FileNotFoundError):
        return SamNerfError(f"image {path} does not exist")
    reason = "it is not an image" if isinstance(error, UnidentifiedImageError) else str(error)
    return SamNerfError(f"image {path} cannot be read, it may be truncated: {reason}")
