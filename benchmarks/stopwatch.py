"""Seconds of a piece of work, several times over; what a GPU still has to do is waited for."""

import time
from collections.abc import Callable, Sequence
from statistics import median

import torch


def now(device: str = "cpu") -> float:
    """Seconds of the monotonic clock, which all processes of a machine share, once the device is idle."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.monotonic()


def seconds(work: Callable[[], object], device: str = "cpu") -> float:
    """How long a piece of work takes once."""
    began = now(device)
    work()
    return now(device) - began


def times(work: Callable[[], object], device: str, runs: int) -> list[float]:
    """Seconds of each of several runs, after one that warms up."""
    return [seconds(work, device) for _ in range(runs + 1)][1:]


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, least and greatest of what was measured, and how often it was."""
    return {"median": median(values), "least": min(values), "greatest": max(values), "runs": len(values)}
