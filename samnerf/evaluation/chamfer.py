"""How far two point clouds lie apart (chamfer distance), for geometry against ground truth."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial import KDTree

from samnerf.errors import SamNerfError


@dataclass(frozen=True)
class ChamferDistance:
    """Mean distances to the nearest point of the other set; scene units, or parts of a diameter.

    Attributes:
        to_second: from each point of the first set; with the truth as the second, how *accurate* the first is.
        to_first: from each point of the second set; how *complete* the first is.
    """

    to_second: float
    to_first: float

    @property
    def symmetric(self) -> float:
        """The mean of both directions."""
        return (self.to_second + self.to_first) / 2


def chamfer_distance(
    first: Float[np.ndarray, "first 3"], second: Float[np.ndarray, "second 3"], diameter: float | None = None
) -> ChamferDistance:
    """Chamfer distance of two point sets in one frame: distances themselves, not their squares.

    Args:
        first, second: points, scene units.
        diameter: divides the distances (see `diagonal`), so that scenes of different size compare.

    Raises:
        SamNerfError: if a set is empty or holds NaN, or the diameter is not positive.
    """
    for which, points in (("first", first), ("second", second)):
        if not len(points):
            raise SamNerfError(f"the {which} of two point sets is empty, so it has no distance to the other")
        if not np.isfinite(points).all():
            raise SamNerfError(f"the {which} of two point sets holds NaN or infinity; leave those points out")
    if diameter is not None and not diameter > 0:
        raise SamNerfError(f"distances should be divided by the diameter {diameter:g}, which must be positive")
    unit = 1.0 if diameter is None else diameter
    return ChamferDistance(_mean_distance(first, second) / unit, _mean_distance(second, first) / unit)


def diagonal(points: Float[np.ndarray, "points 3"]) -> float:
    """Diagonal of the box along the world's axes that holds all points; the usual diameter of a scene or object."""
    return float(np.linalg.norm(np.ptp(points.astype(np.float64), axis=0)))


def _mean_distance(points: np.ndarray, others: np.ndarray) -> float:
    distances, _ = KDTree(others).query(points, workers=-1)
    return float(np.mean(distances))
