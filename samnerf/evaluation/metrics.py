"""Small exact measures of masks and pictures."""

import math
from collections.abc import Iterable

import numpy as np
from jaxtyping import Bool, Float, UInt8


def iou(first: Bool[np.ndarray, "height width"], second: Bool[np.ndarray, "height width"]) -> float:
    """Intersection over union, TP / (TP + FP + FN), 0 to 1; 1 if both masks are empty."""
    union = int((first | second).sum())
    return int((first & second).sum()) / union if union else 1.0


def hit(peak: tuple[float, float], mask: Bool[np.ndarray, "height width"]) -> bool:
    """Whether an image point (x, y), in pixels, lies on the mask."""
    height, width = mask.shape
    column, row = math.floor(peak[0]), math.floor(peak[1])
    return 0 <= row < height and 0 <= column < width and bool(mask[row, column])


def relevancy_peak(relevancy: Float[np.ndarray, "height width"]) -> tuple[float, float]:
    """Centre (x, y), in pixels, of the most relevant pixel; of several, the first in reading order."""
    row, column = np.unravel_index(int(relevancy.argmax()), relevancy.shape)
    return float(column) + 0.5, float(row) + 0.5


def psnr(first: UInt8[np.ndarray, "height width 3"], second: UInt8[np.ndarray, "height width 3"]) -> float:
    """Peak signal-to-noise ratio, dB, of 8-bit pictures; infinite if they are equal."""
    error = float(np.mean((first.astype(np.float64) - second.astype(np.float64)) ** 2))
    return 10 * math.log10(255**2 / error) if error else math.inf


def mean(values: Iterable[float]) -> float:
    """Arithmetic mean; NaN for no values, so that nothing measured is never taken for a score."""
    listed = list(values)
    return sum(listed) / len(listed) if listed else math.nan
