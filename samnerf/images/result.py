"""What comes of segmenting a picture: masks with scores, and who is where."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int, UInt16

from samnerf.masks import mask_window, paint_ids
from samnerf.prompts import PromptSet


@dataclass(frozen=True, eq=False)
class ImageMask:
    """A mask of an object in a picture.

    Attributes:
        object_id: of the object, from 1; several candidates of one object share it, the best first.
        mask: true inside, at the size of the picture.
        score: predicted IoU.
        stability: IoU of the masks above a raised and a lowered threshold; only of automatic masks.
        point: (x, y) in pixels, the point of the grid that gave it; only of automatic masks.
    """

    object_id: int
    mask: Bool[np.ndarray, "height width"]
    score: float
    stability: float | None = None
    point: tuple[float, float] | None = None

    @cached_property
    def box(self) -> tuple[int, int, int, int]:
        """(x1, y1, x2, y2) of the mask in pixels, the last two one past it; all 0 if it is empty."""
        rows, columns = mask_window(self.mask)
        return columns.start, rows.start, columns.stop, rows.stop

    @cached_property
    def area(self) -> int:
        """Pixels of the mask."""
        return int(self.mask.sum())


@dataclass(frozen=True, eq=False)
class ImageSegmentation:
    """The masks of a picture. There may be none.

    Attributes:
        image_size: (H, W) of the picture, pixels.
        mode: "prompt" if something was said, else "automatic".
        found: the masks, by object ID.
        decoded: object IDs and what went to the mask decoder, in pixels of the picture; none for automatic masks.
        relevancy: how well the phrase fits each pixel, 0 to 1, if there was a phrase.
        reason: why there are no masks, in words; None if there are some.
    """

    image_size: tuple[int, int]
    mode: Literal["prompt", "automatic"]
    found: tuple[ImageMask, ...]
    decoded: tuple[tuple[int, PromptSet], ...] = ()
    relevancy: Float[np.ndarray, "height width"] | None = None
    reason: str | None = None

    @property
    def masks(self) -> Bool[np.ndarray, "masks height width"]:
        """All masks."""
        return np.array([one.mask for one in self.found], bool).reshape(-1, *self.image_size)

    @property
    def scores(self) -> Float[np.ndarray, " masks"]:
        """Predicted IoU of each mask."""
        return np.array([one.score for one in self.found], np.float32)

    @property
    def boxes(self) -> Int[np.ndarray, "masks 4"]:
        """(x1, y1, x2, y2) of each mask in pixels, the last two one past it; all 0 for an empty one."""
        return np.array([one.box for one in self.found], np.int64).reshape(-1, 4)

    @property
    def object_ids(self) -> Int[np.ndarray, " masks"]:
        """Whose each mask is."""
        return np.array([one.object_id for one in self.found], np.int64)

    @property
    def best(self) -> tuple[ImageMask, ...]:
        """The best mask of each object."""
        first: dict[int, ImageMask] = {}
        for one in self.found:
            first.setdefault(one.object_id, one)
        return tuple(first.values())

    @cached_property
    def id_map(self) -> UInt16[np.ndarray, "height width"]:
        """ID of the object at each pixel, 0 for none; where they overlap the highest score wins, then the lowest ID."""
        best = self.best
        ids = [one.object_id for one in best]
        return paint_ids([one.mask for one in best], ids, [one.score for one in best], self.image_size)
