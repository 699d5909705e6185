"""From the rays of a patch to the feature of a grid cell.

An encoder's cell knows its surroundings and a point in space does not, so what a cell says has to be gathered from
several rays. How that is done decides the mask quality; so each way is a module with one signature, chosen by name.
"""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn


class MeanAggregation(nn.Module):
    """Every ray of the patch counts alike."""

    def __init__(self, width: int, side: int) -> None:
        super().__init__()

    def forward(self, rays: Float[Tensor, "cells side side width"]) -> Float[Tensor, "cells width"]:
        """One feature per cell."""
        return rays.mean(dim=(1, 2))


class ConvolutionAggregation(nn.Module):
    """A 3x3 convolution lets neighbouring rays see each other before the mean; it starts as the plain mean."""

    def __init__(self, width: int, side: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(width, width, kernel_size=3, padding=1, padding_mode="replicate")
        nn.init.zeros_(self.mix.weight)
        nn.init.zeros_(self.mix.bias)  # type: ignore[arg-type]

    def forward(self, rays: Float[Tensor, "cells side side width"]) -> Float[Tensor, "cells width"]:
        """One feature per cell."""
        patches = rays.permute(0, 3, 1, 2)
        return (patches + self.mix(patches).relu()).mean(dim=(2, 3))


AGGREGATIONS: dict[str, Callable[[int, int], nn.Module]] = {
    "mean": MeanAggregation,
    "convolution": ConvolutionAggregation,
}
"""By name: called with the channels of a ray and the rays along a side of the patch."""


def make_aggregation(name: str, width: int, side: int) -> nn.Module:
    """The aggregation of that name.

    Raises:
        ValueError: if there is none.
    """
    if name not in AGGREGATIONS:
        raise ValueError(f"aggregation is {name!r}; expected one of {sorted(AGGREGATIONS)}")
    return AGGREGATIONS[name](width, side)
