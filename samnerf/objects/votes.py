"""What views say of an object, and the grid on which they agree."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from samnerf.masks import MaskPrediction, mask_window
from samnerf.objects.lifting import interior_points
from samnerf.objects.probability_grid import ProbabilityGrid, seen_extent, vote_grid
from samnerf.objects.support import SupportView, grid_mask
from samnerf.prompts import Box, Point, PromptSet
from samnerf.session import Session

REWEIGHTINGS = 2
"""How often views that disagree with the vote lose weight."""
TOLERANCE = 0.05
"""A world point is seen where its distance and that of the surface differ by less than this fraction."""
LEAST_RAYS = 8
"""A view that shows less of an object is not asked of it."""
LEAST_SHARE = 0.25
"""Weight of the heaviest sample of a ray from which on it says where a surface is."""

Progress = Callable[[str, int, int], None]
"""Called with what is done, and for how many views of how many it was done."""


@dataclass(frozen=True, eq=False)
class Vote:
    """What a view says of an object: how much of each ray's pixel belongs to it, and how far to trust it."""

    by: SupportView
    inside: Float[Tensor, " rays"]
    weight: float = 1.0

    @property
    def mask(self) -> Bool[np.ndarray, "rows columns"]:
        """On the view's grid of rays."""
        return (self.inside > 0.5).reshape(self.by.grid_size).numpy()

    @property
    def surface(self) -> Float[Tensor, "points 3"]:
        """World points where the rays well inside the mask end."""
        samples = self.by.samples
        solid = samples.weights.amax(dim=1) > LEAST_SHARE
        wholly = self.inside > 0.9
        return samples.surface[solid & (wholly if wholly.any() else self.inside > 0.5)]

    def agreement(self, grid: ProbabilityGrid) -> float:
        """IoU of what the view says and what the grid shows there."""
        return overlap(self.mask, grid_mask(self.by.alpha(grid)))


@dataclass(frozen=True, eq=False)
class Verdict:
    """A grid, the votes for it, and how far they confirm the grid from which the views were prompted, 0 to 1."""

    grid: ProbabilityGrid
    votes: tuple[Vote, ...]
    confirmed: float


def first_votes(session: Session, views: Sequence[SupportView], said: PromptSet, progress: Progress) -> list[Vote]:
    """Masks of all views that see a positive one of the world points."""
    votes = []
    for done, one in enumerate(views, start=1):
        points = seen_points(one, said)
        if any(point.label == 1 for point in points):
            prompts = PromptSet(said.name, points=points)
            prediction = session.segment(one.view, prompts, by_depth=False)
            votes.append(Vote(one, _inside(one, prediction, prompts), float(prediction.best.scores[0])))
        progress("asking the views", done, len(views))
    return votes


def agreed(votes: Sequence[Vote], confirmed: float = 1.0) -> Verdict:
    """The votes' grid, after views that contradict it have lost weight."""
    for _ in range(REWEIGHTINGS):
        # Only the rays that voted ask this grid, so nothing needs to be filled in.
        grid = _grid(votes, filled=False)
        votes = [replace(vote, weight=_trust(vote, grid)) for vote in votes]
    return Verdict(_grid(votes, filled=True), tuple(votes), confirmed)


def judged(
    session: Session, views: Sequence[SupportView], grid: ProbabilityGrid, said: PromptSet, progress: Progress
) -> Verdict:
    """Prompt every view with what a grid shows there, and let the answers vote.

    Args:
        session: the decoders.
        views: to be asked; those that show nothing of the object are left out.
        grid: the object as far as it is known.
        said: world points; the negative ones hold on.
        progress: see `Progress`.
    """
    votes = []
    for done, one in enumerate(views, start=1):
        shown = grid_mask(one.alpha(grid))
        if shown.sum() >= LEAST_RAYS:
            prompts = _prompts_of(one, shown, said)
            votes.append(Vote(one, _inside(one, session.segment(one.view, prompts, by_depth=False), prompts)))
        progress("asking again", done, len(views))
    votes = [vote for vote in votes if len(vote.surface)]
    if not votes:
        return Verdict(grid, (), 0.0)
    agreements = [vote.agreement(grid) for vote in votes]
    return agreed([replace(vote, weight=_trust(vote, grid)) for vote in votes], float(np.mean(agreements)))


def seen_points(one: SupportView, said: PromptSet) -> tuple[Point, ...]:
    """The world points that a view sees, in its pixels."""
    if not said.world_points:
        return ()
    points = torch.tensor([[p.x, p.y, p.z] for p in said.world_points])
    assert one.view.camera is not None
    pixels, _, _ = one.view.camera.project(points)
    return tuple(
        Point(float(x), float(y), point.label)
        for point, (x, y), seen in zip(said.world_points, pixels, one.samples.sees(points, TOLERANCE), strict=True)
        if seen
    )


def overlap(one: Bool[np.ndarray, "..."], other: Bool[np.ndarray, "..."]) -> float:
    """IoU; of two empty masks it is 1."""
    union = np.logical_or(one, other).sum()
    return float(np.logical_and(one, other).sum() / union) if union else 1.0


def _trust(vote: Vote, grid: ProbabilityGrid) -> float:
    return max(0.01, vote.agreement(grid)) ** 3


def _grid(votes: Sequence[Vote], filled: bool) -> ProbabilityGrid:
    extent = seen_extent(torch.cat([vote.surface for vote in votes]))
    samples = [vote.by.samples for vote in votes]
    weighed = ((s.positions, vote.weight * s.weights, vote.inside) for s, vote in zip(samples, votes, strict=True))
    return vote_grid(weighed, extent, filled=filled)


def _inside(one: SupportView, prediction: MaskPrediction, prompts: PromptSet) -> Float[Tensor, " rays"]:
    """How much of each ray's pixel a mask covers, cut by what the rays meet: a view's own depth would cost a render."""
    covered = one.on_grid(prediction.mask().cpu())
    shown = (covered > 0.5).reshape(one.grid_size).numpy()
    kept = one.surface.cut(shown, [one.to_grid(point.x, point.y) for point in prompts.points if point.label == 1])
    return covered * torch.from_numpy(kept | ~shown).flatten()


def _prompts_of(one: SupportView, shown: Bool[np.ndarray, "rows columns"], said: PromptSet) -> PromptSet:
    """A box around what is shown, clicks well inside, and the negative clicks that are seen."""
    rows, columns = mask_window(shown)
    x1, y1 = one.to_view(float(rows.start), float(columns.start))
    x2, y2 = one.to_view(float(rows.stop), float(columns.stop))
    points = tuple(Point(*one.to_view(row + 0.5, column + 0.5)) for row, column in interior_points(shown, 2))
    negative = tuple(point for point in seen_points(one, said) if point.label == 0)
    return PromptSet(said.name, points=points + negative, boxes=(Box(x1, y1, x2, y2),))
