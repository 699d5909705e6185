"""Cut-outs with exact alpha: taken from pictures of known coverage, drawn as strokes, blurred, faded, composited.

Colours are sRGB, 0 to 1, and are blended as they are, as compositing benchmarks do. A defocused cut-out is blurred in
alpha and in premultiplied colour, so that its alpha stays exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, UInt8
from PIL import Image, ImageDraw
from scipy import ndimage

OPAQUE = 0.99
"""Alpha from which a pixel shows nothing but the object."""
STROKE_SAMPLES = 4
"""Of a stroke's coverage, along each side of a pixel."""


@dataclass(frozen=True)
class CutOut:
    """An object without its surroundings.

    Attributes:
        premultiplied: colour times alpha.
        alpha: 0 to 1.
    """

    premultiplied: Float32[np.ndarray, "height width 3"]
    alpha: Float32[np.ndarray, "height width"]


def cut_out(rgb: UInt8[np.ndarray, "height width 3"], alpha: Float[np.ndarray, "height width"]) -> CutOut:
    """An object of a picture; where it is not opaque, its colour is that of the nearest pixel where it is.

    An object that is opaque nowhere keeps the picture's colours.
    """
    colour = rgb.astype(np.float32) / 255
    opaque = alpha >= OPAQUE
    if opaque.any():
        nearest = np.empty((2, *alpha.shape), np.int32)
        ndimage.distance_transform_edt(~opaque, return_distances=False, return_indices=True, indices=nearest)
        colour = colour[nearest[0], nearest[1]]
    alpha = alpha.astype(np.float32)
    return CutOut(colour * alpha[..., None], alpha)


def drawn_strokes(size: tuple[int, int], random: np.random.Generator) -> CutOut:
    """Hair, grass or wire: a tuft of bent strokes, 0.7 to 5 pixels thick, that begin in a blob."""
    height, width = size
    scale = STROKE_SAMPLES
    canvas = Image.new("L", (width * scale, height * scale))
    draw = ImageDraw.Draw(canvas)
    root = np.array([random.uniform(0.25, 0.75) * width, random.uniform(0.25, 0.75) * height])
    reach = random.uniform(0.15, 0.4) * min(size)
    blob = random.uniform(0.1, 0.35) * reach
    draw.ellipse(tuple((root - blob) * scale) + tuple((root + blob) * scale), fill=255)
    for _ in range(int(random.integers(4, 30))):
        angle, bend = random.uniform(0, 2 * np.pi), random.normal(0, 0.8)
        along = np.linspace(0, 1, 24)[:, None]
        turned = angle + bend * along
        points = root + np.concatenate([np.cos(turned), np.sin(turned)], 1) * along * reach * random.uniform(0.6, 1.2)
        thickness = max(1, round(random.uniform(0.7, 5.0) * scale))
        draw.line([tuple(point) for point in points * scale], fill=255, width=thickness, joint="curve")
    samples = np.asarray(canvas, np.float32) / 255
    alpha = samples.reshape(height, scale, width, scale).mean((1, 3))
    dark, light = np.sort(random.random((2, 3)).astype(np.float32), axis=0)
    shade = ndimage.gaussian_filter(random.random(size).astype(np.float32), 3, mode="nearest")[..., None]
    shade = (shade - shade.min()) / max(float(np.ptp(shade)), 1e-6)
    return CutOut((dark + (light - dark) * shade) * alpha[..., None], alpha)


def defocused(one: CutOut, sigma: float) -> CutOut:
    """As a lens shows it that is focused elsewhere.

    Args:
        one: what is blurred.
        sigma: of the Gaussian, pixels.
    """
    blurred = ndimage.gaussian_filter(one.premultiplied, (sigma, sigma, 0), mode="nearest")
    return CutOut(blurred, ndimage.gaussian_filter(one.alpha, sigma, mode="nearest"))


def faded(one: CutOut, opacity: Float[np.ndarray, "height width"]) -> CutOut:
    """Behind a veil of this opacity, 0 to 1."""
    opacity = opacity.astype(np.float32)
    return CutOut(one.premultiplied * opacity[..., None], one.alpha * opacity)


def drawn_opacity(size: tuple[int, int], random: np.random.Generator) -> Float32[np.ndarray, "height width"]:
    """An opacity that is even, or changes in one direction; above one half, so that a prompt finds the object."""
    low, high = np.sort(random.uniform(0.55, 1.0, 2))
    angle = random.uniform(0, 2 * np.pi)
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    along = np.cos(angle) * x / size[1] + np.sin(angle) * y / size[0]
    along = (along - along.min()) / max(float(np.ptp(along)), 1e-6)
    return (low + (high - low) * along * float(random.random() < 0.5)).astype(np.float32)


def moved(one: CutOut, scale: float, shift: tuple[float, float]) -> CutOut:
    """Scaled about the middle of the picture, then moved by (right, down) pixels; what leaves the picture is lost."""
    height, width = one.alpha.shape
    centre = np.array([height, width]) / 2 - 0.5
    offset: Any = centre - (centre + np.array([shift[1], shift[0]])) / scale  # SciPy's stubs know of one number only

    def warped(channel: np.ndarray) -> np.ndarray:
        return ndimage.affine_transform(channel, np.array([1 / scale, 1 / scale]), offset, order=1)

    alpha = np.clip(warped(one.alpha), 0, 1)
    return CutOut(np.stack([warped(one.premultiplied[..., c]) for c in range(3)], -1), alpha)


def composite(
    background: UInt8[np.ndarray, "height width 3"], cut_outs: Sequence[CutOut]
) -> tuple[UInt8[np.ndarray, "height width 3"], list[Float32[np.ndarray, "height width"]]]:
    """The picture with all cut-outs, the last in front, and what shows of each: alpha dimmed by those before it."""
    colour = background.astype(np.float32) / 255
    shown: list[np.ndarray] = []
    for one in cut_outs:
        dimming = 1 - one.alpha
        colour = colour * dimming[..., None] + one.premultiplied
        shown = [alpha * dimming for alpha in shown] + [one.alpha]
    return np.rint(np.clip(colour, 0, 1) * 255).astype(np.uint8), shown
