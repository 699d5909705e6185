"""Plates: the pictures that a compositor works on, linear light in EXR files or sRGB in others.

For SAM's encoder a plate is resized in linear light to the square that the encoder sees, each axis with its own scale,
and given the sRGB curve afterwards, in this order, because the gizmos in Nuke do so. Values beyond 0 to 1 are cut off
in between.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from samnerf.errors import SamNerfError
from samnerf.export.exr import colour_channels, read_exr, write_exr
from samnerf.export.light import linear_light, srgb_curve_of
from samnerf.preprocessing.images import PICTURES, read_picture

EXR = ".exr"
_NUMBERED = re.compile(r"(.*?)[._-]?(\d+)$")


@dataclass(frozen=True)
class Plate:
    """A file of a sequence.

    Attributes:
        path: of the file.
        number: of its frame.
    """

    path: Path
    number: int


def find_plates(folder: Path, first_frame: int = 1) -> list[Plate]:
    """The pictures of a folder in the order of their frames.

    The number of a frame is what its file's name ends in (`shot.1001.exr`). If some name ends in no number, or two in
    the same, frames are counted from `first_frame` in the order of the names.

    Raises:
        SamNerfError: if the folder does not exist or holds no picture.
    """
    suffixes = (EXR, *PICTURES)
    if not folder.is_dir():
        raise SamNerfError(f"folder of plates {folder} does not exist")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes and path.is_file())
    paths = [path for path in paths if not path.name.startswith(".")]
    if not paths:
        raise SamNerfError(f"folder {folder} holds no plates ({', '.join(suffixes)})")
    numbers = _numbers(paths) or list(range(first_frame, first_frame + len(paths)))
    return sorted((Plate(path, number) for path, number in zip(paths, numbers, strict=True)), key=lambda p: p.number)


def read_plate(path: Path, bypass_srgb: bool = False) -> Float32[np.ndarray, "height width 3"]:
    """A plate in linear light; as its file has it, if the sRGB curve is to be bypassed.

    Raises:
        SamNerfError: if the file cannot be read, lacks R, G and B, or holds a part of its format only.
    """
    if path.suffix.lower() != EXR:
        colours = read_picture(path) / 255
        return (colours if bypass_srgb else linear_light(colours)).astype(np.float32)
    image = read_exr(path)
    if missing := [channel for channel in "RGB" if channel not in image.channels]:
        held = ", ".join(sorted(image.channels))
        raise SamNerfError(f"the plate {path} has no channel {missing[0]}, but {held}; R, G and B are needed")
    if not image.whole:
        raise SamNerfError(
            f"the plate {path} holds more or less than its format (its data window is not its display window), so "
            "places in it would be displaced; write it with the box of its format"
        )
    return np.stack([image.channels[channel] for channel in "RGB"], axis=-1).astype(np.float32)


def square_input(
    plate: Float[np.ndarray, "height width 3"], side: int, bypass_srgb: bool = False
) -> Float[Tensor, "3 side side"]:
    """sRGB, 0 to 1, as the encoder takes it: resized as it comes, bilinearly and antialiased, then given the curve.

    Args:
        plate: linear light; sRGB already, if the curve is bypassed. What is no number is black.
        side: of the encoder's square, pixels.
        bypass_srgb: leave out the curve.
    """
    # Infinite highlights would spread over the picture as "no number".
    light = torch.from_numpy(np.nan_to_num(plate, nan=0.0, posinf=65504.0, neginf=0.0)).float().permute(2, 0, 1)[None]
    small = F.interpolate(light, (side, side), mode="bilinear", align_corners=False, antialias=True)[0].clamp(0, 1)
    return small if bypass_srgb else srgb_curve_of(small)


def write_plate(path: Path, rgb: UInt8[np.ndarray, "height width 3"]) -> None:
    """A rendered plate: scene-linear `R`, `G`, `B` in half precision.

    Raises:
        SamNerfError: if the file cannot be written.
    """
    write_exr(path, colour_channels(rgb))


def _numbers(paths: Sequence[Path]) -> list[int] | None:
    found = [_NUMBERED.fullmatch(path.stem) for path in paths]
    numbers = [int(match[2]) for match in found if match]
    return numbers if len(set(numbers)) == len(paths) and len(numbers) == len(paths) else None
