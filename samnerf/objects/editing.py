"""What is to be shown otherwise than it is: objects alone, gone, tinted, outlined.

`Edits` is the plain description, by names or IDs; `Edits.of` finds the objects. Tints, outlines and cutouts are laid
over a rendered picture (`compositing.py`). Removal is not: the object is taken out of the world before it is rendered,
so that what is behind it shows up (`edited_rendering.py`).

What stood behind an object in some views was seen in others and is there. What lies under it or in it was in no
photograph: on the floor where it stood there is a hole, or whatever the field made up there, and its shadow stays.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor

from samnerf.errors import SamNerfError
from samnerf.objects.layers import ObjectLayers
from samnerf.objects.probability_grid import ProbabilityGrid
from samnerf.objects.scene_object import Colour, SceneObject

Reference = str | int
"""Name or ID of an object."""
NOT_OF_IT = 0.2
"""Probability up to which a place is left to the world when an object is taken out."""
ALL_OF_IT = 0.45
"""Probability from which on all that is there belongs to the object."""


@dataclass(frozen=True)
class Tint:
    """A colour for an object, sRGB, 0 to 255, and how much of it, 0 to 1; the object's own colour if there is none.

    Raises:
        SamNerfError: if that is no colour or no strength.
    """

    colour: Colour | None = None
    strength: float = 0.45

    def __post_init__(self) -> None:
        _check_colour(self.colour, "tint")
        if not 0 <= self.strength <= 1:
            raise SamNerfError(f"strength of a tint is {self.strength!r} but must lie between 0 and 1")


@dataclass(frozen=True)
class Edits:
    """What to do with which objects.

    Attributes:
        isolate: shown alone; none of them means that all of the scene is shown.
        whole: show of isolated objects also what others hide of them, by taking all others out of the world.
        background: behind isolated objects, sRGB, 0 to 255; transparent if there is none.
        remove: taken out of the world.
        tint: laid over objects.
        outline: with a line along their rim, in their own colour.
        outline_width: pixels.

    Raises:
        SamNerfError: if that contradicts itself, or something is out of its range.
    """

    isolate: tuple[Reference, ...] = ()
    whole: bool = False
    background: Colour | None = None
    remove: tuple[Reference, ...] = ()
    tint: Mapping[Reference, Tint] = field(default_factory=dict)
    outline: tuple[Reference, ...] = ()
    outline_width: float = 2.0

    def __post_init__(self) -> None:
        _check_colour(self.background, "background")
        if (self.background is not None or self.whole) and not self.isolate:
            raise SamNerfError("a background, or showing objects whole, is for isolated objects; say which to isolate")
        if not (math.isfinite(self.outline_width) and self.outline_width > 0):
            raise SamNerfError(f"width of outlines is {self.outline_width!r} but must be a number of pixels above 0")

    def of(self, layers: ObjectLayers) -> "ChosenEdits":
        """The same with the objects themselves.

        Raises:
            SamNerfError: if one does not exist, or is to be shown and removed.
        """
        chosen = ChosenEdits(
            objects_of(layers, self.isolate),
            objects_of(layers, self.remove),
            tuple(
                (one, tint) for one, tint in zip(objects_of(layers, tuple(self.tint)), self.tint.values(), strict=True)
            ),
            objects_of(layers, self.outline),
        )
        shown = (*chosen.isolated, *(one for one, _ in chosen.tinted), *chosen.outlined)
        for one in chosen.removed:
            if any(one is other for other in shown):
                raise SamNerfError(f"object {one.name!r} is to be removed and to be shown; leave out one of both")
        return chosen


@dataclass(frozen=True, eq=False)
class ChosenEdits:
    """The objects that edits speak of."""

    isolated: tuple[SceneObject, ...]
    removed: tuple[SceneObject, ...]
    tinted: tuple[tuple[SceneObject, Tint], ...]
    outlined: tuple[SceneObject, ...]


def objects_of(layers: ObjectLayers, references: Sequence[Reference]) -> tuple[SceneObject, ...]:
    """Objects by their names or IDs.

    Raises:
        SamNerfError: if there is none of that name or ID.
    """
    by_id = {one.object_id: one for one in layers.objects}
    found = []
    for reference in references:
        if isinstance(reference, str):
            found.append(layers.named(reference))
        elif reference in by_id:
            found.append(by_id[reference])
        else:
            some = [f"{one.object_id} ({one.name!r})" for one in layers.objects[:5]] + ["..."] * (len(by_id) > 5)
            raise SamNerfError(f"no object has the ID {reference!r}; there is {', '.join(some) or 'none'}")
    return tuple(found)


def share_of(
    objects: Sequence[SceneObject], layers: ObjectLayers
) -> Callable[[Float[Tensor, "*points 3"]], Float[Tensor, "*points"]]:
    """How much of what is at world positions belongs to objects, as against all else: 0 or 1, but for a thin border.

    A share of density hardly changes how opaque a surface is, because density is as good as unbounded there; so the
    step from none to all is steep. What others of the layers claim more is theirs.
    """
    others = [one for one in layers.objects if all(one is not own for own in objects)]
    rivals = [other for other in others if any(_touch(own, other) for own in objects)]

    def share(positions: Float[Tensor, "*points 3"]) -> Float[Tensor, "*points"]:
        # What grids make on their way lies where the positions do.
        with positions.device:
            own = _claim(objects, positions)
            own = torch.where(own >= _claim(rivals, positions), own, 0)
        return ((own - NOT_OF_IT) / (ALL_OF_IT - NOT_OF_IT)).clamp(0, 1)

    return share


def _claim(objects: Sequence[SceneObject], positions: Float[Tensor, "*points 3"]) -> Float[Tensor, "*points"]:
    claim = torch.zeros(positions.shape[:-1])
    for one in objects:
        claim = torch.maximum(claim, _moved(one.grid, positions.device).at(positions))
    return claim


def _moved(grid: ProbabilityGrid, device: torch.device) -> ProbabilityGrid:
    return replace(grid, values=grid.values.to(device), lower=grid.lower.to(device))


def _touch(one: SceneObject, other: SceneObject) -> bool:
    a, b = one.grid, other.grid
    return bool(((a.lower <= b.upper) & (b.lower <= a.upper)).all())


def _check_colour(colour: Colour | None, what: str) -> None:
    if colour is not None and (
        len(colour) != 3 or not all(isinstance(part, int) and 0 <= part <= 255 for part in colour)
    ):
        raise SamNerfError(f"colour of the {what} is {colour!r} but must be three whole numbers 0 to 255")
