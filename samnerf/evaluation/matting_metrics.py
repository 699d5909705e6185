"""How far an alpha is from the true one: SAD, MAD, MSE, Grad, Conn, and dtSSD of sequences.

All take alpha from 0 to 1, and the whole image counts, not a trimap's unknown part. Definitions are those of the alpha
matting benchmark (Rhemann et al. 2009, CVPR) and, for dtSSD, of Erofeev et al. 2015 (BMVC); the scales are those of
published tables of SAM 2's matting and of video matting: SAD, Grad and Conn are sums over the image divided by 1,000,
MAD and MSE are means times 1,000, dtSSD is times 100. Of variants: Grad's kernels are normalised to length 1 and the
image is continued by its border; Conn has a step of 0.1 and 4-neighbourhoods, and of several largest regions takes the
first in reading order.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import cast

import numpy as np
from jaxtyping import Float, Float64
from scipy import ndimage

SIGMA = 1.4
"""Of Grad's Gaussian, pixels."""
REACH = 4
"""Pixels that its kernels reach to each side: 9 x 9."""
LEVELS = 10
"""Conn's thresholds: a tenth, two tenths, ..., one."""
TOLERANCE = 0.15
"""By how much alpha may exceed the level at which its pixel leaves the region, before that counts."""


@dataclass(frozen=True)
class MattingScores:
    """Of one alpha, or the mean over many; less is better."""

    sad: float
    mad: float
    mse: float
    grad: float
    conn: float

    def as_dict(self) -> dict[str, float]:
        """By name, in this order."""
        return asdict(self)


def matting_scores(found: Float[np.ndarray, "height width"], true: Float[np.ndarray, "_ _"]) -> MattingScores:
    """All measures of a single image.

    Raises:
        ValueError: if sizes differ, an image is empty, or alpha is not 0 to 1.
    """
    found, true = _checked(found, true)
    return MattingScores(
        sum_of_differences(found, true),
        mean_difference(found, true),
        mean_square(found, true),
        gradient_error(found, true),
        connectivity_error(found, true),
    )


def mean_scores(scores: Sequence[MattingScores]) -> MattingScores:
    """Measure by measure.

    Raises:
        ValueError: if there are none.
    """
    if not scores:
        raise ValueError("there are no scores to take the mean of")
    return MattingScores(
        *(float(np.mean(values)) for values in zip(*(one.as_dict().values() for one in scores), strict=True))
    )


def sum_of_differences(found: Float[np.ndarray, "height width"], true: Float[np.ndarray, "height width"]) -> float:
    """SAD: sum of |found - true|, in thousands."""
    return float(np.abs(found - true).sum() / 1e3)


def mean_difference(found: Float[np.ndarray, "height width"], true: Float[np.ndarray, "height width"]) -> float:
    """MAD: mean of |found - true|, in thousandths."""
    return float(np.abs(found - true).mean() * 1e3)


def mean_square(found: Float[np.ndarray, "height width"], true: Float[np.ndarray, "height width"]) -> float:
    """MSE: mean of (found - true)², in thousandths."""
    return float(np.square(found - true).mean() * 1e3)


def gradient_error(found: Float[np.ndarray, "height width"], true: Float[np.ndarray, "height width"]) -> float:
    """Grad: sum of the squared differences of the gradients' lengths, in thousands."""
    return float(np.square(_slope(true) - _slope(found)).sum() / 1e3)


def connectivity_error(found: Float[np.ndarray, "height width"], true: Float[np.ndarray, "height width"]) -> float:
    """Conn: sum of the differences of how well pixels hold to the largest region that both have, in thousands."""
    level = np.full(true.shape, -1.0)
    for number in range(1, LEVELS + 1):
        threshold = number / LEVELS
        inside = _largest_region((found >= threshold) & (true >= threshold))
        level[(level < 0) & ~inside] = (number - 1) / LEVELS
    level[level < 0] = 1
    return float(np.abs(_held(found, level) - _held(true, level)).sum() / 1e3)


def temporal_error(
    found: Sequence[Float[np.ndarray, "height width"]], true: Sequence[Float[np.ndarray, "height width"]]
) -> float:
    """DtSSD: root of the mean square by which changes from frame to frame differ, in hundredths; mean over the steps.

    Raises:
        ValueError: if there are not two frames at least, as many of one as of the other, of one size.
    """
    if len(found) != len(true) or len(true) < 2:
        raise ValueError(f"{len(found)} frames were found of {len(true)}; expected as many, and at least two")
    pairs = [_checked(*pair) for pair in zip(found, true, strict=True)]
    steps = [
        math.sqrt(float(np.square((now[0] - before[0]) - (now[1] - before[1])).mean()))
        for before, now in itertools.pairwise(pairs)
    ]
    return 100 * float(np.mean(steps))


def gaussian_derivative_kernels() -> tuple[Float64[np.ndarray, "9 9"], Float64[np.ndarray, "9 9"]]:
    """Along x and y: the derivative of a Gaussian one way, the Gaussian the other, of length 1."""
    reach = np.arange(-REACH, REACH + 1, dtype=np.float64)
    bell = np.exp(-(reach**2) / (2 * SIGMA**2)) / (SIGMA * math.sqrt(2 * math.pi))
    kernel = bell[:, None] * (-reach * bell / SIGMA**2)[None, :]
    kernel /= np.sqrt(np.square(kernel).sum())
    return kernel, kernel.T


def _slope(alpha: Float[np.ndarray, "height width"]) -> Float64[np.ndarray, "height width"]:
    """Length of the gradient."""
    x, y = (ndimage.convolve(alpha, kernel, mode="nearest") for kernel in gaussian_derivative_kernels())
    return np.hypot(x, y)


def _largest_region(mask: np.ndarray) -> np.ndarray:
    if not mask.any():
        return mask
    regions = cast(tuple[np.ndarray, int], ndimage.label(mask))[0]
    return regions == 1 + int(np.bincount(regions.ravel())[1:].argmax())


def _held(alpha: np.ndarray, level: np.ndarray) -> np.ndarray:
    above = alpha - level
    return 1 - above * (above >= TOLERANCE)


def _checked(found: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if found.shape != true.shape or true.size == 0:
        raise ValueError(f"alpha of {found.shape} is held against one of {true.shape}; expected the same, not empty")
    for name, alpha in (("found", found), ("true", true)):
        if not (alpha.min() >= 0 and alpha.max() <= 1):
            raise ValueError(f"the {name} alpha runs from {alpha.min():g} to {alpha.max():g} but must be 0 to 1")
    return found.astype(np.float64), true.astype(np.float64)
