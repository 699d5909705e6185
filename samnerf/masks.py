"""What a decoder answers: logits and scores first, a binary mask only at the very end."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
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
