"""What the rays of a view meet: a few places each, with the weights they have in the picture."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from samnerf.camera import Camera


@dataclass(frozen=True, eq=False)
class SurfaceSamples:
    """The heaviest samples along the rays through the pixels of a camera, row by row.

    Attributes:
        camera: whose pixels they are.
        positions: world places.
        weights: rendering weights, sharpened; those of a ray sum to its opacity, at most 1.
    """

    camera: Camera
    positions: Float[Tensor, "rays samples 3"]
    weights: Float[Tensor, "rays samples"]

    @cached_property
    def surface(self) -> Float[Tensor, "rays 3"]:
        """The heaviest place of each ray."""
        return torch.take_along_dim(self.positions, self.weights.argmax(dim=1)[:, None, None], dim=1)[:, 0]

    @cached_property
    def distances(self) -> Float[Tensor, " rays"]:
        """From the camera to `surface`, world units."""
        return (self.surface - self.camera.position).norm(dim=-1)

    def sees(self, points: Float[Tensor, "points 3"], tolerance: float) -> Bool[Tensor, " points"]:
        """Which world points lie inside the picture, in front, and no further than `tolerance` from what is seen there.

        The tolerance is a fraction of the distance; the nearest of the 3 x 3 pixels around a point decides.
        """
        pixels, distances, inside = self.camera.project(points)
        seen = self.distances.reshape(1, 1, *self.camera.image_size)
        border = torch.nn.functional.pad(seen, (1, 1, 1, 1), mode="replicate")
        windows = torch.nn.functional.unfold(border, 3)[0]
        column = pixels[:, 0].long().clamp(0, self.camera.width - 1)
        row = pixels[:, 1].long().clamp(0, self.camera.height - 1)
        around = windows[:, row * self.camera.width + column]
        return inside & ((around - distances).abs().amin(dim=0) <= tolerance * distances)
