"""Every object of a scene, without a prompt: automatic masks of a few views, each locked unless it is known already.

What no view shows whole, such as floor and walls, is backdrop and no object. Of locks that claim the same place the one
stays that the views confirm best; a lock that is nothing but two others together goes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool

from samnerf.images.automatic_masks import automatic_masks
from samnerf.images.settings import ImageSettings
from samnerf.objects.locking import Lock, lock_vote, refined_lock, world_prompts
from samnerf.objects.support import Support, grid_mask
from samnerf.objects.votes import Progress, Vote, overlap
from samnerf.prompts import PromptSet
from samnerf.session import Session

SEARCHED = 8
"""Views that are searched for automatic masks."""
LARGEST = 0.3
"""Share of a view from which on a mask is backdrop."""
LEAST_CONSISTENCY = 0.7
LEAST_VIEWS = 3
KNOWN = 0.5
"""Share of a mask that known objects may cover before it is nothing new."""
CUT_OFF = 0.5
"""Share of the views showing it that may cut an object off at their border."""
ALIKE = 0.5
"""Overlap in the views, as a share of the smaller, from which on two locks are of one object."""


@dataclass(frozen=True, eq=False)
class _Known:
    """A lock, and where it shows in every support view."""

    lock: Lock
    shown: dict[str, Bool[np.ndarray, "rows columns"]]

    @staticmethod
    def of(lock: Lock, support: Support) -> "_Known":
        return _Known(lock, {one.name: grid_mask(one.alpha(lock.grid)) for one in support.views})


def lock_everything(
    session: Session,
    support: Support,
    settings: ImageSettings,
    progress: Progress = lambda *_: None,
) -> list[Lock]:
    """Locks of all objects that automatic masks find, the most consistent first; there may be none.

    Args:
        session: the decoders.
        support: the scene's views.
        settings: of the automatic masks.
        progress: see `Progress`.

    Raises:
        SamNerfError: if the decoder answers one object at a time only.
    """
    searched = support.spread(SEARCHED)
    known: list[_Known] = []
    for number, one in enumerate(searched, start=1):
        progress("searching views", number, len(searched))
        for found in automatic_masks(one.view, session.mask_decoder, settings):
            vote = Vote(one, one.on_grid(torch.from_numpy(found.mask)))
            if _is_backdrop(vote) or _is_known(vote, known):
                continue
            for lock in _locks(session, support, vote):
                entry = _Known.of(lock, support)
                if _is_object(entry):
                    known = _without_doubles([*known, entry])
    known = _without_sums(known)
    return [entry.lock for entry in sorted(known, key=lambda entry: -entry.lock.consistency)]


def _locks(session: Session, support: Support, vote: Vote) -> list[Lock]:
    """Of what a view shows, and of a lookalike that turns out to stand beside it."""
    lock = lock_vote(session, support, vote, world_prompts(vote.by, PromptSet("object"), vote.mask))
    if lock.neighbour is None:
        return [lock]
    return [lock, refined_lock(session, lock.asked, [lock.neighbour], PromptSet("object"))]


def _is_backdrop(vote: Vote) -> bool:
    mask = vote.mask
    return not mask.any() or bool(mask.mean() > LARGEST) or _cut_off(mask) or not len(vote.surface)


def _cut_off(mask: Bool[np.ndarray, "rows columns"]) -> bool:
    return bool(mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())


def _is_known(vote: Vote, known: Sequence[_Known]) -> bool:
    if not known:
        return False
    covered = np.any([entry.shown[vote.by.name] for entry in known], axis=0)
    return bool((vote.mask & covered).sum() > KNOWN * vote.mask.sum())


def _is_object(entry: _Known) -> bool:
    showing = [mask for mask in entry.shown.values() if mask.any()]
    if len(showing) < LEAST_VIEWS or len(entry.lock.view_scores) < LEAST_VIEWS:
        return False
    cut_off = sum(_cut_off(mask) for mask in showing) / len(showing)
    return entry.lock.consistency >= LEAST_CONSISTENCY and cut_off <= CUT_OFF


def _without_doubles(known: Sequence[_Known]) -> list[_Known]:
    """The more consistent one of locks that claim the same place."""
    kept: list[_Known] = []
    for entry in sorted(known, key=lambda entry: -entry.lock.consistency):
        if all(_common(entry, other) < ALIKE for other in kept):
            kept.append(entry)
    return kept


def _common(one: _Known, other: _Known) -> float:
    """IoU over all views."""
    return overlap(_all_views(one), _all_views(other))


def _without_sums(known: Sequence[_Known]) -> list[_Known]:
    """Without locks that others make up between them."""
    kept = list(known)
    for entry in sorted(known, key=lambda entry: -int(_all_views(entry).sum())):
        parts = [
            _all_views(other)
            for other in kept
            if other is not entry and (_all_views(other) & _all_views(entry)).sum() > 0.8 * _all_views(other).sum()
        ]
        if len(parts) > 1 and overlap(np.any(parts, axis=0), _all_views(entry)) > ALIKE:
            kept.remove(entry)
    return kept


def _all_views(entry: _Known) -> Bool[np.ndarray, " rays"]:
    return np.concatenate([mask.ravel() for mask in entry.shown.values()])
