"""Rendering against the number of rays: features with more or fewer in a cell, colour of larger pictures."""

from typing import Any

from stopwatch import spread, times
from untrained_fields import camera_before_it, untrained_field

from samnerf.configs.methods import samnerf_tiny
from samnerf.feature_map import covered_cells

RAYS_PER_SIDE = (1, 2, 3, 4)
"""Along each side of a feature cell; `samnerf-tiny` has 2."""


def cost_of_rays(device: str, sides: tuple[int, ...], side: int, runs: int) -> list[dict[str, Any]]:
    """A row for each: what is rendered, of how many rays, and how long it takes; weights are random.

    Args:
        device: cpu or cuda.
        sides: pixels along each side of the pictures whose colour is rendered.
        side: likewise of those whose features are rendered.
        runs: how often each is measured.
    """
    rows = []
    for rays_per_side in RAYS_PER_SIDE:
        model, camera = untrained_field(samnerf_tiny, device, rays_per_side=rays_per_side), camera_before_it(side)
        grid = next(iter(model.specs.values()))
        rays = int(covered_cells(camera.image_size, grid.side, grid.layout).sum()) * rays_per_side**2
        taken = times(lambda model=model, camera=camera: model.render_feature_maps(camera), device, runs)
        rows.append({"what": "features", "rays_per_cell": rays_per_side**2, "rays": rays, "seconds": spread(taken)})
    model = untrained_field(samnerf_tiny, device)
    for pixels in sides:
        camera = camera_before_it(pixels)
        taken = times(lambda camera=camera: model.render_colour(camera), device, runs)
        rows.append({"what": "colour", "image_size": [pixels, pixels], "rays": pixels**2, "seconds": spread(taken)})
    return rows
