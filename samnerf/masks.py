"""What a decoder answers: logits and scores first, a binary mask only at the very end."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt16
from torch import Tensor


@dataclass(frozen=True)
class MaskPrediction:
    """One or several candidate masks of one object in one view.

    Attributes:
        logits: positive inside, one map per candidate, at the view's full size.
        scores: predicted IoU of each candidate.
        low_resolution_logits: the decoder's own output grid, to be fed back for refinement.
    """

    logits: Float[Tensor, "candidates height width"]
    scores: Float[Tensor, " candidates"]
    low_resolution_logits: Float[Tensor, "candidates rows columns"]

    @property
    def best(self) -> "MaskPrediction":
        """The candidate with the highest score, alone."""
        return self.candidate(int(self.scores.argmax()))

    def candidate(self, index: int) -> "MaskPrediction":
        """One candidate, alone."""
        keep = slice(index, index + 1)
        return MaskPrediction(self.logits[keep], self.scores[keep], self.low_resolution_logits[keep])

    def mask(self, threshold: float = 0.0) -> Bool[Tensor, "height width"]:
        """The best candidate's logits above `threshold`."""
        return self.best.logits[0] > threshold

    def alpha(self) -> Float[Tensor, "height width"]:
        """The best candidate's sigmoid, 0 to 1."""
        return torch.sigmoid(self.best.logits[0])


@dataclass(frozen=True)
class BatchPrediction:
    """Candidate masks of many objects that know nothing of each other, on the decoder's own grid and device.

    Attributes:
        low_resolution_logits: positive inside.
        scores: predicted IoU of each candidate.
    """

    low_resolution_logits: Float[Tensor, "objects candidates rows columns"]
    scores: Float[Tensor, "objects candidates"]


def mask_window(mask: Bool[np.ndarray, "height width"], margin: int = 0) -> tuple[slice, slice]:
    """Rows and columns that hold a mask and a margin, as far as the picture goes; nothing around an empty mask.

    Args:
        mask: true inside.
        margin: pixels on each side.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return slice(0, 0), slice(0, 0)
    height, width = mask.shape
    return (
        slice(max(0, int(rows[0]) - margin), min(height, int(rows[-1]) + 1 + margin)),
        slice(max(0, int(columns[0]) - margin), min(width, int(columns[-1]) + 1 + margin)),
    )


def paint_ids(
    masks: Sequence[Bool[np.ndarray, "height width"]],
    ids: Sequence[int],
    scores: Sequence[float],
    image_size: tuple[int, int],
) -> UInt16[np.ndarray, "height width"]:
    """ID of the object at each pixel, 0 for none; where masks overlap the highest score wins, then the lowest ID.

    Raises:
        ValueError: if an ID is not 1 to 65535.
    """
    if ids and not (min(ids) >= 1 and max(ids) <= np.iinfo(np.uint16).max):
        raise ValueError(f"IDs run from {min(ids)} to {max(ids)} but must lie between 1 and 65535")
    painted = np.zeros(image_size, np.uint16)
    for i in sorted(range(len(masks)), key=lambda i: (scores[i], -ids[i])):
        painted[masks[i]] = ids[i]
    return painted
