"""Camera poses: nerfstudio's world (+Z up), cameras looking down -Z with +Y up."""

import math

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor


def look_at(
    position: Float64[np.ndarray, "3"], target: Float64[np.ndarray, "3"], roll: float = 0.0
) -> Float[Tensor, "3 4"]:
    """The pose of a camera at `position` that looks at `target`, not straight down, upright but for `roll` radians."""
    backward = position - target
    backward = backward / np.linalg.norm(backward)
    right = np.cross([0.0, 0.0, 1.0], backward)
    right /= np.linalg.norm(right)
    up = np.cross(backward, right)
    right, up = math.cos(roll) * right + math.sin(roll) * up, math.cos(roll) * up - math.sin(roll) * right
    return torch.from_numpy(np.stack([right, up, backward, position], axis=1)).float()
