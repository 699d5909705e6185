"""What both tiny teachers see through: a feature pyramid of a few convolutions.

The pyramid (Lin et al. 2017, arXiv:1612.03144) of residual blocks knows no absolute position, so that what it says of
a place depends on the surroundings and not on where in the image they stand: such features are easy to distil.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

CHANNELS = 128


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside the identity (He et al. 2015, arXiv:1512.03385), group-normalised."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.GroupNorm(8, channels),
            nn.GELU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.GroupNorm(8, channels),
            nn.GELU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        last = self.body[-1]
        assert isinstance(last, nn.Conv2d)
        nn.init.zeros_(last.weight)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Same shape."""
        return x + self.body(x)


class TinyBackbone(nn.Module):
    """[N, 3, H, W] normalised pixels -> [N, 128, H / 8, W / 8] features; H and W are multiples of 16."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 32, 4, stride=2, padding=1),
            nn.GELU(),
            nn.Conv2d(32, 48, 3, stride=2, padding=1),
            ResidualBlock(48),
            nn.Conv2d(48, 96, 3, stride=2, padding=1),
        )
        self.fine = nn.Sequential(*[ResidualBlock(96) for _ in range(2)])
        self.coarse = nn.Sequential(
            nn.Conv2d(96, 160, 3, stride=2, padding=1),
            *[ResidualBlock(160) for _ in range(3)],
            nn.Conv2d(160, 96, 1),
        )
        self.merged = nn.Sequential(*[ResidualBlock(96) for _ in range(2)])
        self.neck = nn.Sequential(nn.GELU(), nn.Conv2d(96, CHANNELS, 1))
        self.norm = nn.LayerNorm(CHANNELS)

    def forward(self, pixels: Float[Tensor, "n 3 height width"]) -> Float[Tensor, "n channels rows columns"]:
        """Encode a batch."""
        fine = self.fine(self.stem(pixels))
        coarse = F.interpolate(self.coarse(fine), scale_factor=2.0, mode="bilinear", align_corners=False)
        features = self.neck(self.merged(fine + coarse))
        return self.norm(features.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
