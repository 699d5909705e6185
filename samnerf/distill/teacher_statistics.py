"""What training leaves behind of a teacher's maps, so that rendered ones look like them.

Channels differ in size by orders of magnitude, so the field learns standardised features. The padded cells of a
letterboxed map show no part of the scene, yet a decoder looks at them, and in the teacher's own map they are not
zeros: they are filled with the mean of what the teacher had there. The same holds for class tokens. All of it is a few
kilobytes of buffers in the checkpoint, so that rendering needs no feature store.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from samnerf.feature_map import FeatureMap, Layout, covered_cells

MAPS = 96
"""Maps that are looked at, spread evenly over the training images."""


@runtime_checkable
class TeacherMaps(Protocol):
    """What is asked of a feature store."""

    def map(self, name: str) -> FeatureMap:
        """Features of one image."""
        ...


class TeacherStatistics(nn.Module):
    """Statistics of one teacher's maps; those of a fresh one are neutral.

    Args:
        channels, side, layout, teacher: of its maps.
    """

    mean: Tensor
    deviation: Tensor
    padding: Tensor
    padding_seen: Tensor
    summary: Tensor
    has_summary: Tensor
    colours: Tensor
    weights: Tensor

    def __init__(self, channels: int, side: int, layout: Layout, teacher: str) -> None:
        super().__init__()
        self.side, self.teacher = side, teacher
        self.layout: Layout = layout
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("deviation", torch.ones(channels))
        # Padding lies right of a portrait image (axis 0) or below a landscape one (axis 1).
        self.register_buffer("padding", torch.zeros(2, side, channels))
        self.register_buffer("padding_seen", torch.zeros(2, dtype=torch.long))
        self.register_buffer("summary", torch.zeros(channels))
        self.register_buffer("has_summary", torch.tensor(False))
        self.register_buffer("colours", torch.zeros(channels, 3))
        self.register_buffer("weights", torch.zeros(32, dtype=torch.uint8))

    @property
    def weights_hash(self) -> str | None:
        """SHA-256 of the weights that made the maps, in hex; None of a fresh one."""
        return bytes(self.weights.tolist()).hex() if self.weights.any() else None

    def learn(self, store: TeacherMaps, names: Sequence[str], weights_hash: str) -> None:
        """Look at the teacher's maps of the training images, made by weights of this SHA-256."""
        self.weights.copy_(torch.tensor(list(bytes.fromhex(weights_hash)), dtype=torch.uint8))
        count = min(MAPS, len(names))
        maps = [store.map(names[i * len(names) // count]) for i in range(count)]
        cells = torch.cat([self._content(m).flatten(1).T for m in maps]).double()
        device = self.mean.device
        self.mean.copy_(cells.mean(dim=0))
        spread = cells.std(dim=0, correction=0)
        self.deviation.copy_(spread.clamp_min(1e-3 * spread.max().clamp_min(1e-6)))
        standard = ((cells - self.mean.to("cpu")) / self.deviation.to("cpu")).double()
        values, directions = torch.linalg.eigh(standard.T @ standard / len(standard))
        # Two standard deviations either side of the mean fill the range of a colour.
        self.colours.copy_(directions[:, -3:].flip(1) / (4 * values[-3:].flip(0).clamp_min(1e-9).sqrt()))
        for axis in range(2):
            rows = self._padding_profile(maps, axis)
            self.padding_seen[axis] = len(rows)
            if rows:
                self.padding[axis, : len(rows)] = torch.stack(rows).to(device)
        summaries = [m.summary for m in maps if m.summary is not None]
        self.has_summary.fill_(bool(summaries))
        if summaries:
            self.summary.copy_(torch.stack(summaries).mean(dim=0))

    def standardise(self, features: Float[Tensor, "cells channels"]) -> Float[Tensor, "cells channels"]:
        """Features with mean 0 and deviation 1."""
        return (features - self.mean) / self.deviation

    def restore(self, standardised: Float[Tensor, "cells channels"]) -> Float[Tensor, "cells channels"]:
        """The inverse of `standardise`."""
        return standardised * self.deviation + self.mean

    def feature_map(self, content: Float[Tensor, "cells channels"], image_size: tuple[int, int]) -> FeatureMap:
        """A whole map from the features of its covered cells, in row-major order."""
        covered = covered_cells(image_size, self.side, self.layout)
        values = content.new_zeros(content.shape[1], self.side, self.side)
        values[:, covered.to(values.device)] = content.T
        self._fill_padding(values, int(covered.any(dim=1).sum()), int(covered.any(dim=0).sum()))
        summary = self.summary.clone() if self.has_summary else None
        return FeatureMap(values, image_size, self.layout, self.teacher, summary)

    def _fill_padding(self, values: Float[Tensor, "channels side side"], rows: int, columns: int) -> None:
        for axis, edge in ((0, columns), (1, rows)):
            lines = values if axis == 0 else values.transpose(1, 2)
            seen = int(self.padding_seen[axis])
            for distance in range(self.side - edge):
                if seen:
                    lines[:, :, edge + distance] = self.padding[axis, min(distance, seen - 1)][:, None]
                else:
                    lines[:, :, edge + distance] = lines[:, :, edge - 1]

    def _padding_profile(self, maps: Sequence[FeatureMap], axis: int) -> list[Float[Tensor, " channels"]]:
        """Mean feature 0, 1, ... cells beyond the image's right (axis 0) or lower (axis 1) edge, as far as seen."""
        beyond: list[list[Tensor]] = [[] for _ in range(self.side)]
        for m in maps:
            rows, columns = int(m.covered.any(dim=1).sum()), int(m.covered.any(dim=0).sum())
            edge = columns if axis == 0 else rows
            padded = m.values[:, :, edge:].mean(dim=1) if axis == 0 else m.values[:, edge:].mean(dim=2)
            for distance in range(self.side - edge):
                beyond[distance].append(padded[:, distance])
        return [torch.stack(features).mean(dim=0) for features in beyond if features]

    def _content(self, feature_map: FeatureMap) -> Float[Tensor, "channels rows columns"]:
        rows = int(feature_map.covered.any(dim=1).sum())
        columns = int(feature_map.covered.any(dim=0).sum())
        return feature_map.values[:, :rows, :columns]
