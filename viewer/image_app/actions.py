"""What a person can do in the app: from a desk and a few plain values to the next desk, with its answer."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from samnerf.errors import SamNerfError
from samnerf.images.segmentation import ImageSegmenter
from samnerf.images.settings import ImageSettings, automatic_settings
from samnerf.preprocessing.images import read_picture
from samnerf.prompts import Phrase
from samnerf.view import View
from samnerf.viewer.image_app.desk import Desk, open_desk
from samnerf.viewer.image_app.examples import EXAMPLES

ADD, TAKE_AWAY, BOX = "Add", "Take away", "Box"
TOOLS = (ADD, TAKE_AWAY, BOX)
Number = int | float
"""What a slider or a click gives."""


class Actions:
    """Every action; all of them raise SamNerfError where something is wrong, and leave the desk as it was.

    Args:
        segmenter: the teachers, shared by all desks.
    """

    def __init__(self, segmenter: ImageSegmenter) -> None:
        self.segmenter = segmenter
        self._example_view = cache(self._make_example_view)

    @property
    def everything_settings(self) -> ImageSettings:
        """How everything is found at first."""
        return automatic_settings(self.segmenter.teachers)

    def open_example(self, desk: Desk | None, number: int) -> Desk:
        """One of the examples, with what is said of it."""
        example = EXAMPLES[number]
        opened = open_desk(f"{example.name}.png", self._example_view(number), example.said)
        return self._at(replace(opened, heat=example.heat), desk)

    def open_file(self, desk: Desk | None, path: str) -> Desk:
        """A picture of the person's own."""
        file = Path(path)
        try:
            view = self.segmenter.view(read_picture(file))
        except SamNerfError as error:
            raise SamNerfError(str(error).replace(str(file), file.name)) from error
        return self._at(open_desk(file.name, view), desk)

    def click(self, desk: Desk, tool: str, place: Sequence[Number]) -> Desk:
        """A click with one of TOOLS at (x, y), pixels of the picture as shown."""
        x, y = map(float, place)
        if tool != BOX:
            return desk.click(x, y, int(tool == ADD)).answered(self.segmenter)
        placed = desk.set_corner(x, y)
        return placed if placed.corner is not None else placed.answered(self.segmenter)

    def find(self, desk: Desk, text: str, threshold: Number, top_k: Number) -> Desk:
        """Words for what is meant."""
        return desk.ask(Phrase(text, float(threshold), int(top_k))).answered(self.segmenter)

    def adjust(self, desk: Desk, threshold: Number, top_k: Number) -> Desk:
        """Other numbers for the words."""
        adjusted = desk.adjust(float(threshold), int(top_k))
        return desk if adjusted is desk else adjusted.answered(self.segmenter)

    def find_everything(self, desk: Desk, points_per_side: Number, quality: Number, stability: Number) -> Desk:
        """All objects in the picture."""
        settings = replace(
            desk.settings,
            points_per_side=int(points_per_side),
            iou_thres=float(quality),
            stability_score_thresh=float(stability),
        )
        return replace(desk.ask_everything(), settings=settings).answered(self.segmenter)

    def undo(self, desk: Desk) -> Desk:
        """Without the last prompt."""
        return desk.undo().answered(self.segmenter)

    def clear(self, desk: Desk) -> Desk:
        """Without any."""
        return desk.clear().answered(self.segmenter)

    def offer_three(self, desk: Desk, three: bool) -> Desk:
        """Three candidates of each object, or one."""
        return replace(desk, settings=replace(desk.settings, multimask_output=three)).answered(self.segmenter)

    def choose(self, desk: Desk, candidate: int) -> Desk:
        """Another candidate of each object."""
        return replace(desk, candidate=candidate)

    def show_heat(self, desk: Desk, heat: bool) -> Desk:
        """Where the words fit, or the picture's colours."""
        return replace(desk, heat=heat)

    def _at(self, opened: Desk, before: Desk | None) -> Desk:
        """A new picture keeps the settings of the one before."""
        settings = self.everything_settings if before is None else before.settings
        return replace(opened, settings=settings).answered(self.segmenter)

    def _make_example_view(self, number: int) -> View:
        return self.segmenter.view(EXAMPLES[number].rendering.rgb)
