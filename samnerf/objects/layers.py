"""The objects of a scene as layers: named, coloured, numbered, and changed only by making new layers of old ones.

IDs are never given twice, so that an ID in a file means one object for ever.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float
from scipy import ndimage
from torch import Tensor

from samnerf.errors import SamNerfError
from samnerf.objects.locking import Lock
from samnerf.objects.palette import object_colour
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
    """

    object_id: int
    name: str
    colour: Colour
    grid: ProbabilityGrid
    view_scores: dict[str, float] = field(default_factory=dict)
    said: PromptSet = field(default_factory=PromptSet)
    uncertain: str | None = None
    visible: bool = True

    @property
    def consistency(self) -> float:
        """Mean of the view scores, 0 to 1; 0 without views."""
        return float(np.mean(list(self.view_scores.values()))) if self.view_scores else 0.0


@dataclass(frozen=True, eq=False)
class ObjectLayers:
    """All objects of a scene, in the order in which they are listed.

    Attributes:
        objects: the layers.
        next_id: of the next object; greater than all that were ever given.
    """

    objects: tuple[SceneObject, ...] = ()
    next_id: int = 1

    def named(self, name: str) -> SceneObject:
        """The object of a name.

        Raises:
            SamNerfError: if there is none.
        """
        for one in self.objects:
            if one.name == name:
                return one
        known = ", ".join(repr(one.name) for one in self.objects) or "none"
        raise SamNerfError(f"no object is called {name!r}; there is {known}")

    def add(self, found: Lock, name: str, colour: Colour | None = None) -> "ObjectLayers":
        """One more object, at the end.

        Raises:
            SamNerfError: if the name is blank or taken, or no ID is left.
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
        if len(colour) != 3 or not all(0 <= part <= 255 for part in colour):
            raise SamNerfError(f"colour of {name!r} is {colour!r} but must be three numbers 0 to 255")
        one = self.named(name)
        return self._with(one, replace(one, colour=tuple(int(part) for part in colour)))  # type: ignore[arg-type]

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
        merged = [self.named(name) for name in dict.fromkeys(names)]
        if len(merged) < 2:
            raise SamNerfError(f"merge needs two objects or more, not {', '.join(map(repr, names)) or 'none'}")
        first = merged[0]
        rest = replace(self, objects=tuple(one for one in self.objects if one not in merged[1:]))
        grids = [one.grid for one in merged]
        extent = torch.stack([g.lower for g in grids]).amin(dim=0), torch.stack([g.upper for g in grids]).amax(dim=0)
        united = _resampled(extent, min(g.spacing for g in grids), lambda places: _greatest(grids, places))
        points = tuple(point for one in merged for point in one.said.world_points)
        whole = replace(
            first,
            name=rest._free_name(new, besides=first) if new else first.name,
            grid=united,
            view_scores={},
            said=replace(first.said, world_points=points),
            uncertain=next((one.uncertain for one in merged if one.uncertain), None),
        )
        return rest._with(first, whole)

    def subtract(self, name: str, others: Sequence[str]) -> "ObjectLayers":
        """An object without what belongs to others.

        Raises:
            SamNerfError: if one does not exist, or nothing would be left.
        """
        one = self.named(name)
        taken = [self.named(other).grid for other in others if other != name]
        values = one.grid.values * (1 - _greatest(taken, one.grid.centres)) if taken else one.grid.values
        if not bool((values > 0.5).any()):
            raise SamNerfError(f"nothing is left of {name!r} without {', '.join(map(repr, others))}")
        return self._with(one, replace(one, grid=replace(one.grid, values=values)))

    def split(self, name: str) -> "ObjectLayers":
        """An object's parts that do not touch, each for itself: the largest keeps name, colour and ID.

        Parts of less than a hundredth of the whole stay with the largest.

        Raises:
            SamNerfError: if there is no such object, or it is in one piece.
        """
        one = self.named(name)
        labels, count = ndimage.label((one.grid.values > 0.5).numpy(), np.ones((3, 3, 3)))  # type: ignore[misc]
        sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
        parts = [label for label in np.argsort(-sizes, kind="stable") + 1 if sizes[label - 1] >= 0.01 * sizes.sum()]
        if len(parts) < 2:
            raise SamNerfError(f"object {name!r} is in one piece; lock one of its parts and subtract it instead")
        # Soft edges go with the nearest part.
        nearest = ndimage.distance_transform_edt(  # type: ignore[misc]
            ~np.isin(labels, parts), return_distances=False, return_indices=True
        )
        owner = torch.from_numpy(labels[tuple(nearest)])

        def part(label: int) -> ProbabilityGrid:
            return replace(one.grid, values=torch.where(owner == label, one.grid.values, torch.zeros(())))

        layers = self._with(one, replace(one, grid=part(int(parts[0])), view_scores={}))
        for number, label in enumerate(parts[1:], start=2):
            free = next(
                candidate
                for candidate in (f"{name} {n}" for n in range(number, MOST_ID))
                if candidate not in {other.name for other in layers.objects}
            )
            layers = layers._append(free, part(int(label)), None, {}, one.said, one.uncertain)
        return layers

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
        new = SceneObject(
            self.next_id, self._free_name(name), colour or object_colour(self.next_id), grid, view_scores, said, uncertain
        )
        return ObjectLayers((*self.objects, new), self.next_id + 1)

    def _free_name(self, name: str, besides: SceneObject | None = None) -> str:
        name = name.strip()
        if not name:
            raise SamNerfError("an object needs a name")
        if any(one.name == name for one in self.objects if one is not besides):
            raise SamNerfError(f"another object is called {name!r}; names must differ")
        return name

    def _with(self, old: SceneObject, new: SceneObject) -> "ObjectLayers":
        return replace(self, objects=tuple(new if one is old else one for one in self.objects))


def exclusive(probabilities: Float[Tensor, "objects *points"]) -> Float[Tensor, "objects *points"]:
    """Probabilities of several objects at the same places, scaled down where they sum to more than 1."""
    return probabilities / probabilities.sum(dim=0, keepdim=True).clamp_min(1)


def _greatest(grids: Iterable[ProbabilityGrid], places: Float[Tensor, "*points 3"]) -> Float[Tensor, "*points"]:
    return torch.stack([grid.at(places) for grid in grids]).amax(dim=0)


def _resampled(extent, spacing, probability) -> ProbabilityGrid:
    """A grid over an extent; coarser than asked for where it would have too many voxels."""
    lower, upper = extent
    spacing = max(spacing, float((upper - lower).max()) / 255)
    shape = [int(count) for count in ((upper - lower) / spacing).ceil().long() + 1]
    empty = ProbabilityGrid(torch.zeros(shape), lower, spacing)
    return replace(empty, values=probability(empty.centres))
