"""Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon) for matrices, Adam for everything else.

A matrix steps along its momentum with all singular values set to about one, so rare directions learn as fast as
common ones, which helped a small transformer trained from scratch in one short comparison. torch.optim.Muon
computes in bfloat16, for which many CPUs have no units; hence this one in float32.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of the iteration in the source above: steep at zero, and near one everything stays near one."""


def orthogonalised(matrix: Float[Tensor, "rows columns"], iterations: int = 5) -> Float[Tensor, "rows columns"]:
    """The matrix with its singular values moved to between about 0.7 and 1.2, singular vectors unchanged."""
    a, b, c = QUINTIC
    x = matrix / (matrix.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(iterations):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


class MatrixOptimiser(torch.optim.Optimizer):
    """One optimiser for both kinds; each group has a rate `peak` of its own, which `scale` multiplies."""

    def __init__(
        self,
        matrices: Sequence[Tensor],
        others: Sequence[Tensor],
        matrix_rate: float,
        other_rate: float,
        momentum: float = 0.95,
        decay: float = 0.05,
        betas: tuple[float, float] = (0.9, 0.98),
    ) -> None:
        groups = [
            {"params": list(matrices), "orthogonal": True, "peak": matrix_rate},
            {"params": list(others), "orthogonal": False, "peak": other_rate},
        ]
        super().__init__(groups, {"scale": 1.0, "momentum": momentum, "decay": decay, "betas": betas})

    def set_scale(self, scale: float) -> None:
        """Every group's rate becomes `scale` times its peak."""
        for group in self.param_groups:
            group["scale"] = scale

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Update every weight that has a gradient."""
        if closure is not None:
            raise ValueError("MatrixOptimiser takes no closure; call backward before step")
        for group in self.param_groups:
            rate = group["scale"] * group["peak"]
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                if group["orthogonal"]:
                    self._matrix_step(weight, weight.grad, rate, group["momentum"], group["decay"])
                else:
                    self._adam_step(weight, weight.grad, rate, group["betas"])

    def _matrix_step(self, weight: Tensor, gradient: Tensor, rate: float, momentum: float, decay: float) -> None:
        state = self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(weight)
        state["momentum"].lerp_(gradient, 1 - momentum)
        ahead = gradient.lerp(state["momentum"], momentum)  # Nesterov's look ahead
        rows = ahead.flatten(1)  # a convolution's filters are the rows of a matrix
        taller = max(1.0, rows.shape[0] / rows.shape[1]) ** 0.5
        weight.mul_(1 - rate * decay).add_(orthogonalised(rows).view_as(weight), alpha=-rate * taller)

    def _adam_step(self, weight: Tensor, gradient: Tensor, rate: float, betas: tuple[float, float]) -> None:
        state = self.state[weight]
        if not state:
            state.update(mean=torch.zeros_like(weight), square=torch.zeros_like(weight), steps=torch.tensor(0))
        state["steps"] += 1
        steps = int(state["steps"])
        state["mean"].lerp_(gradient, 1 - betas[0])
        state["square"].mul_(betas[1]).addcmul_(gradient, gradient, value=1 - betas[1])
        spread = (state["square"] / (1 - betas[1] ** steps)).sqrt_().add_(1e-8)
        weight.addcdiv_(state["mean"], spread, value=-rate / (1 - betas[0] ** steps))
