"""Cameras of ours as nerfstudio's."""

import torch
from nerfstudio.cameras.cameras import Cameras, CameraType

from samnerf.camera import Camera


def to_nerfstudio(camera: Camera) -> Cameras:
    """A batch of one undistorted perspective camera, on the CPU."""
    return Cameras(
        camera_to_worlds=camera.camera_to_world.detach().to("cpu", torch.float32)[None],
        fx=camera.fx,
        fy=camera.fy,
        cx=camera.cx,
        cy=camera.cy,
        height=camera.height,
        width=camera.width,
        camera_type=CameraType.PERSPECTIVE,
    )
