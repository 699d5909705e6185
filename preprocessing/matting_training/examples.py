"""What matting adapters are trained and measured on: pictures, the alpha of some objects, and what is said of these."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from samnerf.preprocessing.tiny_teachers.sam_prompts import drawn_prompts
from samnerf.prompts import Box, Point, PromptSet

PROMPTED = 0.5
"""Alpha above which a pixel counts as the object's where prompts are drawn."""
SMALLEST = 60
"""Pixels above it that an object must show."""


@dataclass(frozen=True)
class Example:
    """A picture with the exact alpha of some of its objects.

    Attributes:
        rgb: sRGB.
        alphas: 0 to 1, one for each object, each fit to be prompted (see `promptable`).
    """

    rgb: UInt8[np.ndarray, "height width 3"]
    alphas: tuple[Float32[np.ndarray, "height width"], ...]


@runtime_checkable
class Examples(Protocol):
    """A source of examples without end."""

    description: str
    """What determines the examples; equal descriptions give equal examples."""

    def drawn(self, random: np.random.Generator) -> Example:
        """A random example; it has at least one object."""
        ...


def promptable(alpha: Float32[np.ndarray, "height width"]) -> bool:
    """Whether enough of an object shows that a person could point at it."""
    return int((alpha > PROMPTED).sum()) >= SMALLEST


def prompts_for(
    alpha: Float32[np.ndarray, "height width"], kind: str, random: np.random.Generator, name: str = "object"
) -> PromptSet:
    """What a person might say of an object, where its alpha is above one half.

    Args:
        alpha: of the object.
        kind: one of those of `samnerf.preprocessing.tiny_teachers.sam_prompts`.
        random: draws clicks, and how far a box drawn by hand is off.
        name: of the prompt set.
    """
    mask: Bool[np.ndarray, "height width"] = alpha > PROMPTED
    drawn = drawn_prompts(mask[None], kind, random)
    points: tuple[Point, ...] = ()
    boxes: tuple[Box, ...] = ()
    if drawn.points is not None and drawn.labels is not None:
        labels = [int(label) for label in drawn.labels[0].tolist()]
        points = tuple(Point(x, y, label) for (x, y), label in zip(drawn.points[0].tolist(), labels, strict=True))
    if drawn.boxes is not None:
        boxes = (Box(*drawn.boxes[0].tolist()),)
    return PromptSet(name, points=points, boxes=boxes)
