"""Worlds with less in them: density is scaled, place by place, while a scene is rendered.

Nothing is trained and nothing is kept. Proposals are scaled as the field is, so that samples gather on what is left.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from jaxtyping import Float
from nerfstudio.cameras.rays import RaySamples
from torch import Tensor

DensityFactor = Callable[[Float[Tensor, "*points 3"]], Float[Tensor, "*points"]]
"""How much of the density at world positions is left, 0 to 1; both on the model's device."""


@contextlib.contextmanager
def scaled_density(model: Any, factor: DensityFactor) -> Iterator[None]:
    """Scale the density of a model with `density_fns` and a `field`, as nerfacto's; edits within edits multiply.

    For everyone who renders this model meanwhile, in whatever thread.
    """
    field, density_fns = model.field, model.density_fns
    get_density, replaced = field.get_density, vars(field).get("get_density")

    def scaled_field(samples: RaySamples) -> tuple[Tensor, Any]:
        density, embedding = get_density(samples)
        return density * factor(samples.frustums.get_positions())[..., None], embedding

    # The instance hides the method of its class; neither is part of a checkpoint.
    field.get_density = scaled_field
    model.density_fns = [_scaled(density_fn, factor) for density_fn in density_fns]
    try:
        yield
    finally:
        model.density_fns = density_fns
        if replaced is None:
            del field.get_density
        else:
            field.get_density = replaced


def _scaled(density_fn: Callable[..., Tensor], factor: DensityFactor) -> Callable[..., Tensor]:
    def scaled(positions: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return density_fn(positions, *args, **kwargs) * factor(positions)[..., None]

    return scaled
