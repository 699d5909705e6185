"""Which pixels a training step looks at: some anywhere, the others in patches that are cells of the teacher's grid."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from samnerf.errors import SamNerfError
from samnerf.feature_map import Layout, cells_per_pixel, covered_cells

_TRIES = 8


class CellPixelSampler:
    """Samples pixels like nerfstudio's `PixelSampler`, with whole feature cells first, in square blocks.

    A cell is seen by side x side pixels, one in each part of it, so that colour is learned from the same rays. Where
    an image has fewer cells than a block, those at its edge are repeated.

    Args:
        rays: per batch.
        share: of the rays that lie in cells, 0 to 1.
        grid_side, layout: the grid.
        rays_per_side: rays along each side of a cell.
        block_side: cells along each side of a block.
    """

    def __init__(
        self, rays: int, share: float, grid_side: int, layout: Layout, rays_per_side: int, block_side: int = 1
    ) -> None:
        if not 0 <= share <= 1:
            raise ValueError(f"the share of rays in cells is {share:g} but must lie in 0 to 1")
        self.num_rays_per_batch = rays
        self.grid_side, self.rays_per_side, self.block_side = grid_side, rays_per_side, block_side
        self.layout: Layout = layout
        self.blocks = int(rays * share) // (rays_per_side * block_side) ** 2

    def set_num_rays_per_batch(self, num_rays_per_batch: int) -> None:
        """Change the number of rays; the share of cells stays."""
        self.blocks = self.blocks * num_rays_per_batch // self.num_rays_per_batch
        self.num_rays_per_batch = num_rays_per_batch

    def sample(self, image_batch: dict[str, Any]) -> dict[str, Any]:
        """Colours of pixels, `indices` (image, row, column) of them, and `cell_images`, `cell_centres` of the cells.

        Centres are image points (x, y) in pixels. If there are masks, only pixels inside them are drawn.

        Args:
            image_batch: images as one tensor [N, H, W, C] or, with different sizes, as a list; masks likewise.

        Raises:
            SamNerfError: if masks leave no pixel or no cell.
        """
        images, masks = image_batch["image"], image_batch.get("mask")
        if isinstance(images, Tensor):
            sizes = torch.tensor(images.shape[1:3]).expand(len(images), 2)
        else:
            sizes = torch.tensor([image.shape[:2] for image in images])
        picked, centres, patches = self._draw(self._cells, masks, sizes, self.blocks)
        loose = self.num_rays_per_batch - len(patches.flatten(0, 1))
        _, _, pixels = self._draw(self._pixels, masks, sizes, loose)
        local = torch.cat([patches.flatten(0, 1), pixels.flatten(0, 1)])
        batch = {
            key: _pick(value, local)
            for key, value in image_batch.items()
            if key != "image_idx" and isinstance(value, (Tensor, list))
        }
        numbers = torch.as_tensor(image_batch["image_idx"])
        batch["indices"] = torch.cat([numbers[local[:, 0]][:, None], local[:, 1:]], dim=1)
        batch["cell_images"] = numbers[picked].repeat_interleave(self.block_side**2)
        batch["cell_centres"] = centres.flatten(0, 1)
        return batch

    def cell_rays(self) -> Int[Tensor, "rays 1"]:
        """The `CELL_RAY` metadata of a batch."""
        flags = torch.zeros(self.num_rays_per_batch, 1, dtype=torch.long)
        flags[: self.blocks * (self.block_side * self.rays_per_side) ** 2] = 1
        return flags

    def of_rays(self, of_cells: Float[Tensor, "cells channels"]) -> Float[Tensor, "rays channels"]:
        """What is said of a batch's cells, for each of its rays; zero for those that are in no cell."""
        values = of_cells.new_zeros(self.num_rays_per_batch, of_cells.shape[1])
        values[: len(of_cells) * self.rays_per_side**2] = of_cells.repeat_interleave(self.rays_per_side**2, dim=0)
        return values

    def _cells(self, image: Int[Tensor, " n"], sizes: Int[Tensor, "images 2"]) -> tuple[Tensor, Tensor]:
        """Random blocks of images: centres of cells [n, cells, 2] (x, y), and pixels [n, cells * side * side, 3]."""
        distinct, alike = sizes.unique(dim=0, return_inverse=True)
        grids = [self._grid(height, width) for height, width in distinct.tolist()]
        counts = torch.tensor([rows_columns for rows_columns, _ in grids])[alike][image]
        scales = torch.tensor([scale for _, scale in grids])[alike][image]
        beyond = self.block_side - 1
        # Blocks may begin outside and are then moved in, or else cells at the edge would hardly ever be drawn.
        first = (torch.rand(len(image), 2) * (counts + beyond)).long() - beyond
        first = torch.minimum(first, counts - self.block_side).clamp_min(0)  # (row, column)
        cell = torch.minimum(first[:, None] + _square(self.block_side), counts[:, None] - 1)
        per_cell = (1 / scales.flip(-1))[:, None]  # pixels per cell along (row, column)
        centres = ((cell + 0.5) * per_cell).flip(-1)
        side = self.rays_per_side
        inside = (_square(side) + torch.rand(*cell.shape[:2], side * side, 2)) / side
        pixels = ((cell[:, :, None] + inside) * per_cell[:, None]).long().flatten(1, 2)
        return centres, _with_image(image, torch.minimum(pixels, sizes[image][:, None] - 1))

    def _grid(self, height: int, width: int) -> tuple[tuple[int, int], tuple[float, float]]:
        """Rows and columns of cells that images of a size cover, and `cells_per_pixel`."""
        size = height, width
        covered = covered_cells(size, self.grid_side, self.layout)
        rows, columns = int(covered.any(dim=1).sum()), int(covered.any(dim=0).sum())
        return (rows, columns), cells_per_pixel(size, self.grid_side, self.layout)

    def _pixels(self, image: Int[Tensor, " n"], sizes: Int[Tensor, "images 2"]) -> tuple[Tensor, Tensor]:
        pixels = (torch.rand(len(image), 1, 2) * sizes[image][:, None]).long()
        return torch.zeros(len(image), 0, 2), _with_image(image, torch.minimum(pixels, sizes[image][:, None] - 1))

    def _draw(
        self, method: Any, masks: Tensor | Sequence[Tensor] | None, sizes: Int[Tensor, "images 2"], count: int
    ) -> tuple[Int[Tensor, " n"], Float[Tensor, "n cells 2"], Int[Tensor, "n pixels 3"]]:
        image = torch.randint(len(sizes), (count,))
        centres, pixels = method(image, sizes)
        if masks is None or not count:
            return image, centres, pixels
        for _ in range(_TRIES):
            valid = _pick(masks, pixels.flatten(0, 1)).bool().reshape(*pixels.shape[:2], -1).all(dim=-1).all(dim=-1)
            if valid.all():
                return image, centres, pixels
            again = torch.randint(len(sizes), (int((~valid).sum()),))
            image[~valid] = again
            centres[~valid], pixels[~valid] = method(again, sizes)
        valid = _pick(masks, pixels.flatten(0, 1)).bool().reshape(*pixels.shape[:2], -1).all(dim=-1).all(dim=-1)
        if not valid.any():
            raise SamNerfError("the capture's masks leave nothing to learn from; white is what counts")
        # What was never found is replaced by what was found more than once.
        places = valid.nonzero()[:, 0][torch.randint(int(valid.sum()), (count,))]
        places = torch.where(valid, torch.arange(count), places)
        return image[places], centres[places], pixels[places]


def _square(side: int) -> Int[Tensor, "places 2"]:
    """(row, column) of a square's places, row by row."""
    steps = torch.arange(side)
    return torch.stack(torch.meshgrid(steps, steps, indexing="ij"), dim=-1).reshape(-1, 2)


def _with_image(image: Int[Tensor, " n"], pixels: Int[Tensor, "n pixels 2"]) -> Int[Tensor, "n pixels 3"]:
    return torch.cat([image[:, None, None].expand(-1, pixels.shape[1], 1), pixels], dim=-1)


def _pick(values: Tensor | Sequence[Tensor], places: Int[Tensor, "n 3"]) -> Tensor:
    """Values at (image, row, column), of images in one tensor or in a list."""
    image, row, column = places.T
    if isinstance(values, Tensor):
        return values[image, row, column]
    found = values[0].new_empty(len(places), *values[0].shape[2:])
    for index in image.unique():
        here = image == index
        found[here] = values[int(index)][row[here], column[here]]
    return found
