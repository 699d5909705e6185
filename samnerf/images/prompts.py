"""What is said of one picture: points with labels, boxes, a phrase, as Python lists, arrays or JSON.

Points with at most one box speak of one object. Of several boxes each is an object, with the positive points inside it;
positive points outside all boxes are an object of their own, and negative points hold for every object.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from samnerf.errors import SamNerfError
from samnerf.prompts import Box, Phrase, Point, PromptSet
from samnerf.session import group_prompts

Numbers = str | int | float | Sequence[Any] | np.ndarray | None
"""A list, possibly of lists, an array, or JSON of one."""
MOST_CELLS = 30


@dataclass(frozen=True)
class ImagePrompts:
    """Prompts of one picture; without any, everything in it is segmented.

    Attributes:
        points: [[x, y], ...] or [x, y], pixels of the picture.
        labels: [1, 0, ...], one of each point; 1 adds, 0 takes away. Left out, all are 1.
        boxes: [[x1, y1, x2, y2], ...] or [x1, y1, x2, y2], pixels of the picture.
        text: words such as "striped red cube".
        threshold: relevancy, 0 to 1, that a place must reach to be taken for what the words say.
        top_k: how many of these places become points, -30 to 30: the best, or below 0 that many at random.
        seed: of the random places.
        objects: what all this says of each object (made from the rest).

    Raises:
        SamNerfError: at construction, saying what is malformed, and what would be right.
    """

    points: Numbers = None
    labels: Numbers = None
    boxes: Numbers = None
    text: str | None = None
    threshold: float = Phrase.threshold
    top_k: int = Phrase.top_k
    seed: int = Phrase.seed
    objects: tuple[PromptSet, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        places = _rows(self.points, "points", "[[x, y], ...]", 2)
        labels = _labels(self.labels, len(places))
        points = tuple(Point(x, y, label) for (x, y), label in zip(places, labels, strict=True))
        boxes = tuple(Box(*corners) for corners in _rows(self.boxes, "boxes", "[[x1, y1, x2, y2], ...]", 4))
        for box in boxes:
            if not (box.x1 < box.x2 and box.y1 < box.y2):
                corners = f"[{box.x1:g}, {box.y1:g}, {box.x2:g}, {box.y2:g}]"
                raise SamNerfError(f"box {corners} has no area; expected x1 < x2 and y1 < y2")
        groups = group_prompts(points, boxes)
        phrase = self._phrase()
        if not groups and (points or phrase):
            groups = [PromptSet(points=points)]
        named = [replace(group, name=f"object {i}", phrase=phrase) for i, group in enumerate(groups, start=1)]
        object.__setattr__(self, "objects", tuple(named))

    @property
    def empty(self) -> bool:
        """Whether nothing was said."""
        return not self.objects

    def _phrase(self) -> Phrase | None:
        if not 0 <= self.threshold <= 1:
            raise SamNerfError(f"threshold is {self.threshold:g} but must lie between 0 and 1")
        if not -MOST_CELLS <= self.top_k <= MOST_CELLS:
            raise SamNerfError(f"top_k is {self.top_k} but must lie between {-MOST_CELLS} and {MOST_CELLS}")
        if self.seed < 0:
            raise SamNerfError(f"seed is {self.seed} but must not be negative")
        if not self.text:
            return None
        if not self.text.strip():
            raise SamNerfError('text is blank; expected words such as "red cube"')
        return Phrase(self.text.strip(), self.threshold, self.top_k, self.seed)


def _rows(given: Numbers, what: str, form: str, length: int) -> list[list[float]]:
    """Rows of `length` numbers; a single one may come without the outer brackets."""
    rows = _list(given, what, form)
    if rows and not any(isinstance(row, list) for row in rows):
        rows = [rows]
    for row in rows:
        if not isinstance(row, list) or len(row) != length or not all(_is_number(value) for value in row):
            raise SamNerfError(f"{what}: {row!r} is not {length} finite numbers; expected {form}")
    return [[float(value) for value in row] for row in rows]


def _labels(given: Numbers, count: int) -> list[int]:
    labels = _list(given, "labels", "[1, 0, ...]")
    if not labels:
        return [1] * count
    for label in labels:
        if isinstance(label, list) or label not in (0, 1):
            raise SamNerfError(f"labels: {label!r} is neither 1 (adds) nor 0 (takes away)")
    if len(labels) != count:
        raise SamNerfError(f"there are {len(labels)} labels for {count} points; give one label for each point, or none")
    return [int(label) for label in labels]


def _list(given: Numbers, what: str, form: str) -> list[Any]:
    """Lists of Python's own numbers, whatever held them; a number alone is a list of one."""
    if isinstance(given, str):
        try:
            given = json.loads(given) if given.strip() else None
        except json.JSONDecodeError as error:
            raise SamNerfError(f"{what} {given!r} is not JSON: {error.msg}; expected {form}") from error
    plain = [] if given is None else _plain(given)
    if isinstance(plain, int | float):
        return [plain]
    if not isinstance(plain, list):
        raise SamNerfError(f"{what} is {plain!r}; expected {form}")
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(inner) for inner in value]
    return value.item() if isinstance(value, np.generic) else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e30
