"""One object of a scene: its number, name and colour for people and files, and where it is."""

import unicodedata
from dataclasses import dataclass, field

import numpy as np

from samnerf.errors import SamNerfError
from samnerf.objects.probability_grid import ProbabilityGrid
from samnerf.prompts import PromptSet

MOST_ID = 65535
Colour = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class SceneObject:
    """An object of the world.

    Attributes:
        object_id: 1 to 65535, its own for ever.
        name: differs from those of all other objects.
        colour: sRGB, 0 to 255.
        grid: where it is.
        view_scores: IoU of the lock with what each view said, by name of the view; empty for made-up objects.
        said: what it was locked by, in the world.
        uncertain: why not to rely on it, in words; None if the views agreed.
        visible: whether it is shown.

    Raises:
        SamNerfError: if ID, name or colour are none.
    """

    object_id: int
    name: str
    colour: Colour
    grid: ProbabilityGrid
    view_scores: dict[str, float] = field(default_factory=dict)
    said: PromptSet = field(default_factory=PromptSet)
    uncertain: str | None = None
    visible: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.object_id <= MOST_ID:
            raise SamNerfError(f"object {self.name!r} has ID {self.object_id} but IDs are 1 to {MOST_ID}")
        if object_name(self.name) != self.name:
            raise SamNerfError(f"object name {self.name!r} must be {object_name(self.name)!r}")
        if len(self.colour) != 3 or not all(isinstance(part, int) and 0 <= part <= 255 for part in self.colour):
            raise SamNerfError(f"colour of {self.name!r} is {self.colour!r} but must be three whole numbers 0 to 255")

    @property
    def consistency(self) -> float:
        """Mean of the view scores, 0 to 1; 0 without views."""
        return float(np.mean(list(self.view_scores.values()))) if self.view_scores else 0.0


def object_name(name: str) -> str:
    """A name in the one form in which names are compared: composed (Unicode NFC), without blanks around it.

    Raises:
        SamNerfError: if nothing is left of it, or it has line breaks or other control characters.
    """
    name = unicodedata.normalize("NFC", name).strip()
    if not name:
        raise SamNerfError("an object needs a name")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise SamNerfError(f"object name {name!r} has line breaks or other control characters; leave them out")
    return name
