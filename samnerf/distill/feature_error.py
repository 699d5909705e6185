"""How far rendered features are from what a teacher said."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def feature_error(
    name: str, found: Float[Tensor, "cells channels"], wanted: Float[Tensor, "cells channels"]
) -> Float[Tensor, ""]:
    """Mean error of features that are standardised per channel, at least 0.

    Args:
        name: "mse", the mean square; "cosine", one minus the cosine of the angle; "mse+cosine", their sum.
        found, wanted: features.

    Raises:
        ValueError: if there is no such name.
    """
    terms = {"mse": _square, "cosine": _angle}
    if unknown := [term for term in name.split("+") if term not in terms]:
        raise ValueError(f"feature error {unknown[0]!r}; expected mse, cosine or mse+cosine")
    return sum((terms[term](found, wanted) for term in name.split("+")), start=found.new_zeros(()))


def _square(found: Tensor, wanted: Tensor) -> Tensor:
    return functional.mse_loss(found, wanted)


def _angle(found: Tensor, wanted: Tensor) -> Tensor:
    return (1 - functional.cosine_similarity(found, wanted, dim=-1)).mean()
