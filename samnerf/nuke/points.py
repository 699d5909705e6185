"""Points as compositors say them: rows of x, y, subtractive, on a square of 1024 whose origin is at the bottom left.

SAM for Nuke keeps 16 of them in the lowest row of a picture, three columns each, and so do we; `points_from_text` reads
the same from a knob, in pixels. A point that is switched off has x = y = 0. A point counts only if both coordinates lie
in 1 to 1024, so that one which an animation takes out of the picture drops out without an error.
"""

import math

import numpy as np
from jaxtyping import Float

from samnerf.errors import SamNerfError
from samnerf.nuke.frames import Frame
from samnerf.prompts import Point

MOST_POINTS = 16
SIDE = 1024
_FORM = '"x,y" or "x,y,subtractive" or "x,y,subtractive,enabled", with blanks between points'


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
    columns = 3 * MOST_POINTS
    if frame.size[1] < columns:
        raise SamNerfError(f"points take {columns} columns of the lowest row, and the picture has {frame.size[1]}")
    return points_from_rows(frame.pixels[0, -1, :columns].reshape(MOST_POINTS, 3), frame.size)


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
    rows = np.zeros((len(said), 3))
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
