"""One feature per ray, from the features of a few samples.

The weights are those NeRF gives to colours (Mildenhall et al. 2020, arXiv:2003.08934, Eq. 3), detached as in LERF
(arXiv:2303.09553): features follow the geometry and never bend it. Only the heaviest samples of a ray are asked, which
makes a feature ray cheap, and sharpening favours the surface over what lies in the air before it.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def heaviest_samples(
    weights: Float[Tensor, "*rays samples"], count: int, sharpness: float
) -> tuple[Float[Tensor, "*rays kept"], Int[Tensor, "*rays kept"]]:
    """The `count` heaviest samples of each ray: their shares, which sum to 1, and their places along the ray.

    A ray that meets nothing has shares too: wherever it is looking, the teacher saw something there.

    Args:
        weights: rendering weights, at least 0.
        count: samples kept, or all of them where a ray has fewer.
        sharpness: power to which weights are raised; 1 keeps their proportions.

    Raises:
        ValueError: if count or sharpness is not positive.
    """
    if count < 1:
        raise ValueError(f"{count} samples per ray; a feature needs at least 1")
    if not sharpness > 0:
        raise ValueError(f"sharpness is {sharpness:g} but must be positive; 1 keeps the weights")
    kept, places = weights.detach().topk(min(count, weights.shape[-1]), dim=-1)
    # Relative to the heaviest, because a small weight to a high power is zero in float32.
    relative = (kept / kept[..., :1].clamp_min(torch.finfo(kept.dtype).tiny)) ** sharpness
    relative[..., 0] = 1.0
    return relative / relative.sum(dim=-1, keepdim=True), places


def render_features(
    features: Float[Tensor, "*rays samples channels"], shares: Float[Tensor, "*rays samples"]
) -> Float[Tensor, "*rays channels"]:
    """Mean of each ray's features, weighted by shares that sum to 1."""
    return torch.einsum("...sc,...s->...c", features, shares)
