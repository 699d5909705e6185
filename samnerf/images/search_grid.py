"""Where automatic masks are searched: at a grid of points over the picture, and over ever smaller crops of it.

The layout is that of `segment_anything.SamAutomaticMaskGenerator`. Coordinates are pixels (x, y).
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Crop:
    """A part of a picture: columns `x1` to `x2` and rows `y1` to `y2`, the last not included. Layer 0 is the whole."""

    x1: int
    y1: int
    x2: int
    y2: int
    layer: int = 0

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return self.y2 - self.y1, self.x2 - self.x1

    @property
    def area(self) -> int:
        """Pixels."""
        return self.size[0] * self.size[1]


def image_crops(image_size: tuple[int, int], layers: int, overlap_ratio: float) -> list[Crop]:
    """The whole picture, then 2^n x 2^n crops for layer n, column by column; crops without pixels are left out.

    Args:
        image_size: (H, W).
        layers: how many layers of crops.
        overlap_ratio: overlap in the first layer as a part of the shorter side; it halves with each further layer.
    """
    height, width = image_size
    crops = [Crop(0, 0, width, height)]
    for layer in range(1, layers + 1):
        count = 2**layer
        overlap = int(overlap_ratio * min(image_size) * 2 / count)
        across, down = (math.ceil((overlap * (count - 1) + side) / count) for side in (width, height))
        for x1 in range(0, count * (across - overlap), across - overlap):
            for y1 in range(0, count * (down - overlap), down - overlap):
                crop = Crop(x1, y1, min(x1 + across, width), min(y1 + down, height), layer)
                if min(crop.size) > 0:
                    crops.append(crop)
    return crops


def grid_points(crop: Crop, per_side: int) -> Float[np.ndarray, "points 2"]:
    """Centres of `per_side` x `per_side` equal fields of a crop, row by row, in pixels of the crop."""
    fractions = (np.arange(per_side) + 0.5) / per_side
    y, x = np.meshgrid(fractions * crop.size[0], fractions * crop.size[1], indexing="ij")
    return np.stack([x, y], axis=-1).reshape(-1, 2)
