"""Encoded mattes: what SAM's encoder says of a frame, as one channel of an EXR file that compositors keep and decode.

The map `[channels, side, side]` is laid into a picture in C order, row 0 on top, without changing a number. For Meta's
SAM that is `[256, 64, 64]` as 1024 x 1024 pixels, which SAM for Nuke reads: pixel (r, q) holds channel `r // 4` at the
grid row `(r % 4) * 16 + q // 64` and column `q % 64`. A picture that is decoded there was *stretched* to a square, so
a map of the layout `letterbox` says something else and is refused.

SAM for Nuke has the decoders of ViT-H and ViT-B, and chooses by an attribute. Maps of other encoders are written in the
same way, and say in their header that samnerf alone reads them.
"""

from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from samnerf.errors import SamNerfError
from samnerf.export.exr import read_exr, write_exr
from samnerf.feature_map import FeatureMap, Layout

CHANNEL = "A"
DETAIL_ATTRIBUTE = "nuke/sam/detailLevel"
DETAIL_LEVELS = {"sam-vit-h": "high", "sam-vit-b": "fast"}
"""What SAM for Nuke calls its two models; it takes anything but "high" for the second."""
NUKE_MAP_SHAPE = (256, 64, 64)
READERS_ATTRIBUTE = "samnerf/readers"
FOR_NUKE = "SAM for Nuke, samnerf"
FOR_SAMNERF = "samnerf alone; SAM for Nuke has no decoder for it"

# The decoder's input has the points of the compositor below the matte: 16 rows, the last of which holds them.
PADDING_ROWS = 16
MOST_POINTS = 16
POINT_COLUMNS = 3
POINTS_SIDE = 1024
"""The square in which points are said, whatever the encoder: x and y from 1 to this."""

_TEACHER, _SHAPE, _SIZE, _WEIGHTS = (f"samnerf/{key}" for key in ("teacher", "mapShape", "imageSize", "weights"))


@dataclass(frozen=True, eq=False)
class EncodedMatte:
    """What a file holds.

    Attributes:
        feature_map: of the layout `stretch`; its image is the plate.
        weights_hash: SHA-256 of the encoder's weights; None if the file does not say.
    """

    feature_map: FeatureMap
    weights_hash: str | None = None


def matte_size(map_shape: tuple[int, int, int]) -> tuple[int, int]:
    """Rows and columns of the picture that holds a map: columns are a power of 2, and at least as many as rows.

    Raises:
        ValueError: if the map has no such picture.
    """
    count = prod(map_shape)
    columns = 1
    while columns * columns < count:
        columns *= 2
    if count % columns or columns < MOST_POINTS * POINT_COLUMNS:
        raise ValueError(f"a map of shape {map_shape} fills no picture of {columns} columns, or one too narrow")
    return count // columns, columns


def to_matte(values: Float[Tensor, "channels side side"]) -> Float32[np.ndarray, "rows columns"]:
    """A map as a picture, bit for bit what it is in single precision."""
    channels, side, _ = values.shape
    plain = values.detach().to("cpu", torch.float32).contiguous()
    return plain.reshape(matte_size((channels, side, side))).numpy()


def from_matte(
    matte: Float[np.ndarray, "rows columns"], map_shape: tuple[int, int, int]
) -> Float32[Tensor, "channels side side"]:
    """The inverse of `to_matte`.

    Raises:
        ValueError: if the picture has another size than that of such a map.
    """
    if matte.shape != matte_size(map_shape):
        raise ValueError(f"the matte has {matte.shape} pixels, but a map of {map_shape} takes {matte_size(map_shape)}")
    return torch.from_numpy(np.array(matte, np.float32)).reshape(map_shape)


