"""Training prompts for SAM: what a person might click or draw, drawn at random from true masks.

Prompts are drawn for a window of the encoder's input frame; points are (x, y) in the window's pixels.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from samnerf.teachers.tiny_sam import INPUT_SIDE, SIDE

SMALLEST = 40
"""Pixels; objects that show less are nobody's to click."""
BACKGROUND_SHARE = 0.06
KINDS = ("click", "clicks", "box", "box and click")
KIND_CHANCES = (0.4, 0.15, 0.28, 0.17)
WINDOW_SIDE = 16
"""Cells along a side of a window that is not the whole map."""
WINDOW_TRIES = 3
CELL = INPUT_SIDE // SIDE
"""Pixels along a side of a cell."""


@dataclass(frozen=True)
class PromptBatch:
    """Prompts of one kind for several objects of one image."""

    points: Float[Tensor, "objects clicks 2"] | None
    labels: Float[Tensor, "objects clicks"] | None
    boxes: Float[Tensor, "objects 4"] | None

    @property
    def as_points(self) -> tuple[Tensor, Tensor] | None:
        """Points and labels as SAM's prompt encoder takes them."""
        return None if self.points is None or self.labels is None else (self.points, self.labels)

    def moved(self, right: int, down: int) -> "PromptBatch":
        """The same prompts so many pixels further right and down."""
        offset = torch.tensor([float(right), float(down)])
        points = None if self.points is None else self.points + offset
        return PromptBatch(points, self.labels, None if self.boxes is None else self.boxes + offset.repeat(2))


@dataclass(frozen=True)
class Window:
    """A part of the map: its first row and column and its extent, all in cells."""

    row: int
    column: int
    rows: int
    columns: int

    @property
    def left(self) -> int:
        """Pixels of the input frame left of the window."""
        return self.column * CELL

    @property
    def top(self) -> int:
        """Pixels of the input frame above the window."""
        return self.row * CELL

    def of_cells(self, maps: Float[Tensor, "n channels side side"]) -> Float[Tensor, "n channels rows columns"]:
        """This part of whole maps."""
        return maps[:, :, self.row : self.row + self.rows, self.column : self.column + self.columns]

    def of_pixels(self, ids: np.ndarray) -> np.ndarray:
        """This part of an image [height, width] in the input frame."""
        return ids[self.top : self.top + self.rows * CELL, self.left : self.left + self.columns * CELL]


def drawn_window(ids: np.ndarray, content: tuple[int, int], whole: bool, random: np.random.Generator) -> Window:
    """The whole map with its padding, or a random part that shows image only: of several the fullest.

    Args:
        ids: [256, 256] instance IDs, 0 for background and padding.
        content: rows and columns of pixels that are image, at least those of a window.
        whole: whether to give the whole map.
    """
    if whole:
        return Window(0, 0, SIDE, SIDE)
    rows, columns = content[0] // CELL - WINDOW_SIDE, content[1] // CELL - WINDOW_SIDE
    tries = [
        Window(int(random.integers(rows + 1)), int(random.integers(columns + 1)), WINDOW_SIDE, WINDOW_SIDE)
        for _ in range(WINDOW_TRIES)
    ]
    return max(tries, key=lambda window: np.count_nonzero(window.of_pixels(ids)))


def drawn_masks(ids: np.ndarray, count: int, random: np.random.Generator) -> Bool[np.ndarray, "count height width"]:
    """`count` masks of an image, objects mostly and the background now and then; repeated if objects are few.

    Args:
        ids: [height, width] instance IDs, 0 for the background, which takes in all padding.
        count: how many.
        random: draws them.
    """
    visible = [i for i in np.unique(ids) if i > 0 and (ids == i).sum() >= SMALLEST]
    with_background = not (ids > 0).all()
    masks = []
    for _ in range(count):
        background = not visible or (with_background and random.random() < BACKGROUND_SHARE)
        masks.append(ids == (0 if background else random.choice(visible)))
    return np.stack(masks)


def drawn_prompts(
    masks: Bool[np.ndarray, "objects height width"], kind: str, random: np.random.Generator
) -> PromptBatch:
    """Prompts of one of the `KINDS` for each mask."""
    points = labels = boxes = None
    if kind != "box":
        positives = 1 if kind != "clicks" else int(random.integers(1, 4))
        negatives = 0 if kind != "clicks" else int(random.integers(0, 3))
        clicks = [
            [_inside(mask, random) for _ in range(positives)] + [_beside(mask, random) for _ in range(negatives)]
            for mask in masks
        ]
        points = torch.tensor(np.array(clicks), dtype=torch.float32)
        labels = torch.tensor([[1.0] * positives + [0.0] * negatives]).repeat(len(masks), 1)
    if kind.startswith("box"):
        boxes = torch.tensor(np.array([_drawn_box(mask, random) for mask in masks]), dtype=torch.float32)
    return PromptBatch(points, labels, boxes)


def corrected(
    prompts: PromptBatch,
    masks: Bool[np.ndarray, "objects height width"],
    answers: Bool[np.ndarray, "objects height width"],
    random: np.random.Generator,
) -> PromptBatch:
    """The prompts with one more click each where the answer was wrong (where it is right, another inside)."""
    clicks, labels = [], []
    for mask, answer in zip(masks, answers, strict=True):
        missed, extra = mask & ~answer, answer & ~mask
        wrong, label = (missed, 1.0) if missed.sum() >= extra.sum() else (extra, 0.0)
        clicks.append(_inside(wrong if wrong.any() else mask, random))
        labels.append(label if wrong.any() else 1.0)
    more = torch.tensor(np.array(clicks), dtype=torch.float32)[:, None]
    more_labels = torch.tensor(labels)[:, None]
    if prompts.points is None or prompts.labels is None:
        return PromptBatch(more, more_labels, prompts.boxes)
    return PromptBatch(torch.cat([prompts.points, more], 1), torch.cat([prompts.labels, more_labels], 1), prompts.boxes)


def _inside(mask: np.ndarray, random: np.random.Generator) -> tuple[float, float]:
    rows, columns = np.nonzero(mask)
    pick = random.integers(len(rows))
    return float(columns[pick] + random.random()), float(rows[pick] + random.random())


def _beside(mask: np.ndarray, random: np.random.Generator) -> tuple[float, float]:
    """Outside the mask, within its surroundings."""
    x1, y1, x2, y2 = _box_of(mask)
    reach = 0.3 * max(x2 - x1, y2 - y1) + 8
    x1, y1 = max(0, int(x1 - reach)), max(0, int(y1 - reach))
    window = ~mask[y1 : int(y2 + reach) + 1, x1 : int(x2 + reach) + 1]
    if not window.any():
        return random.random() * mask.shape[1], random.random() * mask.shape[0]
    x, y = _inside(window, random)
    return x + x1, y + y1


def _drawn_box(mask: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The bounding box with each side off by up to a tenth of the box, as a hand would draw it."""
    box = np.array(_box_of(mask), dtype=np.float64)
    size = np.array([box[2] - box[0], box[3] - box[1]] * 2)
    box += np.clip(random.normal(0, 0.04, 4), -0.1, 0.1) * size
    return np.clip(box, 0, [mask.shape[1], mask.shape[0]] * 2)


def _box_of(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
