"""An alpha at full resolution, its edges drawn to those of the picture: no trimap, nothing to learn.

The guided filter (He et al. 2013, IEEE TPAMI 35(6)) as kornia has it: in every window alpha becomes the linear function
of the colours that fits it best. What alpha sums up to stays about the same: edges grow steep, and nothing is found
that alpha missed.
"""

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

RADIUS_SHARE = 0.01
"""Radius of a window, as a share of the image's longer side."""
SMOOTHNESS = 1e-4
"""Variance of colours, 0 to 1 squared, below which a window counts as even, so that alpha is smoothed there."""

SAMPLES = 4
"""Pixels along a large window's radius from which its function is fitted; it then holds at full resolution."""


def refined(
    alpha: Float[Tensor, "height width"],
    image: UInt8[np.ndarray, "height width 3"],
    radius: int | None = None,
    smoothness: float = SMOOTHNESS,
) -> Float[Tensor, "height width"]:
    """The alpha, 0 to 1, that follows the edges of its sRGB image.

    Args:
        alpha: 0 to 1.
        image: of the same size.
        radius: of the windows, pixels; by default a share of the longer side.
        smoothness: see `SMOOTHNESS`.

    Raises:
        ValueError: if sizes differ, or radius or smoothness is not positive.
    """
    from kornia.filters import guided_blur

    if tuple(alpha.shape) != image.shape[:2]:
        raise ValueError(f"the alpha is {tuple(alpha.shape)} but its image {image.shape[:2]}")
    radius = max(1, round(RADIUS_SHARE * max(image.shape[:2]))) if radius is None else radius
    if radius < 1 or not smoothness > 0:
        raise ValueError(f"radius is {radius} and smoothness {smoothness:g} but both must be positive")
    radius = min(radius, min(image.shape[:2]) - 1)
    if radius < 1:
        return alpha  # a picture of one row or column has no window
    guide = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].to(alpha.device, torch.float32) / 255
    blurred = guided_blur(
        guide, alpha[None, None].float(), 2 * radius + 1, smoothness, subsample=max(1, radius // SAMPLES)
    )
    return blurred[0, 0].clamp(0, 1)
