"""Cameras of ours as viser's, and back.

viser's cameras look down their +Z with -Y up (OpenCV), ours down -Z with +Y up (OpenGL); both live in one world with +Z
up. viser tells the vertical field of view in radians and the aspect of the canvas.
"""

import math
from typing import Any

import numpy as np
import torch
from viser import transforms

from samnerf.camera import Camera

FLIP = np.array([1.0, -1.0, -1.0])


def from_viser(camera: Any, longer_side: int) -> Camera:
    """The camera of a client, its picture so many pixels along the longer side."""
    aspect = max(float(camera.aspect), 1e-3)
    size = (longer_side / max(aspect, 1.0), longer_side * min(aspect, 1.0))
    height, width = (max(1, round(side)) for side in size)
    rotation = transforms.SO3(np.asarray(camera.wxyz)).as_matrix() * FLIP
    pose = np.concatenate([rotation, np.asarray(camera.position)[:, None]], axis=1)
    focal = height / 2 / math.tan(float(camera.fov) / 2)
    return Camera(torch.from_numpy(pose).float(), focal, focal, width / 2, height / 2, height, width)


def look_from(client: Any, camera: Camera, distance: float) -> None:
    """Put a client's camera there; it turns about what is straight ahead at that distance, with +Z up."""
    position = camera.position.double().numpy()
    ahead = -camera.camera_to_world[:, 2].double().numpy()
    with client.atomic():
        client.camera.up_direction = (0.0, 0.0, 1.0)
        client.camera.position = position
        client.camera.look_at = position + distance * ahead
        client.camera.fov = 2 * math.atan(camera.height / 2 / camera.fy)


def same_view(one: Camera, other: Camera) -> bool:
    """Whether two cameras show the same."""
    return one.image_size == other.image_size and bool(
        torch.allclose(one.camera_to_world, other.camera_to_world, atol=1e-5) and abs(one.fy - other.fy) < 1e-3
    )
