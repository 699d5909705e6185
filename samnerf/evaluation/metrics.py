"""Small exact measures of masks and pictures."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy import ndimage
from skimage.metrics import structural_similarity

SSIM_WINDOW = 11
"""Pixels along each side of what SSIM looks at."""


def iou(first: Bool[np.ndarray, "height width"], second: Bool[np.ndarray, "height width"]) -> float:
    """Intersection over union, TP / (TP + FP + FN), 0 to 1; 1 if both masks are empty."""
    union = int((first | second).sum())
    return int((first & second).sum()) / union if union else 1.0


def accuracy(first: Bool[np.ndarray, "height width"], second: Bool[np.ndarray, "height width"]) -> float:
    """Share of pixels of which two masks say the same, (TP + TN) / all, 0 to 1."""
    return float((first == second).mean())


def boundary_iou(
    first: Bool[np.ndarray, "height width"], second: Bool[np.ndarray, "height width"], reach: float = 0.02
) -> float:
    """IoU of the rims of two masks (Cheng et al. 2021, arXiv:2103.16562); 1 if both masks are empty.

    A rim holds those pixels of a mask that lie within `reach` of its contour, as a part of the image's diagonal; where
    a mask ends at the image's border, that is contour too.
    """
    pixels = max(1, round(reach * math.hypot(*first.shape)))
    return iou(_rim(first, pixels), _rim(second, pixels))


def hit(peak: tuple[float, float], mask: Bool[np.ndarray, "height width"]) -> bool:
    """Whether an image point (x, y), in pixels, lies on the mask."""
    height, width = mask.shape
    column, row = math.floor(peak[0]), math.floor(peak[1])
    return 0 <= row < height and 0 <= column < width and bool(mask[row, column])


def relevancy_peak(relevancy: Float[np.ndarray, "height width"]) -> tuple[float, float]:
    """Centre (x, y), in pixels, of the most relevant pixel; of several, the first in reading order."""
    row, column = np.unravel_index(int(relevancy.argmax()), relevancy.shape)
    return float(column) + 0.5, float(row) + 0.5


def average_precision(relevancy: Float[np.ndarray, "height width"], mask: Bool[np.ndarray, "height width"]) -> float:
    """How well relevancy ranks the pixels of a mask before all others, 0 to 1; NaN if the mask is empty.

    The mean of the precision over recall, taken at every distinct relevancy without interpolation, as scikit-learn
    defines it: no threshold is chosen. Pixels in random order score about the share that the mask covers.
    """
    if not mask.any():
        return math.nan
    order = np.argsort(-relevancy, axis=None, kind="stable")
    ranked, positive = relevancy.flat[order], mask.flat[order]
    last_of_equals = np.append(np.flatnonzero(np.diff(ranked)), ranked.size - 1)
    found = np.cumsum(positive)[last_of_equals]
    precision, recall = found / (last_of_equals + 1), found / found[-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def psnr(first: UInt8[np.ndarray, "height width 3"], second: UInt8[np.ndarray, "height width 3"]) -> float:
    """Peak signal-to-noise ratio, dB, of 8-bit pictures; infinite if they are equal."""
    error = float(np.mean((first.astype(np.float64) - second.astype(np.float64)) ** 2))
    return 10 * math.log10(255**2 / error) if error else math.inf


def ssim(first: UInt8[np.ndarray, "height width 3"], second: UInt8[np.ndarray, "height width 3"]) -> float:
    """Structural similarity of 8-bit pictures (Wang et al. 2004: Gaussian of 1.5 pixels); 1 if they are equal.

    NaN for pictures of less than 11 pixels a side.
    """
    if min(first.shape[:2]) < SSIM_WINDOW:
        return math.nan
    similarity: Any = structural_similarity(
        first, second, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
    )
    return float(similarity)


def mean(values: Iterable[float]) -> float:
    """Arithmetic mean; NaN for no values, so that nothing measured is never taken for a score."""
    listed = list(values)
    return sum(listed) / len(listed) if listed else math.nan


def _rim(mask: Bool[np.ndarray, "height width"], pixels: int) -> Bool[np.ndarray, "height width"]:
    square = np.ones((3, 3), bool)
    inner = ndimage.binary_erosion(np.pad(mask, 1), square, iterations=pixels)
    return mask & ~np.asarray(inner, bool)[1:-1, 1:-1]
