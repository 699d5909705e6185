"""The place of an object in the world: how probable it is, voxel by voxel, that what is there belongs to it.

Each object has a grid of its own, as fine as its size asks for, so that objects come and go without touching others;
outside of its grid an object is nowhere.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

VOXELS = 64
"""Along the longest side of a grid."""
MARGIN = 0.15
"""Around what was seen of an object, as a part of its longest side."""
OUTLIERS = 0.01
"""Share of what was seen that may lie outside on either side: what floats about, and edges between two depths."""
SUPPORT = 0.05
"""Weight of votes, in rays, from which on a voxel is judged by its own rather than by those around it."""
FILLS = (3, 7, 15, 31)
"""Voxels along the sides of ever larger neighbourhoods that answer for voxels which no ray met."""


@dataclass(frozen=True, eq=False)
class ProbabilityGrid:
    """Probabilities at the centres of cubic voxels, and between them by trilinear interpolation.

    Attributes:
        values: 0 to 1.
        lower: world position of the centre of voxel [0, 0, 0].
        spacing: between centres, world units.
    """

    values: Float[Tensor, "x y z"]
    lower: Float[Tensor, "3"]
    spacing: float

    @property
    def upper(self) -> Float[Tensor, "3"]:
        """World position of the centre of the last voxel."""
        return self.lower + (torch.tensor(self.values.shape) - 1) * self.spacing

    @property
    def centres(self) -> Float[Tensor, "x y z 3"]:
        """World positions of all voxels."""
        axes = [
            low + torch.arange(count) * self.spacing for low, count in zip(self.lower, self.values.shape, strict=True)
        ]
        return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)

    def holds(self, positions: Float[Tensor, "*points 3"]) -> Bool[Tensor, "*points"]:
        """Which world positions lie inside the grid."""
        lower, upper = self.lower.tolist(), self.upper.tolist()
        # Axis by axis: many times as fast as comparing all and asking for `all` of the last axis.
        x, y, z = positions.unbind(dim=-1)
        in_slab = (x >= lower[0]) & (x <= upper[0]) & (y >= lower[1]) & (y <= upper[1])
        return in_slab & (z >= lower[2]) & (z <= upper[2])

    def at(self, positions: Float[Tensor, "*points 3"]) -> Float[Tensor, "*points"]:
        """Probabilities at world positions; 0 outside of the grid."""
        probabilities = torch.zeros(positions.shape[:-1])
        inside = self.holds(positions)
        last = (torch.tensor(self.values.shape) - 1).clamp_min(1) * self.spacing
        places = (positions[inside] - self.lower) / last * 2 - 1
        # grid_sample wants the last axis first.
        found = functional.grid_sample(
            self.values[None, None], places.flip(-1)[None, None, None], align_corners=True, padding_mode="border"
        )
        probabilities[inside] = found[0, 0, 0, 0]
        return probabilities


def vote_grid(
    votes: Iterable[tuple[Float[Tensor, "rays samples 3"], Float[Tensor, "rays samples"], Float[Tensor, " rays"]]],
    extent: tuple[Float[Tensor, "3"], Float[Tensor, "3"]],
    voxels: int = VOXELS,
    filled: bool = True,
) -> ProbabilityGrid:
    """The weighted mean of what rays say, voxel by voxel; what nobody says anything of is not the object.

    Args:
        votes: of several views: positions, weights, and for each ray how much it meets the object, 0 to 1.
        extent: lower and upper corner of what was seen of the object, world units.
        voxels: along the longest side.
        filled: whether voxels that no ray met take what is said around them, so that other rays may ask there.
    """
    longest = (extent[1] - extent[0]).max().clamp_min(1e-6)
    lower = extent[0] - MARGIN * longest
    spacing = float((1 + 2 * MARGIN) * longest / (voxels - 1))
    shape = [int(count) for count in ((extent[1] + MARGIN * longest - lower) / spacing).ceil().long() + 1]
    said, heard = torch.zeros(2, shape[0] * shape[1] * shape[2])
    for positions, weights, inside in votes:
        places = (positions - lower) / spacing
        near = ((places >= 0) & (places <= torch.tensor(shape) - 1)).all(dim=-1) & (weights > 1e-3)
        ray = near.nonzero()[:, 0]
        for voxel, share in _corners(places[near], shape):
            weight = share * weights[near]
            heard.index_add_(0, voxel, weight)
            said.index_add_(0, voxel, weight * inside[ray])
    means = _filled if filled else _means
    return ProbabilityGrid(means(said.reshape(shape), heard.reshape(shape)), lower, spacing)


def seen_extent(points: Float[Tensor, "points 3"]) -> tuple[Float[Tensor, "3"], Float[Tensor, "3"]]:
    """Lower and upper corner of a box around points, but for outliers."""
    ordered = points.sort(dim=0).values
    cut = int(OUTLIERS * len(points))
    return ordered[cut], ordered[len(points) - 1 - cut]


def _corners(places: Float[Tensor, "points 3"], shape: list[int]) -> Iterable[tuple[Tensor, Tensor]]:
    """The eight voxels around each place, as flat indices, with the shares that it has in them."""
    first = torch.minimum(places.floor(), torch.tensor(shape) - 2).clamp_min(0)
    beyond = places - first
    corner = first.long()
    for offset in torch.cartesian_prod(*[torch.arange(2)] * 3):
        share = torch.where(offset.bool(), beyond, 1 - beyond).prod(dim=-1)
        x, y, z = torch.minimum(corner + offset, torch.tensor(shape) - 1).unbind(dim=-1)
        yield (x * shape[1] + y) * shape[2] + z, share


def _means(said: Float[Tensor, "x y z"], heard: Float[Tensor, "x y z"]) -> Float[Tensor, "x y z"]:
    return said / heard.clamp_min(1e-9)


def _filled(said: Float[Tensor, "x y z"], heard: Float[Tensor, "x y z"]) -> Float[Tensor, "x y z"]:
    """Means where enough was said, and means of growing neighbourhoods where it was not."""
    pair = torch.stack([said, heard])[None]
    values, open_share = torch.zeros_like(said), torch.ones_like(said)
    for side in (1, *FILLS):
        # One axis after the other: the mean over a cube, in far fewer additions.
        around = pair
        for axis in range(3):
            kernel, padding = [1, 1, 1], [0, 0, 0]
            odd = min(side, (said.shape[axis] - 1) // 2 * 2 + 1)
            kernel[axis], padding[axis] = odd, odd // 2
            around = functional.avg_pool3d(around, kernel, 1, padding)
        one, all_of_them = around[0]
        trusted = open_share * all_of_them / (all_of_them + SUPPORT)
        values += trusted * one / all_of_them.clamp_min(1e-9)
        open_share = open_share - trusted
    return values
