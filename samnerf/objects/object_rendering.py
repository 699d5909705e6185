"""Many objects in one picture: how much of each the ray of every pixel meets; together they are no more than all.

Rays go by in chunks, and only objects whose grid a chunk comes near are looked at; what is kept of an object are the
rays that meet it. So the cost follows what is seen, not the number of objects times the size of the picture.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int, UInt16
from torch import Tensor

from samnerf.camera import Camera
from samnerf.objects.scene_object import SceneObject
from samnerf.objects.support import RenderSamples
from samnerf.surface_samples import SurfaceSamples

RAYS_AT_ONCE = 4096
"""Few, so that objects beside a chunk are left out; a row of a wide picture."""
BAND = 1 << 18
"""Rays of a picture that are rendered before their samples are let go."""
HALF = 0.5
"""Alpha above which a pixel shows an object more than all else; exclusive alphas pass it once at most."""


@dataclass(frozen=True, eq=False)
class ObjectAlphas:
    """Alphas of several objects that sum to at most 1 in each pixel, where they are not 0.

    Attributes:
        image_size: (H, W) in pixels.
        rays: of each object, the pixels that show something of it, counted row by row; ascending.
        alphas: of each object, how much of it they show, 0 to 1.
    """

    image_size: tuple[int, int]
    rays: tuple[Int[Tensor, " _"], ...]
    alphas: tuple[Float[Tensor, " _"], ...]

    def alpha(self, index: int) -> Float[Tensor, "height width"]:
        """The whole picture of one object, by its place in the sequence that was rendered."""
        whole = torch.zeros(self.image_size[0] * self.image_size[1])
        whole[self.rays[index]] = self.alphas[index]
        return whole.reshape(self.image_size)

    def id_map(self, ids: Sequence[int]) -> UInt16[np.ndarray, "height width"]:
        """ID of the object that fills more than half of each pixel, 0 for none.

        Args:
            ids: 1 to 65535, one for each object.
        """
        painted = np.zeros(self.image_size[0] * self.image_size[1], np.uint16)
        for object_id, rays, alphas in zip(ids, self.rays, self.alphas, strict=True):
            painted[rays[alphas > HALF].numpy()] = object_id
        return painted.reshape(self.image_size)


def render_objects(samples: SurfaceSamples, objects: Sequence[SceneObject]) -> Float[Tensor, "objects height width"]:
    """How much of each object every pixel shows; the alphas of a pixel sum to at most 1.

    For large pictures of many objects take `object_alphas`, which gives the same without the zeros.

    Args:
        samples: what the rays of the picture meet.
        objects: whether they are visible is left to the caller.
    """
    found = object_alphas(samples, objects)
    if not objects:
        return torch.zeros(0, *found.image_size)
    return torch.stack([found.alpha(index) for index in range(len(objects))])


def object_alphas(samples: SurfaceSamples, objects: Sequence[SceneObject]) -> ObjectAlphas:
    """How much of each object the pixels show that show any of it.

    Where objects claim the same place, their probabilities are scaled down to sum to 1 before rays are rendered
    (see `samnerf.objects.layers.exclusive`).

    Args:
        samples: what the rays of the picture meet.
        objects: whether they are visible is left to the caller.
    """
    rays: list[list[Tensor]] = [[] for _ in objects]
    alphas: list[list[Tensor]] = [[] for _ in objects]
    for first in range(0, len(samples.weights), RAYS_AT_ONCE):
        positions = samples.positions[first : first + RAYS_AT_ONCE]
        weights = samples.weights[first : first + RAYS_AT_ONCE]
        met = list(_met(positions.flatten(0, 1), objects))
        claimed = torch.zeros(weights.numel())
        for _, places, probabilities in met:
            claimed.index_add_(0, places, probabilities)
        for index, places, probabilities in met:
            seen = weights.flatten()[places] * probabilities / claimed[places].clamp_min(1)
            alpha = torch.zeros(len(weights)).index_add_(0, places // weights.shape[1], seen)
            shown = alpha.nonzero()[:, 0]
            rays[index].append(shown + first)
            alphas[index].append(alpha[shown])
    return ObjectAlphas(
        samples.camera.image_size,
        tuple(torch.cat([torch.zeros(0, dtype=torch.long), *of_one]) for of_one in rays),
        tuple(torch.cat([torch.zeros(0), *of_one]) for of_one in alphas),
    )


def rendered_alphas(camera: Camera, render_samples: RenderSamples, objects: Sequence[SceneObject]) -> ObjectAlphas:
    """The same as `object_alphas`, band by band, so that the samples of a large picture are never there all at once.

    Args:
        camera: of the picture.
        render_samples: of the scene.
        objects: whether they are visible is left to the caller.
    """
    rows = max(1, BAND // camera.width)
    bands = [
        object_alphas(render_samples(_band(camera, top, min(rows, camera.height - top))), objects)
        for top in range(0, camera.height, rows)
    ]
    if len(bands) == 1:
        return bands[0]
    return ObjectAlphas(
        camera.image_size,
        tuple(
            torch.cat([band.rays[index] + i * rows * camera.width for i, band in enumerate(bands)])
            for index in range(len(objects))
        ),
        tuple(torch.cat([band.alphas[index] for band in bands]) for index in range(len(objects))),
    )


def _band(camera: Camera, top: int, rows: int) -> Camera:
    return replace(camera, cy=camera.cy - top, height=rows)


def _met(
    places: Float[Tensor, "places 3"], objects: Sequence[SceneObject]
) -> Iterator[tuple[int, Int[Tensor, " met"], Float[Tensor, " met"]]]:
    """Of each object in whose grid there are places: its index, which places, and its probabilities there."""
    if not objects:
        return
    lower = torch.stack([one.grid.lower for one in objects])
    upper = torch.stack([one.grid.upper for one in objects])
    near = (places.amin(dim=0) <= upper).all(dim=1) & (places.amax(dim=0) >= lower).all(dim=1)
    for index in near.nonzero()[:, 0].tolist():
        grid = objects[index].grid
        inside = grid.holds(places).nonzero()[:, 0]
        if len(inside):
            yield index, inside, grid.at(places[inside])
