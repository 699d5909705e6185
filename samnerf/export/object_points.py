"""Locked objects as points: where the rays of many cameras meet them.

A ray that shows more of one object than of all else gives a point of it. Its place is the mean of the ray's samples,
each weighted by how much of the picture it makes up and by how probably it belongs to the object; so it lies on the
surface more exactly than any single sample. Where a pixel mixes two surfaces that mean lies between them: the ray's
samples tell by lying apart, and it is left out. Alphas tell less; those of a ray in the middle of an object are low,
too, where views did not agree on it.

Frame: nerfstudio's world, right-handed, +Z up, scene units.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, UInt8
from torch import Tensor

from samnerf.camera import Camera
from samnerf.errors import SamNerfError
from samnerf.export.point_cleaning import merge_points, without_floaters
from samnerf.export.point_cloud import PointCloud, joined
from samnerf.export.surface_normals import normals_from_depth
from samnerf.objects.object_rendering import object_alphas
from samnerf.objects.scene_object import SceneObject
from samnerf.scene import TrainedScene
from samnerf.surface_samples import SurfaceSamples

RAYS = 128
"""Along the longer side of a camera; many cameras fill the gaps between the rays of one."""
SHOWN = 0.5
"""Alpha above which a ray shows an object more than all else."""
SPREAD = 0.02
"""A ray whose samples lie further apart than this part of their distance (standard deviation) mixes two surfaces."""
BACKGROUND_SPREAD = 0.1
"""The same of the background, where floors and walls without texture leave a field unsure of their depth."""
POINTS_ALONG = 100
"""Points along the longest side of an object, by default."""
BACKGROUND_REACH = 4.0
"""Scene units from the world's origin, around which cameras lie within 1; what is further away is sky."""


def object_points(
    scene: TrainedScene,
    objects: Sequence[SceneObject],
    cameras: Sequence[Camera],
    spacing: float | None = None,
    background: bool = False,
) -> PointCloud:
    """Points of all objects, object by object in their order, at most one per cube of the spacing and object.

    Confidence is the alpha of the object in the ray. An object that no camera shows has no points.

    Args:
        scene: in whose world the objects are.
        objects: where they claim the same place they share it, see `samnerf.objects.object_rendering`.
        cameras: from which the objects are looked at; those of the training photographs as a rule.
        spacing: edge of a cube, scene units; by default `point_spacing`.
        background: add what belongs to none of the objects, first and with the ID 0, as far as it is near the cameras.

    Raises:
        SamNerfError: if there are neither objects nor background, there is no camera, or the spacing is not positive.
    """
    if not objects and not background:
        raise SamNerfError("there are no objects, so there are no points; lock one with samnerf lock")
    if not cameras:
        raise SamNerfError("points need at least one camera from which the scene is looked at")
    edge = point_spacing(objects) if spacing is None else spacing
    seen = joined([part for camera in cameras for part in _seen_from(scene, objects, camera, background)])
    clouds = []
    for object_id in ([0] if background else []) + [one.object_id for one in objects]:
        clouds.append(without_floaters(merge_points(seen.select(seen.object_ids == object_id), edge)))
    return joined(clouds)


def point_spacing(objects: Sequence[SceneObject]) -> float:
    """A hundredth of the longest side of the smallest object, scene units; without objects a hundredth of a unit."""
    return min((extent(one) for one in objects), default=1.0) / POINTS_ALONG


def extent(one: SceneObject) -> float:
    """Longest side of the box around the voxels that are more probably the object than not; scene units."""
    inside = (one.grid.values > SHOWN).nonzero()
    sides = inside.amax(dim=0) - inside.amin(dim=0) + 1 if len(inside) else torch.ones(1)
    return float(sides.max()) * one.grid.spacing


@dataclass(frozen=True, eq=False)
class _Rays:
    """The rays of a camera that show one object.

    Attributes:
        object_id: of the object; 0 is the background.
        indices: of the rays among all.
        places: where they meet it.
        alphas: how much of it they show.
    """

    object_id: int
    indices: Int[Tensor, " rays"]
    places: Float[Tensor, "rays 3"]
    alphas: Float[Tensor, " rays"]


