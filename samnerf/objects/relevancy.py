"""From how well a phrase fits where, to the points that stand for it.

Relevancy is averaged over the cells of the feature grid; the best cells above a threshold, kept apart from each
other, become points. Cells above the threshold that touch form one blob, and a blob is one thing: "cube" may
name three of them.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from samnerf.feature_map import Layout, cell_centres, cells_per_pixel, covered_cells


@dataclass(frozen=True)
class Blob:
    """Touching cells above the threshold.

    Attributes:
        peaks: image points (x, y) in pixels, best first.
        relevancies: mean relevancy of each peak's cell, 0 to 1.
        cells: grid cells (row, column) of the whole blob.
    """

    peaks: tuple[tuple[float, float], ...]
    relevancies: tuple[float, ...]
    cells: frozenset[tuple[int, int]]


def resize_relevancy(
    relevancy: Float[Tensor, "rows columns"], image_size: tuple[int, int], layout: Layout
) -> Float[Tensor, "height width"]:
    """Relevancy at every pixel of the image, interpolated between the cells that look at it; padding is left out."""
    height, width = image_size
    rows, columns = relevancy.shape
    across, down = cells_per_pixel(image_size, rows, layout)
    covered = covered_cells(image_size, rows, layout)
    last_row, last_column = int(covered.any(1).sum()) - 1, int(covered.any(0).sum()) - 1
    # Held at the last covered cell's centre, so that no padded cell is mixed in.
    y = ((torch.arange(height) + 0.5) * down).clamp(0.5, last_row + 0.5) / rows * 2 - 1
    x = ((torch.arange(width) + 0.5) * across).clamp(0.5, last_column + 0.5) / columns * 2 - 1
    grid = torch.stack([x.expand(height, width), y[:, None].expand(height, width)], dim=-1).to(relevancy)
    resized = functional.grid_sample(
        relevancy[None, None], grid[None], mode="bilinear", padding_mode="border", align_corners=False
    )
    return resized[0, 0]


def cell_means(relevancy: Float[Tensor, "rows columns"], side: int) -> Float[Tensor, "side side"]:
    """Mean relevancy over each cell of a `side` x `side` grid that covers the same square."""
    return functional.adaptive_avg_pool2d(relevancy[None, None], (side, side))[0, 0]


def find_blobs(
    means: Float[Tensor, "side side"],
    image_size: tuple[int, int],
    layout: Layout,
    threshold: float,
    top_k: int,
    spread: int = 2,
    seed: int = 0,
) -> list[Blob]:
    """The blobs that hold the `top_k` best cells, best blob first; fewer cells, or none, are no error.

    A negative `top_k` asks for that many cells above the threshold at random; they need not keep apart.

    Args:
        means: relevancy of each cell.
        image_size: (H, W) in pixels.
        layout: how the image lies on the grid.
        threshold: relevancy that a cell must reach, 0 to 1.
        top_k: how many cells at most become points.
        spread: a cell nearer than this many cells to a better one does not count.
        seed: of the random cells.
    """
    side = means.shape[0]
    values = means.masked_fill(~covered_cells(image_size, side, layout), -1).double().cpu().numpy()
    centres = cell_centres(image_size, side, layout)
    labels = np.zeros(values.shape, np.int32)
    ndimage.label(values >= threshold, structure=np.ones((3, 3)), output=labels)
    chosen: list[tuple[int, int]] = []
    # A stable sort: equal cells are taken in reading order, on every machine.
    order = np.argsort(-values, axis=None, kind="stable")
    order = order[values.flat[order] >= threshold]
    if top_k < 0:
        order, spread = np.random.default_rng(seed).permutation(order), 0
    for index in order:
        row, column = divmod(int(index), side)
        if len(chosen) == abs(top_k):
            break
        if all(max(abs(row - r), abs(column - c)) >= spread for r, c in chosen):
            chosen.append((row, column))
    blobs: dict[int, list[tuple[int, int]]] = {}
    for cell in chosen:
        blobs.setdefault(int(labels[cell]), []).append(cell)
    return [
        Blob(
            peaks=tuple((float(centres[cell][0]), float(centres[cell][1])) for cell in cells),
            relevancies=tuple(float(values[cell]) for cell in cells),
            cells=frozenset((int(r), int(c)) for r, c in np.argwhere(labels == label)),
        )
        for label, cells in blobs.items()
    ]
