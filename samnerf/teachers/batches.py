"""As many images through a network at once as the memory of its device holds."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from samnerf.errors import SamNerfError

Input = TypeVar("Input")
Output = TypeVar("Output")


def in_fitting_batches(
    run: Callable[[Sequence[Input]], list[Output]], inputs: Sequence[Input], size: int, network: str
) -> tuple[list[Output], int]:
    """`run` over all inputs, `size` at once; whenever memory runs out the size is halved and the batch tried again.

    Args:
        run: answers a batch, one output for each input.
        inputs: what to answer.
        size: inputs at once, to begin with.
        network: what runs, for the message.

    Returns:
        The outputs, and the size that fitted in the end, with which the next call had better begin.

    Raises:
        SamNerfError: if not even one input fits.
    """
    outputs: list[Output] = []
    while len(outputs) < len(inputs):
        batch = inputs[len(outputs) : len(outputs) + size]
        done = _run_if_it_fits(run, batch)
        if done is not None:
            outputs += done
            continue
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if len(batch) == 1:
            raise SamNerfError(
                f"out of memory: {network} does not fit with even one image at a time; free memory on the device, "
                "or choose smaller teachers or another device"
            )
        size = len(batch) // 2
    return outputs, size


def _run_if_it_fits(run: Callable[[Sequence[Input]], list[Output]], batch: Sequence[Input]) -> list[Output] | None:
    # The next try comes after this returned: while the error lives, its traceback holds the memory of the last one.
    try:
        return run(batch)
    except torch.OutOfMemoryError:
        return None
