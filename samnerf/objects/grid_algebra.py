"""Union, difference, parts and overlap of probability grids, as of sets whose membership is a matter of degree.

The union takes the greatest probability, the difference multiplies by the chance of not being the other (Zadeh 1965,
Fuzzy sets, for the former; the product rule of independent events for the latter).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from scipy import ndimage
from torch import Tensor

from samnerf.objects.probability_grid import ProbabilityGrid

MOST_VOXELS = 256
"""Along the longest side of a union; where parts lie far from each other it is coarser than they are."""
SPECK = 0.01
"""Share of the whole below which a part is none of its own."""


def union(grids: Sequence[ProbabilityGrid]) -> ProbabilityGrid:
    """One grid over the extent of all, as fine as the finest of them if that is not more than can be kept."""
    lower = torch.stack([grid.lower for grid in grids]).amin(dim=0)
    upper = torch.stack([grid.upper for grid in grids]).amax(dim=0)
    extent = upper - lower
    spacing = max(min(grid.spacing for grid in grids), float(extent.max()) / (MOST_VOXELS - 1))
    # A side that is a whole number of voxels long is not to gain one by rounding.
    shape = [int(count) for count in (extent / spacing - 1e-3).ceil().long() + 1]
    empty = ProbabilityGrid(torch.zeros(shape), lower, spacing)
    return replace(empty, values=_greatest(grids, empty.centres))


def difference(grid: ProbabilityGrid, others: Sequence[ProbabilityGrid]) -> ProbabilityGrid:
    """A grid without what others hold."""
    if not others:
        return grid
    return replace(grid, values=grid.values * (1 - _greatest(others, grid.centres)))


def parts(grid: ProbabilityGrid) -> list[ProbabilityGrid]:
    """What hangs together, each for itself and cut to its size, the largest first.

    Voxels hang together if they touch, be it at a corner. Soft edges, and specks smaller than a hundredth of the whole,
    go with the part next to them. A grid that is nowhere above one half has no parts.
    """
    solid = (grid.values > 0.5).numpy()
    labels = np.zeros(solid.shape, np.int32)
    ndimage.label(solid, structure=np.ones((3, 3, 3)), output=labels)
    sizes = np.bincount(labels.ravel())[1:]
    kept = [int(i) + 1 for i in np.argsort(-sizes, kind="stable") if sizes[i] >= SPECK * sizes.sum()]
    if not kept:
        return []
    nearest = np.asarray(
        ndimage.distance_transform_edt(~np.isin(labels, kept), return_distances=False, return_indices=True)
    )
    owner = torch.from_numpy(labels[tuple(nearest)])
    return [cropped(replace(grid, values=torch.where(owner == label, grid.values, 0.0))) for label in kept]


def cropped(grid: ProbabilityGrid) -> ProbabilityGrid:
    """The same probabilities everywhere, on the smallest grid that can give them; an empty one stays whole."""
    full = grid.values.nonzero()
    if not len(full):
        return grid
    # One voxel of zeros around, between which and the first others there are probabilities too.
    first = (full.amin(dim=0) - 1).clamp_min(0)
    last = torch.minimum(full.amax(dim=0) + 1, torch.tensor(grid.values.shape) - 1)
    x, y, z = (slice(int(a), int(b) + 1) for a, b in zip(first, last, strict=True))
    return replace(grid, values=grid.values[x, y, z].clone(), lower=grid.lower + first * grid.spacing)


def overlap(one: ProbabilityGrid, other: ProbabilityGrid) -> float:
    """IoU of two objects by volume, at the voxels of the finer grid; 0 if neither is anywhere."""
    if bool((one.lower > other.upper).any() or (other.lower > one.upper).any()):
        return 0.0
    fine, coarse = sorted((one, other), key=lambda grid: grid.spacing)
    inside = fine.values > 0.5
    common = int((inside & (coarse.at(fine.centres) > 0.5)).sum())
    # The coarser grid may reach beyond the finer, so its volume is its own.
    volume = int((coarse.values > 0.5).sum()) * (coarse.spacing / fine.spacing) ** 3
    united = int(inside.sum()) + volume - common
    return min(1.0, max(0.0, common / united)) if united > 0 else 0.0


def _greatest(grids: Sequence[ProbabilityGrid], places: Float[Tensor, "*points 3"]) -> Float[Tensor, "*points"]:
    return torch.stack([grid.at(places) for grid in grids]).amax(dim=0)
