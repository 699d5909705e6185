"""What a teacher said at points of the training images."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from samnerf.feature_map import FeatureMap, Layout, cells_per_pixel, covered_cells


@runtime_checkable
class Store(Protocol):
    """What is asked of a `FeatureStore`."""

    def map(self, name: str) -> FeatureMap:
        """Features of one image."""
        ...

    def index(self, name: str) -> int:
        """Number of an image."""
        ...

    def gather(
        self, image_indices: Int[Tensor, " n"], rows: Int[Tensor, " n"], columns: Int[Tensor, " n"]
    ) -> Float[Tensor, "n channels"]:
        """Features of cells."""
        ...


class FeatureTargets:
    """One teacher's maps of the training images, read at any image point by bilinear interpolation.

    Only covered cells take part: beyond the edge of the image the nearest of them counts.

    Args:
        store: of the teacher.
        names: of the training images in the store, in the dataset's order.
        sizes: (H, W) in pixels of the images as the dataset sees them; their aspect, not their scale, must be
            that of the images which the teacher saw.
        side, layout: of the maps.
    """

    def __init__(
        self, store: Store, names: Sequence[str], sizes: Sequence[tuple[int, int]], side: int, layout: Layout
    ) -> None:
        self.store, self.names = store, tuple(names)
        self._indices = torch.tensor([store.index(name) for name in names])
        self.side = side
        self._scales = torch.tensor([cells_per_pixel(size, side, layout) for size in sizes])
        covered = [covered_cells(size, side, layout) for size in sizes]
        self._last = torch.tensor([[int(c.any(dim=0).sum()) - 1, int(c.any(dim=1).sum()) - 1] for c in covered])

    def places(self, images: Int[Tensor, " n"], points: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
        """Where image points (x, y) lie on the grid, -1 to 1 from its left and top."""
        return points * self._scales[images] * (2 / self.side) - 1

    def at(self, images: Int[Tensor, " n"], points: Float[Tensor, "n 2"]) -> Float[Tensor, "n channels"]:
        """Features at image points (x, y), in pixels of the dataset's images."""
        last = self._last[images]
        cells = torch.minimum((points * self._scales[images] - 0.5).clamp_min(0), last.float())
        # Points at the very centre of cells, the usual case, need one look-up and not four.
        nearest = cells.round()
        cells = torch.where((cells - nearest).abs() < 1e-3, nearest, cells)
        low = cells.floor().long()
        part = cells - low
        features: Tensor | None = None
        for right in (0, 1):
            for down in (0, 1):
                share = (part[:, 0] if right else 1 - part[:, 0]) * (part[:, 1] if down else 1 - part[:, 1])
                here = share > 0
                if not here.any():
                    continue
                place = torch.minimum(low + torch.tensor([right, down]), last)[here]
                found = self.store.gather(self._indices[images[here]], place[:, 1], place[:, 0]) * share[here, None]
                if features is None:
                    features = found.new_zeros(len(points), found.shape[1])
                features[here] += found
        assert features is not None
        return features
