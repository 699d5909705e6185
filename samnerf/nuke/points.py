"""Points as compositors say them: rows of x, y, subtractive, on a square of 1024 whose origin is at the bottom left.

SAM for Nuke keeps 16 of them in the lowest row of a picture, three columns each, and so do we; `points_from_text` reads
the same from a knob, in pixels. A point that is switched off has x = y = 0. A point counts only if both coordinates lie
in 1 to 1024, so that one which an animation takes out of the picture drops out without an error.

The decoder that runs in Nuke reads them below an encoded matte: `padded_matte` makes what it takes, as the gizmo does.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

from samnerf.errors import SamNerfError
from samnerf.export.encoded_matte import MOST_POINTS, PADDING_ROWS, POINT_COLUMNS
from samnerf.export.encoded_matte import POINTS_SIDE as SIDE
from samnerf.nuke.frames import Frame
from samnerf.prompts import Point

_COLUMNS = MOST_POINTS * POINT_COLUMNS
_FORM = '"x,y" or "x,y,subtractive" or "x,y,subtractive,enabled", with blanks between points'


@dataclass(frozen=True)
class KnobPoint:
    """A point as knobs have it.

    Attributes:
        x, y: pixels of the plate, from the bottom left.
        subtractive: whether it takes away.
        enabled: whether it is switched on.
    """

    x: float
    y: float
    subtractive: bool = False
    enabled: bool = True


def points_row(points: Sequence[KnobPoint], image_size: tuple[int, int]) -> Float32[np.ndarray, " columns"]:
    """What stands in the lowest row: x, y, subtractive of 16 points, and zeros for those that there are not.

    Raises:
        SamNerfError: if there are more than 16.
    """
    if len(points) > MOST_POINTS:
        raise SamNerfError(f"there are {len(points)} points, but at most {MOST_POINTS} are taken")
    height, width = image_size
    rows = np.zeros((MOST_POINTS, POINT_COLUMNS), np.float32)
    for row, point in zip(rows, points, strict=False):
        on = float(point.enabled)
        row[:] = on * point.x / width * SIDE, on * point.y / height * SIDE, float(point.subtractive)
    return rows.reshape(-1)


def padded_matte(
    matte: Float32[np.ndarray, "rows columns"], points: Sequence[KnobPoint], image_size: tuple[int, int]
) -> Float32[np.ndarray, "padded columns"]:
    """What the decoder takes: 16 rows more below the matte, the last of which holds the points.

    Raises:
        SamNerfError: if there are more than 16 points.
    """
    padded = np.pad(matte, ((0, PADDING_ROWS), (0, 0)))
    padded[-1, :_COLUMNS] = points_row(points, image_size)
    return padded


def points_from_matte(padded: Float32[np.ndarray, "padded columns"], image_size: tuple[int, int]) -> tuple[Point, ...]:
    """The points below a matte that count, as clicks in pixels of an image of size (H, W)."""
    return points_from_rows(padded[-1, :_COLUMNS].reshape(MOST_POINTS, POINT_COLUMNS), image_size)


def points_from_rows(rows: Float[np.ndarray, "points 3"], image_size: tuple[int, int]) -> tuple[Point, ...]:
    """Clicks in pixels of an image of size (H, W), from rows of x, y (1 to 1024, from the bottom left), subtractive.

    A subtractive of 1 or more takes away, anything less adds.
    """
    height, width = image_size
    inside = ((rows[:, :2] >= 1) & (rows[:, :2] <= SIDE)).all(axis=1)
    return tuple(
        Point(float(x) / SIDE * width, (SIDE - float(y)) / SIDE * height, int(not subtractive >= 1))
        for x, y, subtractive in rows[inside]
    )


def points_from_frame(frame: Frame) -> tuple[Point, ...]:
    """The 16 points in the lowest row of a frame's first channel, as clicks in its pixels.

    Raises:
        SamNerfError: if the frame is narrower than they are.
    """
    if frame.size[1] < _COLUMNS:
        raise SamNerfError(f"points take {_COLUMNS} columns of the lowest row, and the picture has {frame.size[1]}")
    return points_from_matte(frame.pixels[0], frame.size)


def without_points(frame: Frame) -> Frame:
    """The frame with the row above in place of the lowest: no encoder sees points, nor notices that they moved."""
    if frame.size[0] < 2:
        return frame
    return Frame(np.concatenate([frame.pixels[:, :-1], frame.pixels[:, -2:-1]], axis=1))


def points_from_text(text: str, image_size: tuple[int, int]) -> tuple[Point, ...]:
    """Up to 16 points as a knob has them, "960,540 100,200,1".

    Of each: x and y in pixels from the bottom left, whether it is subtractive, and whether it is enabled.

    Raises:
        SamNerfError: if one of them is malformed, or there are more.
    """
    said = text.split()
    if len(said) > MOST_POINTS:
        raise SamNerfError(f"there are {len(said)} points, but at most {MOST_POINTS} are taken")
    height, width = image_size
    rows = np.zeros((len(said), POINT_COLUMNS))
    for row, one in zip(rows, said, strict=True):
        x, y, subtractive, enabled = _numbers(one)
        row[:] = enabled * x / width * SIDE, enabled * y / height * SIDE, subtractive
    return points_from_rows(rows, image_size)


def _numbers(one: str) -> tuple[float, float, float, float]:
    try:
        numbers = [float(part) for part in one.split(",")]
    except ValueError as error:
        raise SamNerfError(f"the point {one!r} is not {_FORM}") from error
    if not 2 <= len(numbers) <= 4 or not all(map(math.isfinite, numbers)):
        raise SamNerfError(f"the point {one!r} is not {_FORM}")
    x, y, subtractive, enabled = (*numbers, *(0.0, 1.0)[len(numbers) - 2 :])
    return x, y, subtractive, float(enabled > 0)
