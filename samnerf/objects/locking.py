"""Locking: from what was said in one view to a grid of probabilities in the world.

The mask of the prompted view gives world points; every support view that sees them is prompted there, and the rays of
all views vote on where the object is. A click may mean more in one view than in another, so the votes are read at
several levels: each gives a hypothesis, whose own masks become boxes and clicks. The hypothesis holds of which the
views then say again what it says itself; what all views answer to that one are the final votes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool
from scipy import ndimage

from samnerf.errors import SamNerfError
from samnerf.objects.lifting import interior_points
from samnerf.objects.probability_grid import ProbabilityGrid
from samnerf.objects.separation import separated
from samnerf.objects.support import Support, SupportView, grid_mask
from samnerf.objects.votes import LEAST_RAYS, Progress, Verdict, Vote, agreed, first_votes, judged, overlap
from samnerf.prompts import PromptSet, WorldPoint
from samnerf.session import Session
from samnerf.view import View

LEVELS = (0.5, 0.7, 0.85)
"""Shares of the votes at which hypotheses are read off."""
ASKED = 12
"""Views, about, that choose among hypotheses; all are asked for the one that is chosen."""
SAME = 0.9
"""IoU from which on two hypotheses are one."""
CERTAIN = 0.75
"""Consistency from which on a lock is no guess."""
AGREES = 0.5
"""IoU with the lock below which a view sees something else."""


@dataclass(frozen=True, eq=False)
class Lock:
    """An object found in the world.

    Attributes:
        grid: where it is.
        view_scores: IoU between what each view answers and what the grid shows there, by name of the view.
        said: the prompts in the world, for the record.
        neighbour: a lookalike that touches it and was told apart from it; None if there is none.
        asked: the views that were asked.
    """

    grid: ProbabilityGrid
    view_scores: dict[str, float]
    said: PromptSet
    neighbour: ProbabilityGrid | None = None
    asked: tuple[SupportView, ...] = ()

    @property
    def consistency(self) -> float:
        """Mean of the view scores, 0 to 1."""
        return float(np.mean(list(self.view_scores.values()))) if self.view_scores else 0.0

    @property
    def uncertain(self) -> str | None:
        """Why not to rely on it, in words; None if the views agree."""
        if len(self.view_scores) < 2:
            return "fewer than two views show it"
        if self.consistency >= CERTAIN:
            return None
        apart = sum(score < AGREES for score in self.view_scores.values())
        return (
            f"the views agree to {self.consistency:.0%} only, and {apart} of {len(self.view_scores)} see something "
            "else; add a click on it, or one with label 0 on what does not belong to it"
        )


def lock(
    session: Session, support: Support, view: View, prompts: PromptSet, progress: Progress = lambda *_: None
) -> Lock:
    """Find in the world what was said in a view.

    Args:
        session: the decoders.
        support: the scene's views.
        view: in which the prompts were made; it needs a camera.
        prompts: clicks, boxes, scribbles, a phrase, world points.
        progress: see `Progress`.

    Raises:
        SamNerfError: if nothing is found in the view, or what was found is nowhere in the world.
    """
    here = support.of(view)
    answer = session.answer(view, prompts)
    first = Vote(here, here.on_grid(answer.prediction.mask().cpu()))
    if not first.mask.any():
        raise SamNerfError(f"object {prompts.name!r} cannot be locked: {answer.reason or 'its mask is empty'}")
    return lock_vote(session, support, first, world_prompts(here, prompts, first.mask), progress)


def lock_vote(
    session: Session, support: Support, first: Vote, said: PromptSet, progress: Progress = lambda *_: None
) -> Lock:
    """Find in the world what one view shows.

    Args:
        session: the decoders.
        support: the scene's views.
        first: what the view shows; its mask is not empty.
        said: world points on the object, as from `world_prompts`.
        progress: see `Progress`.

    Raises:
        SamNerfError: if it is nowhere in the world.
    """
    points = first.surface
    if not len(points):
        raise SamNerfError(
            f"object {said.name!r} cannot be locked: where it was prompted in view {first.by.name!r} there is no "
            "surface within reach, as in a sky; click on something solid"
        )
    views = support.chosen(first.by.view, points)
    verdict = agreed([first, *first_votes(session, views, said, progress)])
    return refined_lock(session, [first.by, *views], _hypotheses(verdict.grid, said), said, progress)


def refined_lock(
    session: Session,
    views: Sequence[SupportView],
    hypotheses: Sequence[ProbabilityGrid],
    said: PromptSet,
    progress: Progress = lambda *_: None,
) -> Lock:
    """The hypothesis that the views confirm best, from what they say when they are asked for it.

    Args:
        session: the decoders.
        views: to be asked.
        hypotheses: where the object might be, at least one.
        said: world points; may have none.
        progress: see `Progress`.
    """
    some = views[:: max(1, len(views) // ASKED)]
    verdicts = [judged(session, some, hypothesis, said, progress) for hypothesis in hypotheses]
    verdict = max(verdicts, key=lambda one: one.confirmed)
    verdict = judged(session, views, verdict.grid, said, progress)
    parts = separated(session, views, verdict.grid, said, progress)
    if parts is None:
        return _finished(verdict, said, views)
    return replace(_finished(judged(session, views, parts[0], said, progress), said, views), neighbour=parts[1])


def world_prompts(here: SupportView, prompts: PromptSet, mask: Bool[np.ndarray, "rows columns"]) -> PromptSet:
    """What was said, as world points: the clicks, and points well inside the mask that they gave.

    Args:
        here: the prompted view.
        prompts: as they were made.
        mask: the answer, on the view's grid of rays.
    """
    rows, columns = here.grid_size
    surface = here.samples.surface.reshape(rows, columns, 3)

    def lifted(row: float, column: float, label: int) -> WorldPoint:
        place = surface[min(int(row), rows - 1), min(int(column), columns - 1)]
        return WorldPoint(*(float(coordinate) for coordinate in place), label=label)

    height, width = here.view.image_size
    clicks = list(prompts.points)
    for scribble in prompts.scribbles:
        clicks += scribble.clicks
    points = [lifted(click.y * rows / height, click.x * columns / width, click.label) for click in clicks]
    points += [lifted(row + 0.5, column + 0.5, 1) for row, column in interior_points(mask, 3)]
    return PromptSet(prompts.name, world_points=prompts.world_points + tuple(points))


def _finished(verdict: Verdict, said: PromptSet, views: Sequence[SupportView]) -> Lock:
    scores = {
        vote.by.name: vote.agreement(verdict.grid)
        for vote in verdict.votes
        if grid_mask(vote.by.alpha(verdict.grid)).sum() >= LEAST_RAYS
    }
    return Lock(verdict.grid, scores, said, asked=tuple(views))


def _hypotheses(grid: ProbabilityGrid, said: PromptSet) -> list[ProbabilityGrid]:
    """What the votes have in common at several levels, without those that say the same as one before."""
    kept: list[ProbabilityGrid] = []
    for level in LEVELS:
        hypothesis = _clicked_part(grid, level, said)
        solid = (hypothesis.values > 0.5).numpy()
        if all(overlap(solid, (other.values > 0.5).numpy()) < SAME for other in kept):
            kept.append(hypothesis)
    return kept


def _clicked_part(grid: ProbabilityGrid, level: float, said: PromptSet) -> ProbabilityGrid:
    """The connected parts above a level in which, or next to which, positive points lie; the level becomes one half."""
    labels, count = ndimage.label((grid.values > level).numpy())  # type: ignore[misc]
    if not count:
        return grid
    _, nearest = ndimage.distance_transform_edt(labels == 0, return_indices=True)  # type: ignore[misc]
    points = torch.tensor([[p.x, p.y, p.z] for p in said.world_points if p.label == 1]).reshape(-1, 3)
    last = torch.tensor(grid.values.shape) - 1
    places = torch.minimum(((points - grid.lower) / grid.spacing).round().long().clamp_min(0), last)
    clicked = {int(labels[tuple(nearest[:, x, y, z])]) for x, y, z in places.tolist()}
    part = torch.from_numpy(np.isin(labels, list(clicked)))
    raised = 0.5 + 0.5 * (grid.values - level) / (1 - level)
    lowered = 0.5 * grid.values / level
    return replace(grid, values=torch.where(part, raised, torch.where(grid.values > level, 0.0, lowered)))
