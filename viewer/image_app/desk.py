"""What one person has before them: a picture, what was said of it, and the answer. Every change makes a new desk.

The picture is encoded once; whatever is said afterwards runs decoders only. Nothing here knows of a browser.
"""

import time
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from samnerf.errors import SamNerfError
from samnerf.images.prompts import ImagePrompts
from samnerf.images.result import ImageMask, ImageSegmentation
from samnerf.images.segmentation import ImageSegmenter, segment_view
from samnerf.images.settings import ImageSettings
from samnerf.prompts import Box, Phrase, Point
from samnerf.view import View

SHOWN = 960
"""Longer side of a picture as it is shown, pixels; masks keep the size of the picture."""


@dataclass(frozen=True)
class Said:
    """What was said of a picture, in its pixels; `everything` asks for all objects instead."""

    points: tuple[Point, ...] = ()
    boxes: tuple[Box, ...] = ()
    phrase: Phrase | None = None
    everything: bool = False

    @property
    def empty(self) -> bool:
        """Whether nothing was said."""
        return not (self.points or self.boxes or self.phrase or self.everything)

    @property
    def prompts(self) -> ImagePrompts:
        """As the segmenter takes it.

        Raises:
            SamNerfError: if the phrase is blank or its numbers are out of range.
        """
        phrase = self.phrase or Phrase("")
        return ImagePrompts(
            [[point.x, point.y] for point in self.points],
            [point.label for point in self.points],
            [[box.x1, box.y1, box.x2, box.y2] for box in self.boxes],
            phrase.text,
            phrase.threshold,
            phrase.top_k,
            phrase.seed,
        )


