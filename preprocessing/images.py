"""Photographs as nerfstudio reads them: 8 bits, sRGB, EXIF ignored; what it would misread is refused."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

from samnerf.errors import SamNerfError

_EXIF_ORIENTATION = 274
_UNREADABLE = (OSError, UnidentifiedImageError, SyntaxError, ValueError, Image.DecompressionBombError)


@dataclass(frozen=True)
class Header:
    """(H, W) in pixels as stored, and whether EXIF asks for the image to be turned."""

    size: tuple[int, int]
    turned: bool


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
    if pixels.shape[2] == 3:
        return pixels
    return (pixels[..., :3] * (pixels[..., 3:] / 255.0) + 0.5).astype(np.uint8)


def read_header(path: Path, decode: bool) -> Header:
    """Size and orientation; with `decode` the pixels are read too, so that a truncated file is found.

    Raises:
        SamNerfError: as `read_image`.
    """
    try:
        with Image.open(path) as image:
            _check_mode(path, image)
            size = (image.height, image.width)
            if decode:
                # Draft mode decodes a JPEG at an eighth of its size, yet reads the file to its end.
                image.draft("RGB", (image.width // 8, image.height // 8))
                image.load()
            # The method of the PNG class would decode the whole image in search of a late EXIF chunk.
            turned = Image.Image.getexif(image).get(_EXIF_ORIENTATION, 1) not in (0, 1)
    except _UNREADABLE as error:
        raise _unreadable(path, error) from error
    return Header(size, turned)


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
