"""A pinhole camera as plain data, in nerfstudio's world.

The camera looks down its -Z axis with +Y up (OpenGL); pixels are `(x, y)` with the origin at the top left
corner of the top left pixel, so that the centre of that pixel is (0.5, 0.5).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True)
class Camera:
    """Pose and intrinsics of one undistorted view.

    Attributes:
        camera_to_world: rotation and translation, world units.
        fx, fy, cx, cy: focal lengths and principal point, pixels.
        height, width: image size, pixels.
    """

    camera_to_world: Float[Tensor, "3 4"]
    fx: float
    fy: float
    cx: float
    cy: float
    height: int
    width: int

    @property
    def image_size(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return self.height, self.width

    @property
    def position(self) -> Float[Tensor, "3"]:
        """Centre of projection, world units."""
        return self.camera_to_world[:, 3]

    def scaled(self, height: int, width: int) -> "Camera":
        """The same view sampled on another pixel grid."""
        sx, sy = width / self.width, height / self.height
        return Camera(self.camera_to_world, self.fx * sx, self.fy * sy, self.cx * sx, self.cy * sy, height, width)

    def ray_directions(self, pixels: Float[Tensor, "*points 2"]) -> Float[Tensor, "*points 3"]:
        """Unit vectors through image points (x, y), in world axes."""
        x = (pixels[..., 0] - self.cx) / self.fx
        y = (pixels[..., 1] - self.cy) / self.fy
        local = torch.stack([x, -y, -torch.ones_like(x)], dim=-1)
        rotated = local @ self.camera_to_world[:, :3].T
        return rotated / rotated.norm(dim=-1, keepdim=True)

    def unproject(
        self, pixels: Float[Tensor, "*points 2"], distances: Float[Tensor, "*points"]
    ) -> Float[Tensor, "*points 3"]:
        """World points at `distances` along the rays of image points (nerfacto's depth is such a distance)."""
        return self.position + self.ray_directions(pixels) * distances[..., None]

    def project(
        self, points: Float[Tensor, "*points 3"]
    ) -> tuple[Float[Tensor, "*points 2"], Float[Tensor, "*points"], Bool[Tensor, "*points"]]:
        """Image points (x, y), distances along the ray, and whether a point lies in front and inside the image."""
        offsets = points - self.position
        local = offsets @ self.camera_to_world[:, :3]
        ahead = -local[..., 2]
        safe = torch.where(ahead > 1e-9, ahead, torch.ones_like(ahead))
        x = self.cx + self.fx * local[..., 0] / safe
        y = self.cy - self.fy * local[..., 1] / safe
        inside = (ahead > 1e-9) & (x >= 0) & (x < self.width) & (y >= 0) & (y < self.height)
        return torch.stack([x, y], dim=-1), offsets.norm(dim=-1), inside
