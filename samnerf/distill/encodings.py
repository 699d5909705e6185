"""One name for the ways in which points in space get features: `planes` (CPU) or `hash` (GPU)."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from nerfstudio.field_components.encodings import HashEncoding
from torch import Tensor, nn

from samnerf.distill.planes import PlanesEncoding

EncodingName = Literal["planes", "hash"]


class HashGrid(nn.Module):
    """Instant-NGP's hash grid (Mueller et al. 2022, arXiv:2201.05989) over the cube [-1, 1]^3.

    Runs on tiny-cuda-nn where that is installed and `implementation` asks for it, else in PyTorch.
    """

    def __init__(self, resolutions: Sequence[int], channels: int, log2_size: int, implementation: str) -> None:
        super().__init__()
        self.grid = HashEncoding(
            num_levels=len(resolutions),
            min_res=min(resolutions),
            max_res=max(resolutions),
            log2_hashmap_size=log2_size,
            features_per_level=channels,
            implementation=implementation,  # type: ignore[arg-type]
        )
        self.out_dim = self.grid.get_out_dim()

    def forward(self, positions: Float[Tensor, "points 3"]) -> Float[Tensor, "points features"]:
        """One feature per point, the levels side by side."""
        return self.grid(((positions + 1) / 2).clamp(0, 1)).to(torch.float32)


def make_encoding(
    name: str,
    resolutions: Sequence[int],
    channels: int,
    log2_size: int = 19,
    implementation: Literal["tcnn", "torch"] = "torch",
) -> nn.Module:
    """An encoding of points in [-1, 1]^3 with an attribute `out_dim`.

    Args:
        name: "planes" or "hash".
        resolutions: grid cells along a side, one number per scale; a hash grid spaces its levels evenly between
            the least and the greatest.
        channels: features per scale.
        log2_size: entries of one level of a hash grid; planes have no use for it.
        implementation: of the hash grid.

    Raises:
        ValueError: if the name is unknown.
    """
    if name == "planes":
        return PlanesEncoding(resolutions, channels)
    if name == "hash":
        return HashGrid(resolutions, channels, log2_size, implementation)
    raise ValueError(f"encoding is {name!r}; expected 'planes' or 'hash'")