@dataclass(frozen=True, eq=False)
class Desk:
    """A picture at work.

    Attributes:
        name: of the picture, for the names of files.
        view: the picture, which remembers what the encoders said of it.
        shown: the picture at the size at which it is shown.
        history: what was said, after each prompt; the last entry holds.
        corner: (x, y) of a box of which only the first corner was set, pixels of the picture.
        suggested: whether the prompts came with an example; the first one of a person's own replaces them.
        settings: how the picture is segmented.
        heat: whether to show where the words fit.
        answer: the masks; None if nothing was said.
        candidate: which of the candidates of each object was chosen, 0 being the best.
        seconds: how long the answer took.
    """

    name: str
    view: View
    shown: UInt8[np.ndarray, "rows columns 3"]
    history: tuple[Said, ...] = (Said(),)
    corner: tuple[float, float] | None = None
    suggested: bool = False
    settings: ImageSettings = field(default=ImageSettings(), repr=False)
    heat: bool = False
    answer: ImageSegmentation | None = field(default=None, repr=False)
    candidate: int = 0
    seconds: float = 0.0

    @property
    def said(self) -> Said:
        """What holds now."""
        return self.history[-1]

    @property
    def scale(self) -> tuple[float, float]:
        """Shown pixels per pixel of the picture, across and down."""
        height, width = self.view.image_size
        return self.shown.shape[1] / width, self.shown.shape[0] / height

    @property
    def chosen(self) -> tuple[ImageMask, ...]:
        """The chosen mask of each object."""
        if self.answer is None:
            return ()
        ranks: dict[int, list[ImageMask]] = {}
        for one in self.answer.found:
            ranks.setdefault(one.object_id, []).append(one)
        return tuple(candidates[min(self.candidate, len(candidates) - 1)] for candidates in ranks.values())

    @property
    def candidate_scores(self) -> tuple[float, ...]:
        """Predicted IoU of each choice, the mean over objects; empty where there is no choice."""
        if self.answer is None or len(self.answer.found) == len(self.answer.best):
            return ()
        ranks = len(self.answer.found) // len(self.answer.best)
        return tuple(float(scores) for scores in self.answer.scores.reshape(-1, ranks).mean(axis=0))

    def click(self, x: float, y: float, label: int) -> "Desk":
        """One more point; `x` and `y` are pixels of the picture as shown, label 1 adds, 0 takes away.

        Raises:
            SamNerfError: if the point lies beside the picture.
        """
        place = self._place(x, y)
        said = self._own
        return self._say(replace(said, points=(*said.points, Point(*place, label)), everything=False))

    def set_corner(self, x: float, y: float) -> "Desk":
        """One corner of a box, or the opposite one, which makes it; pixels of the picture as shown.

        Raises:
            SamNerfError: if the corner lies beside the picture, or the box would have no area.
        """
        place = self._place(x, y)
        if self.corner is None:
            return replace(self, corner=place)
        (x1, x2), (y1, y2) = sorted((self.corner[0], place[0])), sorted((self.corner[1], place[1]))
        if x1 == x2 or y1 == y2:
            raise SamNerfError("these two corners make no box; click one that lies diagonally opposite")
        said = self._own
        return self._say(replace(said, boxes=(*said.boxes, Box(x1, y1, x2, y2)), everything=False))

    def ask(self, phrase: Phrase) -> "Desk":
        """Words for the thing that is meant, instead of earlier ones.

        Raises:
            SamNerfError: if they are blank or their numbers are out of range.
        """
        if not phrase.text.strip():
            raise SamNerfError('say what you look for, for instance "red cube"')
        said = replace(self._own, phrase=replace(phrase, text=phrase.text.strip()), everything=False)
        assert said.prompts
        return self._say(said)

    def adjust(self, threshold: float, top_k: int) -> "Desk":
        """Other numbers for the words that were said, if any; no step that could be undone."""
        if self.said.phrase is None:
            return self
        said = replace(self.said, phrase=replace(self.said.phrase, threshold=threshold, top_k=top_k))
        return replace(self, history=(*self.history[:-1], said))

    def ask_everything(self) -> "Desk":
        """All objects, instead of what was said before."""
        return self._say(Said(everything=True))

    def undo(self) -> "Desk":
        """Without the last prompt, be it a corner, a point, a box, words or everything.

        Raises:
            SamNerfError: if nothing was said.
        """
        if self.corner is not None:
            return replace(self, corner=None)
        if len(self.history) == 1:
            raise SamNerfError("there is nothing to undo")
        return replace(self, history=self.history[:-1], suggested=False)

    def clear(self) -> "Desk":
        """The picture alone."""
        return replace(self, history=(Said(),), corner=None, suggested=False)

    def answered(self, segmenter: ImageSegmenter) -> "Desk":
        """With the masks of what was said.

        Raises:
            SamNerfError: if weights are missing.
        """
        if self.said.empty:
            return replace(self, answer=None, candidate=0, seconds=0.0)
        started = time.perf_counter()
        prompts = self.said.prompts
        answer = segment_view(self.view, segmenter.session(prompts), prompts, self.settings)
        return replace(self, answer=answer, candidate=0, seconds=time.perf_counter() - started)

    @property
    def _own(self) -> Said:
        """What the person said, without what came with the example."""
        return Said() if self.suggested else self.said

    def _say(self, said: Said) -> "Desk":
        earlier = (Said(),) if self.suggested else self.history
        return replace(self, history=(*earlier, said), corner=None, suggested=False)

    def _place(self, x: float, y: float) -> tuple[float, float]:
        """Pixels of the picture from pixels of the shown one."""
        rows, columns = self.shown.shape[:2]
        if not (0 <= x <= columns and 0 <= y <= rows):
            raise SamNerfError("that click lies beside the picture; click on it")
        across, down = self.scale
        return x / across, y / down


def open_desk(name: str, view: View, said: Said | None = None) -> Desk:
    """A desk with a new picture, which is encoded now, and perhaps what an example says of it."""
    view.feature_map("sam")
    height, width = view.image_size
    scale = SHOWN / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    picture = Image.fromarray(view.rgb)
    shown = np.array(picture if size == picture.size else picture.resize(size, Image.Resampling.LANCZOS))
    return Desk(name, view, shown, (Said(), said) if said else (Said(),), suggested=said is not None)
