"""Batches that are drawn once and learned from several times.

Where rays meet a scene is known for good once its geometry rests. To find it costs more than all that features have to
learn from it, so later steps take again what earlier ones drew, as epochs over a fixed set.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

import torch

Batch = TypeVar("Batch")


class Replay(Generic[Batch]):
    """Draws so many batches; afterwards gives them again, all in random order before any comes a second time.

    Args:
        fresh: how many are drawn.

    Raises:
        ValueError: if it is not positive.
    """

    def __init__(self, fresh: int) -> None:
        if fresh < 1:
            raise ValueError(f"{fresh} fresh batches; at least 1 is needed")
        self.fresh = fresh
        self._kept: list[Batch] = []
        self._order: list[int] = []

    def next(self, draw: Callable[[], Batch]) -> Batch:
        """A batch, drawn or drawn before."""
        if len(self._kept) < self.fresh:
            self._kept.append(draw())
            return self._kept[-1]
        if not self._order:
            self._order = torch.randperm(self.fresh).tolist()
        return self._kept[self._order.pop()]
