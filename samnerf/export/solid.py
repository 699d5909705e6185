"""A solid from the oriented points of a surface: which cells of a grid lie inside.

A field knows surfaces only; marching one of its shells gives two skins. So the points that views saw, each with its
normal and the area it stands for, are asked how often they wind around each cell: the generalised winding number for
point clouds (Barill et al. 2018, "Fast winding numbers for soups and clouds"), 1 inside a closed surface and
0 outside. A cell's number is a convolution of the points' dipoles with one kernel, so on a regular grid three Fourier
transforms replace that paper's octree, and the time does not depend on the number of points.

How a gap closes: where the seen surface ends in a plane rim (a cube whose bottom rests on the floor), the number is
exactly one half on the plane of the rim, so the level 0.5 is its flat lid; other rims get a smooth membrane. With
`floor`, the object is mirrored in the floor as well: its sides then run on to the floor and end in the contact face,
unless the gap that nobody saw is higher than about half the radius of the rim (then the lid stays above the floor).
A hole that goes through, as in a ring on a table, stays one.

Frame: nerfstudio's world, right-handed, +Z up, scene units.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float32
from scipy import fft
from scipy.spatial import KDTree
from scipy.special import erf

from samnerf.errors import SamNerfError

MOST_CELLS = 1 << 23
NEIGHBOURS = 16
DIRECTIONS = 32
_BLUR = 0.6
_CHUNK = 4096


@dataclass(frozen=True)
class OccupancyGrid:
    """How full space is, on a regular grid along the world's axes.

    Attributes:
        values: `values[x, y, z]`, greater inside; a probability, a density, a winding number.
        lower: position of `values[0, 0, 0]` in the world.
        spacing: from one value to the next along each axis, scene units.
        level: the surface runs where the values cross this.
    """

    values: Float[np.ndarray, "x y z"]
    lower: Float[np.ndarray, "3"]
    spacing: float
    level: float = 0.5

    def axes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """World x, y and z of the values along each axis."""
        x, y, z = (low + self.spacing * np.arange(n) for low, n in zip(self.lower, self.values.shape, strict=True))
        return x, y, z


def surface_occupancy(
    points: Float[np.ndarray, "points 3"],
    normals: Float[np.ndarray, "points 3"],
    spacing: float,
    floor: float | None = None,
) -> OccupancyGrid:
    """Winding numbers of an object's surface points: about 1 inside, 0 outside, 0.5 on the surface.

    The surface is blurred by a Gaussian, its standard deviation 0.6 of the spacing of the grid or of the points,
    whichever is wider; what is thinner than some two spacings is lost, and edges are rounded. With a floor, the space
    under an overhang that is wider than it is high counts as inside, for nobody saw it empty.

    Args:
        points: on the surface, at most one per cube of about `spacing` (see `merge_points`); at least four.
        normals: unit vectors out of the object.
        spacing: of the grid, scene units.
        floor: height (z) on which the object stands; points below are left out, and nothing is inside below it. Without
            it, the seen surface is closed where it ends.

    Raises:
        SamNerfError: if there are too few points, the spacing is not positive or far too small, or all of the object
            is below the floor.
    """
    points, normals = points.astype(np.float64), normals.astype(np.float64)
    if not (spacing > 0 and math.isfinite(spacing)):
        raise SamNerfError(f"spacing of the grid is {spacing:g} but must be positive, in scene units")
    if floor is not None:
        points, normals = points[points[:, 2] >= floor], normals[points[:, 2] >= floor]
    if len(points) < 4:
        where = "" if floor is None else f" above the floor at z = {floor:g}"
        raise SamNerfError(f"the object has {len(points)} surface points{where}; a solid needs at least 4, better 1000")
    areas = point_areas(points, normals)
    blur = _BLUR * max(spacing, math.sqrt(float(np.median(areas))))
    dipoles = areas[:, None] * normals
    if floor is not None:
        mirror = np.array([1.0, 1.0, -1.0])
        points = np.concatenate([points, points * mirror + (0, 0, 2 * floor)])
        dipoles = np.concatenate([dipoles, dipoles * mirror])
    lower = points.min(axis=0) - 3 * blur - spacing
    counts = np.ceil((points.max(axis=0) + 3 * blur + spacing - lower) / spacing).astype(np.int64) + 1
    if np.prod(counts.astype(np.float64)) > MOST_CELLS:
        coarser = spacing * (float(np.prod(counts.astype(np.float64))) / MOST_CELLS) ** (1 / 3)
        raise SamNerfError(
            f"spacing {spacing:g} makes a grid of {' x '.join(map(str, counts))} cells, more than {MOST_CELLS}; "
            f"try {coarser * 1.05:.2g}"
        )
    shape = (int(counts[0]), int(counts[1]), int(counts[2]))
    values = _winding_numbers(_spread((points - lower) / spacing, dipoles, shape), spacing, blur)
    grid = OccupancyGrid(values, lower, spacing)
    return grid if floor is None else _above_floor(grid, floor)


def point_areas(points: Float[np.ndarray, "points 3"], normals: Float[np.ndarray, "points 3"]) -> np.ndarray:
    """Area [points] each point stands for: its Voronoi cell in its tangent plane (Barill et al. 2018).

    The cell is measured along rays from the point; at the rim of the surface it ends at the distance of the fourth
    neighbour. Points of an opposite side close by take nothing away.
    """
    count = min(NEIGHBOURS, len(points) - 1)
    nearest = KDTree(points).query(points, k=count + 1, workers=-1)
    distances, indices = (np.asarray(found) for found in nearest)
    limits = distances[:, min(4, count)]
    angles = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    areas = np.empty(len(points))
    for start in range(0, len(points), _CHUNK):
        part = slice(start, start + _CHUNK)
        right, up = _tangents(normals[part])
        rays = right[:, None] * np.cos(angles)[:, None] + up[:, None] * np.sin(angles)[:, None]
        offsets = points[indices[part, 1:]] - points[part, None]
        likeness = np.einsum("nkc,nc->nk", normals[indices[part, 1:]], normals[part])
        heights = np.einsum("nkc,nc->nk", offsets, normals[part])
        along = np.einsum("nkc,nmc->nkm", offsets, rays)
        # Height over the plane is noise where the neighbour is of the same face, and real where it is of another.
        squared = (offsets**2).sum(axis=-1) - np.where(likeness > 0.5, heights**2, 0)
        squared = np.where(likeness < -0.5, np.inf, squared)[..., None]
        # A point of the plane belongs to its nearest point: it ends half way to a neighbour, measured along the offset.
        bisectors = np.where(along > 1e-12, squared / np.maximum(2 * along, 1e-12), np.inf)
        reach = np.minimum(bisectors.min(axis=1), limits[part, None])
        areas[part] = 0.5 * (reach**2).sum(axis=-1) * (2 * np.pi / DIRECTIONS)
    return areas


def _tangents(normals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two unit vectors per normal that make a right angle with it and each other."""
    aside = np.where(np.abs(normals[:, :1]) < 0.7, (1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
    right = np.cross(normals, aside)
    right /= np.linalg.norm(right, axis=-1, keepdims=True)
    return right, np.cross(normals, right)


def _spread(cells: np.ndarray, dipoles: np.ndarray, shape: tuple[int, int, int]) -> Float32[np.ndarray, "3 x y z"]:
    """Each dipole shared between the eight values around it, by trilinear weights."""
    base = np.floor(cells).astype(np.int64)
    part = cells - base
    corners, weights = [], []
    for corner in np.ndindex(2, 2, 2):
        corners.append(np.ravel_multi_index(tuple((base + corner).T), shape))
        weights.append(np.prod(np.where(corner, part, 1 - part), axis=-1))
    where, share = np.concatenate(corners), np.stack(weights)
    columns = [np.bincount(where, (share * one).ravel(), math.prod(shape)).reshape(shape) for one in dipoles.T]
    return np.stack(columns).astype(np.float32)


def _winding_numbers(dipoles: np.ndarray, spacing: float, blur: float) -> Float32[np.ndarray, "x y z"]:
    """The dipoles convolved with the kernel of a dipole blurred by a Gaussian, in free space."""
    shape = dipoles.shape[1:]
    padded: list[Any] = [fft.next_fast_len(2 * side - 1, real=True) for side in shape]
    x, y, z = (
        (spacing * np.fft.fftfreq(side, 1 / side))
        .astype(np.float32)
        .reshape([-1 if i == axis else 1 for i in range(3)])
        for axis, side in enumerate(padded)
    )
    radius = np.sqrt(x**2 + y**2 + z**2)
    radius[0, 0, 0] = 1
    scaled = radius / (math.sqrt(2) * blur)
    # The part of a Gaussian blob within the radius: far away the blurred dipole is the plain one.
    within = erf(scaled) - (2 / math.sqrt(math.pi)) * scaled * np.exp(-(scaled**2))
    strength = -within / (4 * math.pi * radius**3)
    spectrum = np.zeros(1, np.complex64)
    for dipole, axis in zip(dipoles, (x, y, z), strict=True):
        kernel: Any = fft.rfftn(strength * axis, workers=-1)
        spectrum = spectrum + kernel * fft.rfftn(dipole, padded, workers=-1)
    whole = np.asarray(fft.irfftn(spectrum, padded, workers=-1))
    return whole[tuple(slice(side) for side in shape)].astype(np.float32)


def _above_floor(grid: OccupancyGrid, floor: float) -> OccupancyGrid:
    """The part above the floor, cut off so that the surface closes exactly there.

    The cut is a ramp gentle enough to run below the winding number on both sides of the floor.
    """
    heights = grid.axes()[2]
    first = max(0, int(np.searchsorted(heights, floor)) - 2)
    ramp = grid.level + 0.25 * (heights[first:] - floor) / grid.spacing
    values = np.minimum(grid.values[:, :, first:], ramp.astype(np.float32))
    return OccupancyGrid(values, grid.lower + np.array([0, 0, first * grid.spacing]), grid.spacing, grid.level)
