"""What an image encoder says of an image: a square grid of features, and where its cells look.

Two layouts exist. `letterbox` is SAM's own (Kirillov et al. 2023, arXiv:2304.02643): the image keeps its
aspect, its long side fills the grid, and the rest, right or below, is padding. `stretch` lays the whole
image on the whole grid, each axis with its own scale. Portrait, landscape and square are one code path.
"""

from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Layout = Literal["letterbox", "stretch"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)


def content_size(image_size: tuple[int, int], side: int, layout: Layout) -> tuple[int, int]:
    """Rows and columns that an image of `(H, W)` pixels takes of a `side` x `side` square, in whole pixels.

    For `letterbox` this is the size that `segment_anything.utils.transforms.ResizeLongestSide` resizes to.
    """
    if layout == "stretch":
        return side, side
    height, width = image_size
    scale = side / max(height, width)
    return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))


@dataclass(frozen=True)
class FeatureMap:
    """Features of one image on a square grid.

    Attributes:
        values: one feature per grid cell, row 0 at the image's top.
        image_size: (H, W) in pixels of the image that the map speaks of.
        layout: how the image lies on the grid.
        teacher: name of the encoder, e.g. "tiny-sam"; decoders refuse the maps of others.
        summary: the encoder's class token at each feature level, concatenated like the channels, where it
            has one (CLIPSeg).
        finer: further levels of the same image in the same layout, the finest first, each a square grid with
            channels of its own, where the decoder asks for such (SAM 2). Stores do not keep them, fields do not
            render them.
    """

    values: Float[Tensor, "channels rows columns"]
    image_size: tuple[int, int]
    layout: Layout
    teacher: str
    summary: Float[Tensor, " channels"] | None = None
    finer: tuple[Float[Tensor, "_ _ _"], ...] = ()

    def __post_init__(self) -> None:
        for level in (self.values, *self.finer):
            if level.ndim != 3 or level.shape[1] != level.shape[2]:
                raise ValueError(f"values have shape {tuple(level.shape)}; expected [channels, side, side]")
        if self.layout not in LAYOUTS:
            raise ValueError(f"layout is {self.layout!r}; expected one of {LAYOUTS}")

    @property
    def channels(self) -> int:
        """Length of one feature."""
        return self.values.shape[0]

    @property
    def side(self) -> int:
        """Cells along each side of the grid."""
        return self.values.shape[1]

    @property
    def cells_per_pixel(self) -> tuple[float, float]:
        """Grid cells per image pixel along (x, y)."""
        return cells_per_pixel(self.image_size, self.side, self.layout)

    @property
    def covered(self) -> Bool[Tensor, "rows columns"]:
        """Cells whose centre looks at the image; the others are padding."""
        return covered_cells(self.image_size, self.side, self.layout)

    def to_cells(self, pixels: Float[Tensor, "*points 2"]) -> Float[Tensor, "*points 2"]:
        """Image points (x, y) in pixels -> continuous grid points (x, y), cell centres at .5."""
        return pixels * pixels.new_tensor(self.cells_per_pixel)

    def to_pixels(self, cells: Float[Tensor, "*points 2"]) -> Float[Tensor, "*points 2"]:
        """The inverse of `to_cells`."""
        return cells / cells.new_tensor(self.cells_per_pixel)

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> "FeatureMap":
        """The same map elsewhere."""
        summary = None if self.summary is None else self.summary.to(device, dtype)
        finer = tuple(level.to(device, dtype) for level in self.finer)
        return replace(self, values=self.values.to(device, dtype), summary=summary, finer=finer)


def cells_per_pixel(image_size: tuple[int, int], side: int, layout: Layout) -> tuple[float, float]:
    """Grid cells per image pixel along (x, y) for a grid of `side` cells."""
    height, width = image_size
    if layout == "stretch":
        return side / width, side / height
    return side / max(image_size), side / max(image_size)


def covered_cells(image_size: tuple[int, int], side: int, layout: Layout) -> Bool[Tensor, "side side"]:
    """Cells of a `side` x `side` grid whose centre looks at the image."""
    across, down = cells_per_pixel(image_size, side, layout)
    centres = torch.arange(side) + 0.5
    inside_rows = centres / down < image_size[0]
    inside_columns = centres / across < image_size[1]
    return inside_rows[:, None] & inside_columns[None, :]


def cell_centres(image_size: tuple[int, int], side: int, layout: Layout) -> Float[Tensor, "side side 2"]:
    """Image points (x, y), in pixels, that the cells of a grid look at."""
    across, down = cells_per_pixel(image_size, side, layout)
    centres = torch.arange(side) + 0.5
    y, x = torch.meshgrid(centres / down, centres / across, indexing="ij")
    return torch.stack([x, y], dim=-1)
