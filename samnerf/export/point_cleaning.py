"""Points of many views to one even cloud: at most one point per cube, and no lonely ones.

Pure arrays, in nerfstudio's world (right-handed, +Z up, scene units); millions of points take seconds.
"""

import math

import numpy as np
from jaxtyping import Float, Int, UInt16
from scipy.spatial import KDTree

from samnerf.errors import SamNerfError
from samnerf.export.point_cloud import PointCloud

NEIGHBOURS = 16
DEVIATIONS = 2.0


def merge_points(cloud: PointCloud, spacing: float) -> PointCloud:
    """At most one point per cube of a grid that is anchored at the world's origin; cubes in order of x, y, z.

    Position, colour (of the sRGB values) and confidence are means over the cube; the normal is the mean, made unit
    again, or that of the cube's first point where the normals cancel out; the object ID is the most frequent one, of
    equally frequent ones the lowest.

    Args:
        cloud: points of any number of views, see `point_cloud.joined`.
        spacing: edge of a cube, scene units.

    Raises:
        SamNerfError: if the spacing is not positive, or far too small for the cloud.
    """
    if not (spacing > 0 and math.isfinite(spacing)):
        raise SamNerfError(f"spacing of points is {spacing:g} but must be positive, in scene units")
    if not len(cloud):
        return cloud
    _, first, cube, counts = np.unique(
        _cube_keys(cloud.positions, spacing), return_index=True, return_inverse=True, return_counts=True
    )

    def means(values: np.ndarray) -> np.ndarray:
        columns = values.reshape(len(values), -1).T
        summed = [np.bincount(cube, weights=column, minlength=len(counts)) for column in columns]
        return np.stack(summed, axis=-1) / counts[:, None]

    normals = means(cloud.normals)
    lengths = np.linalg.norm(normals, axis=-1, keepdims=True)
    normals = np.where(lengths > 1e-6, normals / np.maximum(lengths, 1e-6), cloud.normals[first])
    return PointCloud(
        means(cloud.positions).astype(np.float32),
        np.rint(means(cloud.colours)).astype(np.uint8),
        normals.astype(np.float32),
        _majority(cube, cloud.object_ids),
        means(cloud.confidence)[:, 0].astype(np.float32),
    )


def without_floaters(cloud: PointCloud, neighbours: int = NEIGHBOURS, deviations: float = DEVIATIONS) -> PointCloud:
    """The cloud without points that lie apart from all others.

    The statistical filter of Rusu et al. (2008, "Towards 3D point cloud based object maps"): a point goes if the mean
    distance to its nearest neighbours exceeds the mean of that over all points by so many standard deviations. Merge
    points first: the filter takes the density of the cloud to be even. A clump of many floaters stays.

    Args:
        cloud: what to clean; up to two points are kept as they are.
        neighbours: how many neighbours are looked at; fewer where there are no more points.
        deviations: fewer take more away.

    Raises:
        SamNerfError: if the numbers are not positive.
    """
    if neighbours < 1 or not deviations > 0:
        raise SamNerfError(
            f"the filter for floaters was asked for {neighbours} neighbours and {deviations:g} deviations; "
            f"both must be positive, usually {NEIGHBOURS} and {DEVIATIONS:g}"
        )
    if len(cloud) <= 2:
        return cloud
    count = min(neighbours, len(cloud) - 1)
    distances, _ = KDTree(cloud.positions).query(cloud.positions, k=count + 1, workers=-1)
    means = distances[:, 1:].mean(axis=1)
    # Where all points are equally far apart the deviation is rounding, which must not decide.
    return cloud.select(means <= means.mean() * (1 + 1e-6) + deviations * means.std())


def _cube_keys(positions: Float[np.ndarray, "points 3"], spacing: float) -> Int[np.ndarray, " points"]:
    cubes = np.floor(positions.astype(np.float64) / spacing)
    cubes -= cubes.min(axis=0)
    sides = cubes.max(axis=0) + 1
    if np.prod(sides) > 2.0**62 or sides.max() > 2.0**53:
        extent = float(np.ptp(positions, axis=0).max())
        raise SamNerfError(
            f"spacing of points is {spacing:g}, far too small for a cloud {extent:.4g} across; try {extent / 1000:.2g}"
        )
    x, y, z = cubes.astype(np.int64).T
    return (x * int(sides[1]) + y) * int(sides[2]) + z


def _majority(cube: Int[np.ndarray, " points"], ids: UInt16[np.ndarray, " points"]) -> UInt16[np.ndarray, " cubes"]:
    """The most frequent ID of each cube; of equally frequent ones the lowest."""
    pairs, votes = np.unique(cube * 65536 + ids, return_counts=True)
    owners = pairs >> 16
    ranked = np.lexsort((pairs, -votes, owners))
    winners = ranked[np.flatnonzero(np.diff(owners, prepend=-1))]
    return (pairs[winners] & 0xFFFF).astype(np.uint16)
