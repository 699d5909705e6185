"""A circle of cameras around objects, from as high and as far away as the photographs were taken.

Frame: nerfstudio's world, right-handed, +Z up, scene units.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from samnerf.camera import Camera
from samnerf.errors import SamNerfError
from samnerf.objects.scene_object import SceneObject

STEEPEST = math.radians(80)
"""Elevation that an orbit keeps below: straight above its centre a circle is a point, and no direction is up."""


def orbit_cameras(training: Sequence[Camera], count: int, centre: Float[Tensor, "3"] | None = None) -> list[Camera]:
    """Cameras at equal steps around a vertical axis, anticlockwise seen from above, all looking at the centre, +Z up.

    The first looks from the side of the first training camera. Distance and elevation are the means over the training
    cameras; size and field of view (vertical) those of the first, with the principal point in the middle.

    Args:
        training: cameras of the photographs.
        count: how many, at least 1.
        centre: world position; by default the one that training cameras look at, see `looked_at`.

    Raises:
        SamNerfError: if there is no training camera, or less than one camera is asked for.
    """
    if count < 1:
        raise SamNerfError(f"an orbit of {count} cameras was asked for, but it needs at least 1")
    if not training:
        raise SamNerfError("an orbit goes by the cameras of the training photographs, and there are none")
    middle = (looked_at(training) if centre is None else centre).double()
    offsets = torch.stack([camera.position for camera in training]).double() - middle
    distance = float(offsets.norm(dim=1).mean())
    elevations = torch.atan2(offsets[:, 2], offsets[:, :2].norm(dim=1))
    elevation = max(-STEEPEST, min(STEEPEST, float(elevations.mean())))
    first = math.atan2(float(offsets[0, 1]), float(offsets[0, 0]))
    return [_looking_in(training[0], middle, distance, elevation, first + math.tau * i / count) for i in range(count)]


def looked_at(cameras: Sequence[Camera]) -> Float[Tensor, "3"]:
    """The world position nearest to the optical axes of all cameras, in the sense of least squares.

    Where the axes do not tell, as those of parallel cameras along their own direction, it is the one nearest to the
    world's origin, around which nerfstudio centres a scene.
    """
    positions = torch.stack([camera.position for camera in cameras]).double()
    axes = -torch.stack([camera.camera_to_world[:, 2] for camera in cameras]).double()
    across = torch.eye(3, dtype=torch.float64) - axes[:, :, None] * axes[:, None, :]
    whole = across.mean(dim=0)
    return (torch.linalg.pinv(whole, rtol=1e-3) @ (across @ positions[..., None]).mean(dim=0))[:, 0].float()


def middle_of(objects: Sequence[SceneObject]) -> Float[Tensor, "3"]:
    """The middle of the box around objects: of all voxels that are more probably theirs than not.

    Raises:
        SamNerfError: if there is no such voxel.
    """
    inside = [one.grid.centres[one.grid.values > 0.5] for one in objects]
    places = torch.cat([torch.zeros(0, 3), *inside])
    if not len(places):
        names = ", ".join(repr(one.name) for one in objects) or "no objects"
        raise SamNerfError(f"there is no place in the world to look at for {names}; lock them again")
    return (places.amin(dim=0) + places.amax(dim=0)) / 2


def _looking_in(like: Camera, centre: Float[Tensor, "3"], distance: float, elevation: float, azimuth: float) -> Camera:
    level = math.cos(elevation)
    back = torch.tensor(
        [level * math.cos(azimuth), level * math.sin(azimuth), math.sin(elevation)], dtype=torch.float64
    )
    right = functional.normalize(torch.linalg.cross(torch.tensor([0, 0, 1], dtype=torch.float64), back), dim=0)
    up = torch.linalg.cross(back, right)
    pose = torch.stack([right, up, back, centre + distance * back], dim=1).float()
    return Camera(pose, like.fy, like.fy, like.width / 2, like.height / 2, like.height, like.width)
