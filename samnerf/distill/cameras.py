"""Cameras of ours as nerfstudio's, and back."""

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


def from_nerfstudio(cameras: Cameras) -> Camera:
    """The pinhole camera with the pose, focal lengths and size of a batch of one; its lens is left out."""
    return Camera(
        cameras.camera_to_worlds.reshape(-1, 3, 4)[0].detach().cpu().float(),
        float(cameras.fx),
        float(cameras.fy),
        float(cameras.cx),
        float(cameras.cy),
        int(cameras.height),
        int(cameras.width),
    )
