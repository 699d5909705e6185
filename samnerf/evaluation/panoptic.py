"""Panoptic quality (Kirillov et al. 2019, arXiv:1801.00868, Eq. 1) of ID maps whose IDs need not be the true ones."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Integer

from samnerf.evaluation.metrics import iou

MATCHED = 0.5
"""IoU above which a segment is the true one; no two can pass it."""


@dataclass(frozen=True)
class PanopticCounts:
    """Matches of one or many pictures.

    Attributes:
        iou_sum: of all matched pairs.
        matched, extra, missed: number of pairs, of segments without true one, and of true ones without segment.
    """

    iou_sum: float = 0.0
    matched: int = 0
    extra: int = 0
    missed: int = 0

    @property
    def quality(self) -> float:
        """0 to 1; 1 where there is nothing to find and nothing was found."""
        weight = self.matched + 0.5 * self.extra + 0.5 * self.missed
        return self.iou_sum / weight if weight else 1.0


def panoptic_counts(
    found: Integer[np.ndarray, "height width"], true: Integer[np.ndarray, "height width"], least: int = 1
) -> PanopticCounts:
    """Match the segments of one picture; 0 is no object.

    Args:
        found, true: ID of each pixel.
        least: pixels of a true segment below which nobody is asked for it, and for a segment that mostly lies on it.
    """
    true_ids, areas = np.unique(true[true > 0], return_counts=True)
    asked, small = true_ids[areas >= least], true_ids[areas < least]
    segments = {int(i): found == i for i in np.unique(found[found > 0])}
    iou_sum, taken = 0.0, set()
    for true_id in asked:
        scores = {i: iou(mask, true == true_id) for i, mask in segments.items()}
        best = max(scores, key=scores.__getitem__, default=None)
        if best is not None and scores[best] > MATCHED:
            iou_sum += scores[best]
            taken.add(best)
    extra = [mask for i, mask in segments.items() if i not in taken and np.isin(true[mask], small).mean() <= MATCHED]
    return PanopticCounts(iou_sum, len(taken), len(extra), len(asked) - len(taken))


def summed(counts: Iterable[PanopticCounts]) -> PanopticCounts:
    """The counts of many pictures together."""
    every = list(counts)
    return PanopticCounts(
        sum(one.iou_sum for one in every),
        sum(one.matched for one in every),
        sum(one.extra for one in every),
        sum(one.missed for one in every),
    )
