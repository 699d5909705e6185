"""Small holes of a mask filled and small islands removed, where a decoder frayed it.

The rules are those of SAM's own post-processing (`segment_anything.utils.amg.remove_small_regions`): a region is
connected over edges and corners, holes come before islands, and of a mask of nothing but small islands the largest
stays. SAM 2 calls an island a sprinkle.
"""

from dataclasses import replace
from typing import cast

import numpy as np
import torch
from jaxtyping import Bool, Int
from scipy import ndimage

from samnerf.masks import MaskPrediction

CLEANED_LOGIT = 10.0
"""What a filled hole gets, and with a minus a removed island; as in SAM 2."""
_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)


def clean_mask(
    mask: Bool[np.ndarray, "height width"], hole_area: int = 0, island_area: int = 0
) -> Bool[np.ndarray, "height width"]:
    """The mask with its small holes filled, then without its small islands.

    A hole is any connected part of the background, also one at the border of the image.

    Args:
        mask: true inside.
        hole_area: holes of at most so many pixels are filled; 0 fills none.
        island_area: islands of at most so many pixels are removed; 0 removes none.

    Raises:
        ValueError: if an area is negative.
    """
    if hole_area < 0 or island_area < 0:
        raise ValueError(f"areas are {hole_area} and {island_area} pixels, but must be at least 0; 0 changes nothing")
    cleaned = mask | _small_regions(~mask, hole_area)[0]
    small, labels, areas = _small_regions(cleaned, island_area)
    if areas.size and areas.max() <= island_area:
        small &= labels != areas.argmax() + 1
    return cleaned & ~small


def clean_prediction(prediction: MaskPrediction, hole_area: int = 0, island_area: int = 0) -> MaskPrediction:
    """Every candidate cleaned as by `clean_mask`, in pixels of the view: logits change where its mask does."""
    logits = prediction.logits.clone()
    for candidate in logits:
        mask = (candidate > 0).cpu().numpy()
        cleaned = clean_mask(mask, hole_area, island_area)
        candidate[torch.from_numpy(cleaned & ~mask)] = CLEANED_LOGIT
        candidate[torch.from_numpy(mask & ~cleaned)] = -CLEANED_LOGIT
    return replace(prediction, logits=logits)


def _small_regions(
    mask: Bool[np.ndarray, "height width"], area: int
) -> tuple[Bool[np.ndarray, "height width"], Int[np.ndarray, "height width"], Int[np.ndarray, " regions"]]:
    """Where regions of at most `area` pixels lie; all regions, numbered from 1; their areas."""
    if area == 0:
        return np.zeros_like(mask), np.zeros(mask.shape, dtype=np.int32), np.zeros(0, dtype=np.int64)
    labels, count = cast(tuple[np.ndarray, int], ndimage.label(mask, _EIGHT_NEIGHBOURS))
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    return np.concatenate([[False], areas <= area])[labels], labels, areas
