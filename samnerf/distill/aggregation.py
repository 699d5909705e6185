"""From rays to the features of grid cells.

An encoder's cell knows its surroundings and a point in space does not, so what a cell says has to be gathered from
several rays. How that is done decides the mask quality; so each way is a module with one signature, chosen by name.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn


class MeanAggregation(nn.Module):
    """Every ray of a cell counts alike, and no other."""

    def __init__(self, width: int, side: int) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(side)

    def forward(self, rays: Float[Tensor, "blocks width rays_down rays_across"]) -> Float[Tensor, "blocks width _ _"]:
        """Codes of the cells of each block."""
        return self.pool(rays)


class ConvolutionAggregation(nn.Module):
    """A 3x3 convolution lets the rays of a cell see each other before the mean; it starts as the plain mean."""

    def __init__(self, width: int, side: int) -> None:
        super().__init__()
        self.side = side
        self.mix = nn.Conv2d(width, width, kernel_size=3, padding=1, padding_mode="replicate")
        nn.init.zeros_(self.mix.weight)
        nn.init.zeros_(self.mix.bias)  # type: ignore[arg-type]

    def forward(self, rays: Float[Tensor, "blocks width rays_down rays_across"]) -> Float[Tensor, "blocks width _ _"]:
        """Codes of the cells of each block."""
        blocks, width, down, across = rays.shape
        side = self.side
        patches = rays.reshape(blocks, width, down // side, side, across // side, side).permute(0, 2, 4, 1, 3, 5)
        cells = patches.flatten(0, 2)
        mixed = (cells + self.mix(cells).relu()).mean(dim=(2, 3))
        return mixed.reshape(blocks, down // side, across // side, width).permute(0, 3, 1, 2)


class NeighbourhoodAggregation(nn.Module):
    """Convolutions over the rays of a cell and of those around it, added to the plain mean, as which it starts.

    A cell thereby knows where in it one thing ends and another begins, and what stands beside it, as an encoder's cell
    does. It needs blocks of several cells to learn from.
    """

    def __init__(self, width: int, side: int) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(side)
        self.rays = nn.Conv2d(width, width, kernel_size=3, padding=1, padding_mode="replicate")
        self.cells = nn.Conv2d(width, 2 * width, kernel_size=side, stride=side)
        self.surroundings = nn.Conv2d(2 * width, width, kernel_size=3, padding=1, padding_mode="replicate")
        nn.init.zeros_(self.surroundings.weight)
        nn.init.zeros_(self.surroundings.bias)  # type: ignore[arg-type]

    def forward(self, rays: Float[Tensor, "blocks width rays_down rays_across"]) -> Float[Tensor, "blocks width _ _"]:
        """Codes of the cells of each block."""
        cells = self.cells(self.rays(rays).relu()).relu()
        return self.pool(rays) + self.surroundings(cells)


class AttentionAggregation(nn.Module):
    """A cell asks the rays in it and in the eight cells around it, added to the plain mean, as which it starts.

    Scaled dot-product attention (Vaswani et al. 2017, arXiv:1706.03762, Eq. 1) with a learned preference for each place
    of the window, as in Swin (Liu et al. 2021, arXiv:2103.14030, Eq. 4).
    """

    HEADS = 2
    AROUND = 3

    def __init__(self, width: int, side: int) -> None:
        super().__init__()
        self.side = side
        self.pool = nn.AvgPool2d(side)
        self.query = nn.Linear(width, width)
        self.key_and_value = nn.Linear(width, 2 * width)
        self.output = nn.Linear(width, width)
        self.preference = nn.Parameter(torch.zeros(self.HEADS, 1, (self.AROUND * side) ** 2))
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, rays: Float[Tensor, "blocks width rays_down rays_across"]) -> Float[Tensor, "blocks width _ _"]:
        """Codes of the cells of each block."""
        mean = self.pool(rays)
        blocks, width, rows, columns = mean.shape
        beyond = self.side * (self.AROUND // 2)
        padded = nn.functional.pad(rays, (beyond,) * 4, mode="replicate")
        window = self.AROUND * self.side
        windows = padded.unfold(2, window, self.side).unfold(3, window, self.side)
        around = windows.permute(0, 2, 3, 4, 5, 1).reshape(-1, window**2, width)
        queries = self.query(cell_list(mean))[:, None]
        queries, keys, values = (
            part.reshape(len(part), -1, self.HEADS, width // self.HEADS).transpose(1, 2)
            for part in (queries, *self.key_and_value(around).chunk(2, dim=-1))
        )
        heard = nn.functional.scaled_dot_product_attention(queries, keys, values, attn_mask=self.preference)
        said = self.output(heard.transpose(1, 2).reshape(blocks, rows, columns, width))
        return mean + said.permute(0, 3, 1, 2)


AGGREGATIONS: dict[str, Callable[[int, int], nn.Module]] = {
    "mean": MeanAggregation,
    "convolution": ConvolutionAggregation,
    "neighbourhood": NeighbourhoodAggregation,
    "attention": AttentionAggregation,
}
"""By name: called with the channels of a ray and the rays along a side of a cell."""


def make_aggregation(name: str, width: int, side: int) -> nn.Module:
    """The aggregation of that name.

    Raises:
        ValueError: if there is none.
    """
    if name not in AGGREGATIONS:
        raise ValueError(f"aggregation is {name!r}; expected one of {sorted(AGGREGATIONS)}")
    return AGGREGATIONS[name](width, side)


def ray_grid(
    codes: Float[Tensor, "rays width"], cells: tuple[int, int], side: int
) -> Float[Tensor, "blocks width rays_down rays_across"]:
    """Rays of blocks of cells as pictures.

    Args:
        codes: block by block, cell by cell in row-major order, and so within each cell.
        cells: rows and columns of a block.
        side: rays along a side of a cell.
    """
    rows, columns = cells
    grid = codes.reshape(-1, rows, columns, side, side, codes.shape[-1]).permute(0, 5, 1, 3, 2, 4)
    return grid.reshape(grid.shape[0], codes.shape[-1], rows * side, columns * side)


def cell_list(cells: Float[Tensor, "blocks width rows columns"]) -> Float[Tensor, "cells width"]:
    """Cells of blocks one after the other, in row-major order."""
    return torch.movedim(cells, 1, -1).flatten(0, 2)
