"""What held-out views of a scene should reach, and in which words; the demo's table and every report say the same."""

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """One measure.

    Attributes:
        key: its name among the scores.
        words: what it is, for people.
        style: format of its value, such as "{:.3f}".
        goal: what should be reached; None where nothing is asked for.
        more: whether more is better.
    """

    key: str
    words: str
    style: str = "{:.3f}"
    goal: float | None = None
    more: bool = True

    def said(self, value: float) -> str:
        """A value as it is printed; a dash for one that was not measured."""
        return self.style.format(value) if math.isfinite(value) else "-"

    @property
    def wanted(self) -> str:
        """The goal as it is printed; nothing where there is none."""
        return "" if self.goal is None else ("≥ " if self.more else "≤ ") + self.style.format(self.goal)

    def reached(self, scores: Mapping[str, float]) -> bool | None:
        """Whether the scores reach it; None where nothing is asked for. What was not measured is not reached."""
        if self.goal is None:
            return None
        value = scores[self.key]
        return value >= self.goal if self.more else value <= self.goal


HELD_OUT = (
    Goal("single_click_miou", "one click, mean IoU", goal=0.85),
    Goal("box_miou", "one box, mean IoU", goal=0.90),
    Goal("teacher_single_click_miou", "teacher on the true image, one click"),
    Goal("teacher_parity", "rendered view / teacher, one click", goal=1.0),
    Goal("uncut_parity", "the same without the cut by depth"),
    Goal("text_localization", "words: peak on the object", goal=0.90),
    Goal("text_miou", "words: mean IoU", goal=0.70),
    Goal("psnr", "PSNR of held-out views, dB", "{:.1f}", 29.0),
)
"""What the demo and `samnerf eval scene` both hold against a goal."""
