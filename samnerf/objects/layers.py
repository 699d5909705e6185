"""The objects of a scene as layers: named, coloured, numbered, and changed only by making new layers of old ones.

IDs are never given twice, so that an ID in a file means one object for ever.
"""

import itertools
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from samnerf.errors import SamNerfError
from samnerf.objects.grid_algebra import difference, parts, union
from samnerf.objects.locking import Lock
from samnerf.objects.palette import object_colour
from samnerf.objects.probability_grid import ProbabilityGrid
from samnerf.objects.scene_object import MOST_ID, Colour, SceneObject, object_name
from samnerf.prompts import PromptSet, WorldPoint


@dataclass(frozen=True, eq=False)
class ObjectLayers:
    """All objects of a scene, in the order in which they are listed.

    Attributes:
        objects: the layers.
        next_id: of the next object; greater than all that were ever given.

    Raises:
        SamNerfError: if two objects share an ID or a name, or an ID is not below the next one.
    """

    objects: tuple[SceneObject, ...] = ()
    next_id: int = 1

    def __post_init__(self) -> None:
        names: dict[int, str] = {}
        for one in self.objects:
            if one.object_id in names:
                raise SamNerfError(f"objects {names[one.object_id]!r} and {one.name!r} share the ID {one.object_id}")
            if one.object_id >= self.next_id:
                raise SamNerfError(
                    f"object {one.name!r} has ID {one.object_id}, but the next to be given is {self.next_id}"
                )
            names[one.object_id] = one.name
        if doubled := [name for name, count in Counter(names.values()).items() if count > 1]:
            raise SamNerfError(f"two objects are called {doubled[0]!r}; names must differ")

    def find(self, name: str) -> SceneObject | None:
        """The object of a name, if there is one."""
        wanted = unicodedata.normalize("NFC", name).strip()
        return next((one for one in self.objects if one.name == wanted), None)

    def named(self, name: str) -> SceneObject:
        """The object of a name.

        Raises:
            SamNerfError: if there is none.
        """
        found = self.find(name)
        if found is None:
            some = [repr(one.name) for one in self.objects[:5]] + ["..."] * (len(self.objects) > 5)
            raise SamNerfError(f"no object is called {name!r}; there is {', '.join(some) or 'none'}")
        return found

    def add(self, found: Lock, name: str, colour: Colour | None = None) -> "ObjectLayers":
        """One more object, at the end.

        Raises:
            SamNerfError: if the name is blank or taken, that is no colour, or no ID is left.
        """
        return self._append(name, found.grid, colour, found.view_scores, found.said, found.uncertain)

    def rename(self, name: str, new: str) -> "ObjectLayers":
        """Another name for an object.

        Raises:
            SamNerfError: if there is no such object, or the new name is blank or taken.
        """
        one = self.named(name)
        return self._with(one, replace(one, name=self._free_name(new, besides=one)))

    def recolour(self, name: str, colour: Colour) -> "ObjectLayers":
        """Another colour, sRGB, 0 to 255.

        Raises:
            SamNerfError: if there is no such object, or that is no colour.
        """
        one = self.named(name)
        return self._with(one, replace(one, colour=colour))

    def show(self, name: str, visible: bool) -> "ObjectLayers":
        """Show or hide an object.

        Raises:
            SamNerfError: if there is no such object.
        """
        one = self.named(name)
        return self._with(one, replace(one, visible=visible))

    def relock(self, name: str, found: Lock) -> "ObjectLayers":
        """Another lock for an object, which keeps its name, colour and ID.

        Raises:
            SamNerfError: if there is no such object.
        """
        one = self.named(name)
        changed = replace(
            one, grid=found.grid, view_scores=found.view_scores, said=found.said, uncertain=found.uncertain
        )
        return self._with(one, changed)

    def put(self, name: str, found: Lock) -> "ObjectLayers":
        """The object of this name locked anew, or one more.

        Raises:
            SamNerfError: if the name is blank, or no ID is left.
        """
        return self.add(found, name) if self.find(name) is None else self.relock(name, found)

    def delete(self, name: str) -> "ObjectLayers":
        """Without an object; its ID is not given again.

        Raises:
            SamNerfError: if there is no such object.
        """
        gone = self.named(name)
        return replace(self, objects=tuple(one for one in self.objects if one is not gone))

    def merge(self, names: Sequence[str], new: str | None = None) -> "ObjectLayers":
        """Several objects as one, which takes the place, colour and ID of the first.

        Raises:
            SamNerfError: if fewer than two are given, one does not exist, or the new name is taken by another.
        """
        # By identity, because an object may be named twice.
        merged = list({id(one): one for one in map(self.named, names)}.values())
        if len(merged) < 2:
            raise SamNerfError(f"merge needs two objects or more, not {', '.join(map(repr, names)) or 'none'}")
        first = merged[0]
        rest = replace(self, objects=tuple(one for one in self.objects if one not in merged[1:]))
        grid = union([one.grid for one in merged])
        # What one of them was told not to be may be another of them.
        points = [p for one in merged for p in one.said.world_points if p.label == 1 or not _inside(grid, p)]
        whole = replace(
            first,
            name=rest._free_name(new, besides=first) if new is not None else first.name,
            grid=grid,
            view_scores={},
            said=replace(first.said, world_points=tuple(points)),
            uncertain=next((one.uncertain for one in merged if one.uncertain), None),
        )
        return rest._with(first, whole)

    def subtract(self, name: str, others: Sequence[str]) -> "ObjectLayers":
        """An object without what belongs to others.

        Raises:
            SamNerfError: if one does not exist, or nothing would be left.
        """
        one = self.named(name)
        left = difference(one.grid, [self.named(other).grid for other in others])
        if not bool((left.values > 0.5).any()):
            raise SamNerfError(f"nothing is left of {name!r} without {', '.join(map(repr, others)) or 'anything'}")
        return self._with(one, replace(one, grid=left))

    def split(self, name: str) -> "ObjectLayers":
        """An object's parts that do not touch, each for itself: the largest keeps name, colour and ID.

        What was said goes with the part that it was said of; see `samnerf.objects.grid_algebra.parts`.

        Raises:
            SamNerfError: if there is no such object, or it is in one piece.
        """
        one = self.named(name)
        found = parts(one.grid)
        if len(found) < 2:
            raise SamNerfError(f"object {name!r} is in one piece; lock one of its parts and subtract it instead")
        layers = self._with(one, replace(one, grid=found[0], view_scores={}, said=_said_of(one.said, found[0])))
        for part in found[1:]:
            layers = layers._append(
                layers.numbered(one.name, 2), part, None, {}, _said_of(one.said, part), one.uncertain
            )
        return layers

    def numbered(self, name: str, first: int = 1) -> str:
        """The name with the smallest number behind it, from `first`, that no object has yet: "cube 2"."""
        taken = {one.name for one in self.objects}
        return next(free for n in itertools.count(first) if (free := f"{object_name(name)} {n}") not in taken)

    def _append(
        self,
        name: str,
        grid: ProbabilityGrid,
        colour: Colour | None,
        view_scores: dict[str, float],
        said: PromptSet,
        uncertain: str | None,
    ) -> "ObjectLayers":
        if self.next_id > MOST_ID:
            raise SamNerfError(f"there is no ID left for {name!r}; a scene may have {MOST_ID} objects in its life")
        if colour is None:
            colour = object_colour(self.next_id)
        new = SceneObject(self.next_id, self._free_name(name), colour, grid, view_scores, said, uncertain)
        return ObjectLayers((*self.objects, new), self.next_id + 1)

    def _free_name(self, name: str, besides: SceneObject | None = None) -> str:
        name = object_name(name)
        if any(one.name == name for one in self.objects if one is not besides):
            raise SamNerfError(f"another object is called {name!r}; names must differ")
        return name

    def _with(self, old: SceneObject, new: SceneObject) -> "ObjectLayers":
        return replace(self, objects=tuple(new if one is old else one for one in self.objects))


def exclusive(probabilities: Float[Tensor, "objects ..."]) -> Float[Tensor, "objects ..."]:
    """Probabilities of several objects at the same places, scaled down where they sum to more than 1."""
    return probabilities / probabilities.sum(dim=0, keepdim=True).clamp_min(1)


def _inside(grid: ProbabilityGrid, point: WorldPoint) -> bool:
    return float(grid.at(torch.tensor([point.x, point.y, point.z]))) > 0.5


def _said_of(said: PromptSet, part: ProbabilityGrid) -> PromptSet:
    """What was said, but for positive points that lie beside a part."""
    points = [p for p in said.world_points if p.label == 0 or bool(part.holds(torch.tensor([p.x, p.y, p.z])))]
    return replace(said, world_points=tuple(points))
