"""Photographs with their cameras, as a data set states them, before they become frames of a capture."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

from samnerf.preprocessing.captures import Intrinsics


@dataclass(frozen=True, eq=False)
class PosedImage:
    """What a reconstruction says of one photograph.

    Attributes:
        name: path below the folder of images, with "/"; None where photographs are told apart by their order only.
        camera_to_world: OpenGL's axes (x right, y up, z backwards), in the world of the data set.
        intrinsics: in pixels of an image of `size`.
        size: (H, W) of the photograph from which the pose was found.
        camera_model: nerfstudio's name: OPENCV or OPENCV_FISHEYE.
    """

    name: str | None
    camera_to_world: Float64[np.ndarray, "4 4"]
    intrinsics: Intrinsics
    size: tuple[int, int]
    camera_model: str = "OPENCV"

    def intrinsics_at(self, size: tuple[int, int]) -> Intrinsics:
        """The intrinsics of the same photograph resized to (H, W) pixels; distortion does not depend on the size."""
        down, across = size[0] / self.size[0], size[1] / self.size[1]
        lens = self.intrinsics
        return replace(lens, fx=lens.fx * across, fy=lens.fy * down, cx=lens.cx * across, cy=lens.cy * down)
