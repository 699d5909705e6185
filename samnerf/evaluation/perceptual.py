"""LPIPS (Zhang et al. 2018, arXiv:1801.03924), where the weights of its network are on this machine already."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8

WEIGHTS = "alexnet-owt-7be5be79.pth"
"""torchvision's AlexNet, as torch keeps it; the linear layers come with torchmetrics."""

PictureDistance = Callable[[UInt8[np.ndarray, "height width 3"], UInt8[np.ndarray, "height width 3"]], float]


def weights_file() -> Path:
    """Where torch looks for the weights before it would download them."""
    return Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS


def lpips_at_hand() -> PictureDistance | None:
    """LPIPS of two 8-bit pictures, 0 if they are equal; None where the weights are not here. Nothing is downloaded."""
    if not weights_file().is_file():
        return None
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    network = LearnedPerceptualImagePatchSimilarity(net_type="alex", normalize=True).eval()

    def distance(first: UInt8[np.ndarray, "height width 3"], second: UInt8[np.ndarray, "height width 3"]) -> float:
        pictures = [torch.from_numpy(one).permute(2, 0, 1)[None].float() / 255 for one in (first, second)]
        with torch.no_grad():
            return float(network(*pictures))

    return distance
