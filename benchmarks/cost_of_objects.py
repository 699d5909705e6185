"""Rendering of locked objects against their number."""

from dataclasses import replace
from typing import Any

import torch
from stopwatch import spread, times
from untrained_fields import camera_before_it, untrained_field

from samnerf.camera import Camera
from samnerf.configs.methods import samnerf_tiny
from samnerf.distill.colour_model import SURFACE_SAMPLES
from samnerf.objects.object_rendering import object_alphas
from samnerf.objects.palette import object_colour
from samnerf.objects.probability_grid import VOXELS, ProbabilityGrid
from samnerf.objects.scene_object import SceneObject
from samnerf.surface_samples import SurfaceSamples

DISTANCE = 2.0
"""Of the camera from the wall that it looks at, scene units; it sees a square of 2 x 2."""
SHARE, WHOLE = "each fills an equal part", "together they fill the picture"


def cost_of_objects(device: str, counts: tuple[int, ...], side: int, runs: int) -> list[dict[str, Any]]:
    """A row for each number of objects, and one without any: what the rays of a picture meet, which all objects share.

    Objects are boxes of 64 voxels along their longer side, in one layer before the camera. Either each has the size of
    the smallest, so that more of them show more, or they share the whole picture. No field is asked what rays meet
    there, for weights are random.

    Args:
        device: of the field; objects are rendered on the CPU.
        counts: of objects.
        side: pixels along each side of the picture.
        runs: how often each is measured.
    """
    model, camera = untrained_field(samnerf_tiny, device), camera_before_it(side)
    taken = times(lambda: model.render_samples(camera), device, runs)
    rows: list[dict[str, Any]] = [{"what": "samples", "objects": 0, "seconds": spread(taken)}]
    samples = _wall(side)
    for what in (SHARE, WHOLE):
        for count in counts:
            objects = _objects(count, count if what == WHOLE else max(counts))
            taken = times(lambda objects=objects: object_alphas(samples, objects), "cpu", runs)
            rows.append({"what": what, "objects": count, "seconds": spread(taken)})
    return rows


def _wall(side: int) -> SurfaceSamples:
    """What the rays of a camera meet of a wall, whose places lie one behind the other."""
    pose = torch.eye(4)[:3]
    pose[2, 3] = DISTANCE
    camera = Camera(pose, float(side), float(side), side / 2, side / 2, side, side)
    rows, columns = torch.meshgrid(torch.arange(side) + 0.5, torch.arange(side) + 0.5, indexing="ij")
    directions = camera.ray_directions(torch.stack([columns, rows], dim=-1).reshape(-1, 2))
    reaches = DISTANCE / -directions[:, 2:] * torch.linspace(0.99, 1.01, SURFACE_SAMPLES)
    positions = camera.position + directions[:, None] * reaches[..., None]
    return SurfaceSamples(camera, positions, torch.full(positions.shape[:2], 1 / SURFACE_SAMPLES))


def _objects(count: int, tiles: int) -> list[SceneObject]:
    """The first tiles of those that share what the camera sees of the wall."""
    columns = 2 ** ((tiles - 1).bit_length() - (tiles - 1).bit_length() // 2)
    rows = -(-tiles // columns)
    size = torch.tensor([2 / columns, 2 / rows, 0.1])
    spacing = float(size.max()) / (VOXELS - 1)
    shape = [int(voxels) for voxels in (size / spacing).ceil() + 1]
    whole = ProbabilityGrid(torch.full(shape, 0.9), torch.zeros(3), spacing)
    objects = []
    for index in range(count):
        row, column = divmod(index, columns)
        grid = replace(whole, lower=torch.tensor([-1 + 2 * column / columns, -1 + 2 * row / rows, -0.05]))
        objects.append(SceneObject(index + 1, f"object {index + 1}", object_colour(index + 1), grid))
    return objects