def _seen_from(
    scene: TrainedScene, objects: Sequence[SceneObject], camera: Camera, background: bool
) -> list[PointCloud]:
    scale = min(1.0, RAYS / max(camera.image_size))
    small = camera.scaled(*(max(1, round(side * scale)) for side in camera.image_size))
    samples = scene.render_samples(small)
    found = _object_rays(samples, objects)
    if background:
        found.insert(0, _background_rays(samples, objects))
    if not any(len(one.indices) for one in found):
        return [_no_points()]
    colour = (scene.pipeline.model.render_colour(small)[0].clamp(0, 1) * 255).round().byte().cpu().numpy()
    return [_points(small, one, colour.reshape(-1, 3)) for one in found]


def _object_rays(samples: SurfaceSamples, objects: Sequence[SceneObject]) -> list[_Rays]:
    alphas = object_alphas(samples, objects)
    found = []
    for one, rays, of_one in zip(objects, alphas.rays, alphas.alphas, strict=True):
        shown = of_one > SHOWN
        probabilities = one.grid.at(samples.positions[rays[shown]])
        found.append(_rays(samples, one.object_id, rays[shown], of_one[shown], probabilities))
    return found


def _background_rays(samples: SurfaceSamples, objects: Sequence[SceneObject]) -> _Rays:
    claimed = torch.zeros_like(samples.weights)
    for one in objects:
        inside = one.grid.holds(samples.positions)
        claimed[inside] += one.grid.at(samples.positions[inside])
    free = 1 - claimed.clamp(max=1)
    alphas = (samples.weights * free).sum(dim=1)
    rays = (alphas > SHOWN).nonzero()[:, 0]
    whole = _rays(samples, 0, rays, alphas[rays], free[rays], BACKGROUND_SPREAD)
    near = whole.places.norm(dim=1) <= BACKGROUND_REACH
    return _Rays(0, whole.indices[near], whole.places[near], whole.alphas[near])


def _rays(
    samples: SurfaceSamples,
    object_id: int,
    rays: Int[Tensor, " rays"],
    alphas: Float[Tensor, " rays"],
    probabilities: Float[Tensor, "rays samples"],
    most_spread: float = SPREAD,
) -> _Rays:
    """The rays with the mean place of their samples; without those whose samples lie apart."""
    positions = samples.positions[rays]
    shares = samples.weights[rays] * probabilities
    shares = (shares / shares.sum(dim=1, keepdim=True))[..., None]
    places = (positions * shares).sum(dim=1)
    spread = ((positions - places[:, None]) ** 2 * shares).sum(dim=(1, 2)).sqrt()
    together = spread <= most_spread * (places - samples.camera.position).norm(dim=1)
    return _Rays(object_id, rays[together], places[together], alphas[together])


def _points(camera: Camera, rays: _Rays, colours: UInt8[np.ndarray, "pixels 3"]) -> PointCloud:
    if not len(rays.indices):
        return _no_points()
    pixels = rays.indices.numpy()
    ids = np.full(len(pixels), rays.object_id, np.uint16)
    normals = _normals(camera, pixels, (rays.places - camera.position).norm(dim=1).numpy())
    return PointCloud(rays.places.numpy(), colours[pixels], normals, ids, rays.alphas.clamp(0, 1).numpy())


def _normals(
    camera: Camera, pixels: Int[np.ndarray, " some"], distances: Float[np.ndarray, " some"]
) -> Float32[np.ndarray, "some 3"]:
    """Normals at some pixels; all others are unknown, so that a normal is of the object alone up to its edge."""
    rows, columns = np.divmod(pixels, camera.width)
    top, left = rows.min(), columns.min()
    part = replace(
        camera,
        cx=camera.cx - float(left),
        cy=camera.cy - float(top),
        height=int(rows.max() - top) + 1,
        width=int(columns.max() - left) + 1,
    )
    known = np.full(part.image_size, np.nan)
    known[rows - top, columns - left] = distances
    return normals_from_depth(known, part)[rows - top, columns - left]


def _no_points() -> PointCloud:
    nothing = np.zeros((0, 3), np.float32)
    return PointCloud(nothing, nothing.astype(np.uint8), nothing, np.zeros(0, np.uint16), np.zeros(0, np.float32))
