"""What one person has before them: what was said, how it is shown, and what is left out. Every change makes a new desk.

Prompts are of the world: a click in one view stays on its object in all others. In the view in which they were made,
clicks and boxes are taken as they are, to the pixel. Nothing here knows of a browser.
"""

from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from samnerf.errors import SamNerfError
from samnerf.prompts import Box, Phrase, Point, PromptSet, WorldPoint
from samnerf.viewer.scene_app.flight import Flight

Tool = Literal["Add", "Take away", "Box"]
TOOLS: tuple[Tool, ...] = get_args(Tool)
Mode = Literal["Masks", "Outlines", "Colour", "Relevancy", "Features", "Depth"]
MODES: tuple[Mode, ...] = get_args(Mode)
Granularity = Literal["Automatic", "Small", "Medium", "Large"]
GRANULARITIES: tuple[Granularity, ...] = get_args(Granularity)


@dataclass(frozen=True)
class Click:
    """A click: where it meets the world, and where it was made.

    Attributes:
        world: with its label.
        pixel: of the view.
        view: name of the view in which it was made.
    """

    world: WorldPoint
    pixel: Point
    view: str


@dataclass(frozen=True)
class DrawnBox:
    """A box, and world points well inside of what it encloses.

    Attributes:
        box: pixels of the view.
        view: name of the view in which it was drawn.
        inside: what stands for it in other views.
    """

    box: Box
    view: str
    inside: tuple[WorldPoint, ...]


@dataclass(frozen=True)
class Said:
    """What was said of one object."""

    clicks: tuple[Click, ...] = ()
    boxes: tuple[DrawnBox, ...] = ()
    phrase: Phrase | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing was said."""
        return not (self.clicks or self.boxes or self.phrase)

    @property
    def words_alone(self) -> bool:
        """Whether nothing but a phrase says what is meant."""
        return self.phrase is not None and not self.boxes and not any(one.world.label == 1 for one in self.clicks)

    @property
    def world_points(self) -> tuple[WorldPoint, ...]:
        """The clicks in the world."""
        return tuple(one.world for one in self.clicks)

    def prompts(self, view: str, name: str = "object") -> PromptSet:
        """As a session takes it in a view: what was made there in its pixels, the rest as world points."""
        elsewhere = tuple(one.world for one in self.clicks if one.view != view)
        for drawn in self.boxes:
            elsewhere += () if drawn.view == view else drawn.inside
        return PromptSet(
            name,
            points=tuple(one.pixel for one in self.clicks if one.view == view),
            world_points=elsewhere,
            boxes=tuple(one.box for one in self.boxes if one.view == view),
            phrase=self.phrase,
            view=view,
        )

    def everywhere(self, name: str = "object") -> PromptSet:
        """As a prompt file takes it, which knows none of our views."""
        inside = tuple(point for drawn in self.boxes for point in drawn.inside)
        return PromptSet(name, world_points=self.world_points + inside, phrase=self.phrase)


@dataclass(frozen=True)
class Settings:
    """Where the sliders stand.

    Attributes:
        opacity: of tints, 0 to 1.
        threshold: probability from which on a pixel belongs to the prompted object, 0 to 1.
        text_threshold: relevancy that a place must reach for a phrase, 0 to 1.
        top_k: how many places become points of a phrase.
        granularity: which of the decoder's three candidates is taken, by its size.
        by_depth: whether masks of prompts end where the surface does (`samnerf.visible_surface`).
        soft_edges: whether what is prompted is shown by its alpha, which a matting adapter makes, instead of its mask.

    Raises:
        SamNerfError: if one is out of its range.
    """

    opacity: float = 0.45
    threshold: float = 0.5
    text_threshold: float = 0.5
    top_k: int = 1
    granularity: Granularity = "Automatic"
    by_depth: bool = True
    soft_edges: bool = False

    def __post_init__(self) -> None:
        for name in ("opacity", "threshold", "text_threshold"):
            if not 0 <= getattr(self, name) <= 1:
                raise SamNerfError(f"{name} is {getattr(self, name):g} but must lie between 0 and 1")
        if self.top_k < 1:
            raise SamNerfError(f"top_k is {self.top_k} but must be a whole number from 1")


@dataclass(frozen=True)
class Desk:
    """A person's part of the viewer.

    Attributes:
        history: what was said, after each prompt; the last entry holds.
        tool: what a click does.
        mode: what is shown.
        settings: where the sliders stand.
        isolated: IDs of the objects that are shown alone; none of them shows all of the scene.
        removed: IDs of the objects that are taken out of the world.
        flight: the camera path.
    """

    history: tuple[Said, ...] = (Said(),)
    tool: Tool = "Add"
    mode: Mode = "Masks"
    settings: Settings = field(default=Settings())
    isolated: frozenset[int] = frozenset()
    removed: frozenset[int] = frozenset()
    flight: Flight = field(default=Flight())

    @property
    def said(self) -> Said:
        """What holds now."""
        return self.history[-1]

    def click(self, click: Click) -> "Desk":
        """One more click."""
        return self._say(replace(self.said, clicks=(*self.said.clicks, click)))

    def draw(self, box: DrawnBox) -> "Desk":
        """One more box."""
        return self._say(replace(self.said, boxes=(*self.said.boxes, box)))

    def ask(self, text: str) -> "Desk":
        """Words for what is meant, instead of earlier ones.

        Raises:
            SamNerfError: if they are blank.
        """
        if not text.strip():
            raise SamNerfError('say what you look for, for instance "red cube"')
        return self._say(replace(self.said, phrase=self._phrase(text.strip())))

    def adjust(self, settings: Settings) -> "Desk":
        """Other settings; words that were said are looked for with them."""
        changed = replace(self, settings=settings)
        if self.said.phrase is None:
            return changed
        said = replace(self.said, phrase=changed._phrase(self.said.phrase.text))
        return replace(changed, history=(*self.history[:-1], said))

    def take_back(self) -> "Desk":
        """Without the last prompt.

        Raises:
            SamNerfError: if nothing was said.
        """
        if len(self.history) == 1:
            raise SamNerfError("there is no prompt to take back")
        return replace(self, history=self.history[:-1])

    def clear(self) -> "Desk":
        """Without prompts."""
        return replace(self, history=(Said(),))

    def isolate(self, object_id: int) -> "Desk":
        """Show an object alone, with others that are isolated; or no longer."""
        return replace(self, isolated=self.isolated ^ {object_id}, removed=self.removed - {object_id})

    def remove(self, object_id: int) -> "Desk":
        """Take an object out of the world, or put it back."""
        return replace(self, removed=self.removed ^ {object_id}, isolated=self.isolated - {object_id})

    def _phrase(self, text: str) -> Phrase:
        return Phrase(text, self.settings.text_threshold, self.settings.top_k)

    def _say(self, said: Said) -> "Desk":
        return replace(self, history=(*self.history, said))
