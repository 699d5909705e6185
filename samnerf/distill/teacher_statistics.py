"""What training leaves behind of a teacher's maps, so that rendered ones look like them.

Channels differ in size by orders of magnitude, so the field learns standardised features. The padded cells of a
letterboxed map show no part of the scene, yet a decoder looks at them, and in the teacher's own map they are not
zeros: they are filled with the mean of what the teacher had there. The same holds for class tokens. All of it is a few
kilobytes of buffers in the checkpoint, so that rendering needs no feature store.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Float64
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
        """Look at the teacher's maps of the training images, one after another; made by weights of this SHA-256."""
        self.weights.copy_(torch.tensor(list(bytes.fromhex(weights_hash)), dtype=torch.uint8))
        count = min(MAPS, len(names))
        chosen = [names[i * len(names) // count] for i in range(count)]
        features, summaries = _Mean(), _Mean()
        padding = [[_Mean() for _ in range(self.side)] for _ in range(2)]
        for seen in map(store.map, chosen):
            cells = _content(seen)
            features.add(cells.sum(dim=0), len(cells))
            if seen.summary is not None:
                summaries.add(seen.summary)
            for axis in range(2):
                for mean, padded in zip(padding[axis], _padding(seen, axis).T, strict=False):
                    mean.add(padded)
        self.mean.copy_(features.value)
        self._learn_spread(map(store.map, chosen))
        for axis in range(2):
            rows = [mean.value for mean in padding[axis] if mean.count]
            self.padding_seen[axis] = len(rows)
            if rows:
                self.padding[axis, : len(rows)] = torch.stack(rows).to(self.padding)
        self.has_summary.fill_(bool(summaries.count))
        if summaries.count:
            self.summary.copy_(summaries.value)

    def _learn_spread(self, maps: Iterable[FeatureMap]) -> None:
        """Deviations of the channels, and the directions in which standardised features differ most."""
        mean, covariance = self.mean.to("cpu", torch.float64), _Mean()
        for seen in maps:
            cells = _content(seen) - mean
            covariance.add(cells.T @ cells, len(cells))
        spread = covariance.value.diagonal().sqrt()
        self.deviation.copy_(spread.clamp_min(1e-3 * spread.max().clamp_min(1e-6)))
        deviation = self.deviation.to("cpu", torch.float64)
        values, directions = torch.linalg.eigh(covariance.value / deviation[:, None] / deviation)
        # Two standard deviations either side of the mean fill the range of a colour.
        self.colours.copy_(directions[:, -3:].flip(1) / (4 * values[-3:].flip(0).clamp_min(1e-9).sqrt()))

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


@dataclass
class _Mean:
    """Of what comes one after another, in float64."""

    total: Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.float64))
    count: int = 0

    def add(self, total: Tensor, count: int = 1) -> None:
        self.total = self.total + total.double()
        self.count += count

    @property
    def value(self) -> Tensor:
        return self.total / self.count


def _content(feature_map: FeatureMap) -> Float64[Tensor, "cells channels"]:
    """Features of the covered cells."""
    rows, columns = _extent(feature_map)
    return feature_map.values[:, :rows, :columns].flatten(1).T.double()


def _padding(feature_map: FeatureMap, axis: int) -> Float[Tensor, "channels distances"]:
    """Mean features 0, 1, ... cells beyond the image's right (axis 0) or lower (axis 1) edge."""
    rows, columns = _extent(feature_map)
    beyond = feature_map.values[:, :, columns:] if axis == 0 else feature_map.values[:, rows:]
    return beyond.mean(dim=1 + axis)


def _extent(feature_map: FeatureMap) -> tuple[int, int]:
    """Rows and columns of covered cells."""
    covered = feature_map.covered
    return int(covered.any(dim=1).sum()), int(covered.any(dim=0).sum())
