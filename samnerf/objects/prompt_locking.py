"""Locking what a prompt file says: from which view, and how many objects the words name.

Clicks, boxes and scribbles are locked from the view in which they were made. Words alone are looked for in views from
all around; they are locked from where they fit best, and each thing that is found there becomes an object of its own.
"""

import itertools
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import torch

from samnerf.errors import SamNerfError
from samnerf.objects.grid_algebra import overlap
from samnerf.objects.locking import Lock, lock
from samnerf.objects.support import Support
from samnerf.objects.votes import Progress, seen_points
from samnerf.prompts import PromptSet
from samnerf.session import Session
from samnerf.view import View

Instances = Literal["all", "best"]
BEST_PART = 0.01
"""Share of a view, where a phrase fits best, that says how well it fits the view."""
SAME_OBJECT = 0.5
"""IoU in the world from which on two locks are of one object."""


@dataclass(frozen=True, eq=False)
class LockedPrompts:
    """The objects of one prompt set, best first, and what went wrong with others of its instances."""

    locks: tuple[Lock, ...]
    failures: tuple[str, ...] = ()


def lock_prompts(
    session: Session,
    support: Support,
    prompts: PromptSet,
    view_named: Callable[[str], View],
    instances: Instances = "all",
    progress: Progress = lambda *_: None,
) -> LockedPrompts:
    """The objects that a prompt set speaks of: one, or with words alone as many as are found.

    A phrase finds as many things as its top-k allows, as it does in `Session.answer`.

    Args:
        session: the decoders.
        support: the scene's views.
        prompts: what was said.
        view_named: gives the view that a prompt set names.
        instances: what words alone lock.
        progress: see `Progress`.

    Raises:
        SamNerfError: if nothing can be locked, or it is not said in which view clicks and boxes were made.
    """
    view = locking_view(session, support, prompts, view_named, progress)
    if not _words_alone(prompts):
        return LockedPrompts((lock(session, support, view, prompts, progress),))
    answer = session.answer(view, prompts)
    if not answer.decoded:
        raise SamNerfError(
            f"object {prompts.name!r} cannot be locked: {answer.reason} in view {view.name!r}, where it fits best"
        )
    locks: list[Lock] = []
    failures: list[SamNerfError] = []
    for one in answer.decoded if instances == "all" else answer.decoded[:1]:
        try:
            found = lock(session, support, view, replace(one, view=view.name), progress)
        except SamNerfError as error:
            failures.append(error)
            continue
        if all(overlap(found.grid, other.grid) < SAME_OBJECT for other in locks):
            locks.append(found)
    if not locks:
        raise failures[0]
    return LockedPrompts(tuple(locks), tuple(str(error) for error in failures))


def locking_view(
    session: Session,
    support: Support,
    prompts: PromptSet,
    view_named: Callable[[str], View],
    progress: Progress = lambda *_: None,
) -> View:
    """The view from which a prompt set is locked: which it names, or which sees most of its world points, or fits best.

    Args:
        session: the decoders.
        support: the scene's views.
        prompts: what was said.
        view_named: gives the view that a prompt set names.
        progress: see `Progress`.

    Raises:
        SamNerfError: if clicks or boxes name no view, no view sees a world point, or the named view does not exist.
    """
    if prompts.view is not None:
        return view_named(prompts.view)
    if prompts.points or prompts.boxes or prompts.scribbles:
        raise SamNerfError(
            f"object {prompts.name!r} cannot be locked: it does not say in which view its clicks and boxes were made; "
            'add "view": NAME'
        )
    if any(point.label == 1 for point in prompts.world_points):
        return _seeing_most(support, prompts)
    if prompts.phrase is None:
        raise SamNerfError(f"object {prompts.name!r} cannot be locked: it has no positive prompt")
    return _fitting_best(session, support, prompts.phrase.text, progress)


def _seeing_most(support: Support, prompts: PromptSet) -> View:
    positive = replace(prompts, world_points=tuple(point for point in prompts.world_points if point.label == 1))
    places = torch.tensor([[point.x, point.y, point.z] for point in positive.world_points])
    best, most = None, 0
    for one in support.views:
        assert one.view.camera is not None
        # What does not lie in the picture need not be rendered to know that it is not seen.
        if int(one.view.camera.project(places)[2].sum()) > most:
            seen = len(seen_points(one, positive))
            if seen > most:
                best, most = one.view, seen
    if best is None:
        raise SamNerfError(
            f"object {prompts.name!r} cannot be locked: none of its positive points is visible in any of "
            f"{len(support.views)} views; are they in the world of this scene?"
        )
    return best


def _fitting_best(session: Session, support: Support, phrase: str, progress: Progress) -> View:
    views = support.spread()
    fits = []
    for done, one in enumerate(views, start=1):
        relevancy = session.relevancy(one.view, phrase).flatten()
        fits.append(float(relevancy.topk(max(1, round(BEST_PART * len(relevancy)))).values.mean()))
        progress("looking for the words", done, len(views))
    return views[fits.index(max(fits))].view


def _words_alone(prompts: PromptSet) -> bool:
    said = (*prompts.points, *prompts.world_points, *prompts.scribbles)
    return prompts.phrase is not None and not prompts.boxes and not any(one.label == 1 for one in said)


def instance_names(name: str, taken: Collection[str]) -> Iterator[str]:
    """Names for the objects of one prompt set: its own, then with numbers from 2, but for names that others have.

    Args:
        name: of the prompt set.
        taken: names of all prompt sets.
    """
    yield name
    yield from (free for n in itertools.count(2) if (free := f"{name} {n}") not in taken)