def check_layout(layout: Layout, teacher: str) -> None:
    """Say that a map is none for an encoded matte before it is rendered.

    Raises:
        SamNerfError: if it is of another layout than `stretch`, or its decoder wants finer levels besides.
    """
    if teacher.startswith("sam2-"):
        raise SamNerfError(
            f"no encoded matte can hold what {teacher} says: its decoder wants finer features besides; use sam-vit-h "
            "or sam-vit-b"
        )
    if layout != "stretch":
        raise SamNerfError(
            f"the features of {teacher} are of the layout {layout!r}, in which a picture keeps its aspect, but whoever "
            "decodes an encoded matte takes the picture to be stretched to a square, and would get other masks; "
            "extract with samnerf extract --layout stretch and train with --pipeline.model.sam-layout stretch"
        )


def is_for_nuke(teacher: str) -> bool:
    """Whether SAM for Nuke can decode what a teacher says."""
    return teacher in DETAIL_LEVELS


def write_encoded_matte(path: Path, feature_map: FeatureMap, weights_hash: str | None = None) -> None:
    """One frame as an EXR file: the channel `A` in single precision, losslessly compressed.

    Args:
        path: of the file, `name.0001.exr`.
        feature_map: of the layout `stretch`.
        weights_hash: SHA-256 of the encoder's weights, where it is known.

    Raises:
        SamNerfError: if the map is of another layout, or has values that are no numbers, or the file cannot be written.
    """
    check_layout(feature_map.layout, feature_map.teacher)
    matte = to_matte(feature_map.values)
    if not np.isfinite(matte).all():
        raise SamNerfError(
            f"the features for {path} have values that are no numbers, so nothing can be decoded from them"
        )
    height, width = feature_map.image_size
    attributes = {
        READERS_ATTRIBUTE: FOR_NUKE if is_for_nuke(feature_map.teacher) else FOR_SAMNERF,
        _TEACHER: feature_map.teacher,
        _SHAPE: " ".join(map(str, feature_map.values.shape)),
        _SIZE: f"{width} {height}",
    }
    if is_for_nuke(feature_map.teacher):
        attributes[DETAIL_ATTRIBUTE] = DETAIL_LEVELS[feature_map.teacher]
    if weights_hash is not None:
        attributes[_WEIGHTS] = weights_hash
    write_exr(path, {CHANNEL: matte}, attributes)


def read_encoded_matte(path: Path, image_size: tuple[int, int] | None = None) -> EncodedMatte:
    """Read a file of `write_encoded_matte`, or one that SAM for Nuke exported.

    Args:
        path: of the file.
        image_size: (H, W) of the plate; by default what the file says, and a file of SAM for Nuke does not.

    Raises:
        SamNerfError: if it cannot be read, holds no encoded matte, or nobody says how large the plate is.
    """
    image = read_exr(path)
    if CHANNEL not in image.channels:
        held = ", ".join(sorted(image.channels))
        raise SamNerfError(f"{path} holds no encoded matte: it has no channel {CHANNEL}, but {held}")
    matte = image.channels[CHANNEL].astype(np.float32)
    said = image.attributes
    level = said.get(DETAIL_ATTRIBUTE)
    teacher = said.get(_TEACHER) or ("sam-vit-h" if level == "high" else "sam-vit-b")
    map_shape = _whole_numbers(said[_SHAPE], 3, path) if _SHAPE in said else NUKE_MAP_SHAPE
    size = image_size
    if size is None:
        if _SIZE not in said:
            raise SamNerfError(f"{path} does not say how large its plate is; give --size WIDTH HEIGHT")
        width, height = _whole_numbers(said[_SIZE], 2, path)
        size = height, width
    try:
        values = from_matte(matte, (map_shape[0], map_shape[1], map_shape[2]))
    except ValueError as error:
        raise SamNerfError(f"{path} holds no encoded matte: {error}") from error
    if not np.isfinite(matte).all():
        raise SamNerfError(f"{path} has values that are no numbers; export it again")
    return EncodedMatte(FeatureMap(values, size, "stretch", teacher), said.get(_WEIGHTS))


def _whole_numbers(text: str, count: int, path: Path) -> tuple[int, ...]:
    words = text.split()
    if len(words) != count or not all(word.isdecimal() and 1 <= int(word) <= 65535 for word in words):
        raise SamNerfError(
            f"{path} says {text!r} in its header, but {count} whole numbers were expected; export it again"
        )
    return tuple(map(int, words))
