"""Linear light and sRGB (IEC 61966-2-1), for arrays and tensors of floats, 0 to 1."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


def srgb_curve(light: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Linear light, 0 to 1, as sRGB."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def linear_light(colours: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """The inverse of `srgb_curve`."""
    return np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)


def srgb_curve_of(light: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """`srgb_curve` of a tensor."""
    return torch.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
