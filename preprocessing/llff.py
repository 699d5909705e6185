"""LLFF's `poses_bounds.npy`: one row of 17 numbers for each photograph, in the order of their names.

A row holds a 3 x 5 matrix, row by row, and the nearest and farthest depth. The matrix is `[R | t | hwf]`: its columns
are the camera's down, right and backwards axes and its centre of projection, all in the world, and height, width and
focal length in pixels (Mildenhall et al. 2019, arXiv:1905.00889, and the README of its code). The principal point is
the middle of the image and there is no distortion. The depths go unused: nerfstudio contracts space and needs no
bounds.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float64

from samnerf.errors import SamNerfError
from samnerf.preprocessing.captures import Intrinsics
from samnerf.preprocessing.posed_images import PosedImage

COLUMNS = 17
_SKEW_TOLERANCE = 1e-3


def read_poses_bounds(path: Path) -> list[PosedImage]:
    """The cameras of the file, in its order, without names.

    Raises:
        SamNerfError: if the file is missing or unreadable, is not N x 17, or a row (counted from 0) holds NaN, no
            rotation, or no size and focal length.
    """
    table = _read_table(path)
    return [_posed(row.reshape(3, 5), f"{path}: row {i}") for i, row in enumerate(table[:, :15])]


def _read_table(path: Path) -> Float64[np.ndarray, "images columns"]:
    try:
        with path.open("rb") as file:
            table = np.lib.format.read_array(file, allow_pickle=False)
    except FileNotFoundError as error:
        raise SamNerfError(f"{path} does not exist") from error
    except (OSError, ValueError, EOFError) as error:
        raise SamNerfError(f"{path} cannot be read as an .npy file of N x {COLUMNS} numbers: {error}") from error
    if table.ndim != 2 or table.shape[1] != COLUMNS or not len(table) or table.dtype.kind not in "fiu":
        shape = " x ".join(map(str, table.shape)) or "a single value"
        raise SamNerfError(f"{path} holds {shape} of type {table.dtype}; expected N x {COLUMNS} numbers")
    return table.astype(np.float64)


def _posed(matrix: Float64[np.ndarray, "3 5"], where: str) -> PosedImage:
    if not np.isfinite(matrix).all():
        raise SamNerfError(f"{where} holds NaN or infinity; the pose of that image was not found")
    down, right, backwards, position, (height, width, focal) = matrix.T
    rotation = np.stack([right, -down, backwards], axis=1)
    if np.abs(rotation.T @ rotation - np.eye(3)).max() > _SKEW_TOLERANCE or np.linalg.det(rotation) < 0:
        raise SamNerfError(
            f"{where} holds no rotation; its columns should be the camera's down, right and backwards axes"
        )
    if min(height, width) < 1 or focal <= 0:
        raise SamNerfError(
            f"{where} gives height {height:g}, width {width:g} and focal length {focal:g}; all must be positive"
        )
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation, position
    size = round(height), round(width)
    middle = Intrinsics(float(focal), float(focal), size[1] / 2, size[0] / 2, (0.0,) * 6)
    return PosedImage(None, pose, middle, size)
