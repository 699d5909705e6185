"""Points in space as products of three planes: the representation that is fast without a GPU.

K-Planes (Fridovich-Keil et al. 2023, arXiv:2301.10241): a feature is the product of bilinear look-ups in the xy, xz
and yz planes, and several resolutions are laid side by side. `grid_sample` does the look-up in vectorised code, which
on a CPU makes forward and backward some five times faster than a hash grid in PyTorch.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn


class PlanesEncoding(nn.Module):
    """Features of points in the cube [-1, 1]^3; points outside take the nearest edge of each plane.

    Args:
        resolutions: texels along each side of the planes, one number per scale.
        channels: features per scale.
    """

    def __init__(self, resolutions: Sequence[int], channels: int) -> None:
        super().__init__()
        if not resolutions or min(resolutions) < 2 or channels < 1:
            raise ValueError(f"planes of resolutions {tuple(resolutions)} with {channels} channels; need >= 2 and >= 1")
        self.scales = nn.ParameterList(
            # Near 1, a plane neither hides what the other two learn nor adds texture of its own.
            [nn.Parameter(torch.empty(3, channels, side, side).uniform_(0.9, 1.1)) for side in resolutions]
        )
        self.out_dim = channels * len(self.scales)

    def forward(self, positions: Float[Tensor, "points 3"]) -> Float[Tensor, "points features"]:
        """One feature per point, the scales side by side."""
        # Slices, and products written out: both are a good tenth of the time on a CPU.
        grids = torch.stack([positions[:, :2], positions[:, ::2], positions[:, 1:]]).unsqueeze(1)
        features = []
        for planes in self.scales:
            looked_up = nn.functional.grid_sample(planes, grids, align_corners=True, padding_mode="border")
            xy, xz, yz = looked_up[:, :, 0].unbind()
            features.append(xy * xz * yz)
        return torch.cat(features).T
