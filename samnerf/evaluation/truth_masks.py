"""Masks of published data sets: read as they lie there, and predictions brought to their size."""

from pathlib import Path

import numpy as np
from jaxtyping import Bool
from PIL import Image, UnidentifiedImageError

from samnerf.errors import SamNerfError


def read_mask(path: Path, above: int = 127) -> Bool[np.ndarray, "height width"]:
    """A mask from a picture: whether its grey value, 0 to 255, is above a number.

    Raises:
        SamNerfError: if the file is missing or no picture.
    """
    try:
        with Image.open(path) as image:
            return np.array(image.convert("L")) > above
    except (OSError, SyntaxError, ValueError, UnidentifiedImageError) as error:
        raise SamNerfError(f"mask {path} cannot be read ({error}); fetch the data set again") from error


def at_size(mask: Bool[np.ndarray, "_ _"], size: tuple[int, int]) -> Bool[np.ndarray, "_ _"]:
    """A mask at another size (H, W), each pixel from the nearest one."""
    if mask.shape == size:
        return mask
    resized = Image.fromarray(mask.astype(np.uint8)).resize((size[1], size[0]), Image.Resampling.NEAREST)
    return np.asarray(resized).astype(bool)


def subfolder(folder: Path, names: tuple[str, ...], what: str) -> Path:
    """The first of several places below a folder that is there.

    Args:
        folder: that somebody named.
        names: with slashes; "." is the folder itself.
        what: the layout, for the message.

    Raises:
        SamNerfError: if the folder is missing, or none of the places is there.
    """
    if not folder.is_dir():
        raise SamNerfError(f"--data {folder} is no folder; give that of {what}")
    for name in names:
        if (folder / name).is_dir():
            return folder / name
    raise SamNerfError(f"--data {folder} is not laid out as {what}: it has no {' or '.join(names)}")


def folders(folder: Path) -> list[Path]:
    """The folders in a folder, by name; hidden ones and what archives of a Mac bring along are left out."""
    return sorted(one for one in folder.iterdir() if one.is_dir() and not one.name.startswith((".", "__")))
