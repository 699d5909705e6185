"""Two things that look alike and touch, taken for one: how that is noticed, and undone.

A box around one of two things gives that thing, and a box around the other gives the other. A box around one half of
a single thing gives the thing, or something that is no half. So a grid is cut in two between its two bulks, the views
are asked for each part, and the parts are two things if they stay apart and still make up the whole.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from samnerf.objects.probability_grid import ProbabilityGrid
from samnerf.objects.support import SupportView
from samnerf.objects.votes import Progress, Verdict, judged
from samnerf.prompts import PromptSet
from samnerf.session import Session

ASKED = 10
"""Views that are asked whether there are two."""
STAYS = 0.52
"""IoU with its cut from which on a part that was asked for is still that part."""
COMMON = 0.2
"""Share of the smaller part that may belong to both."""
COVERED = 0.6
"""IoU of both parts together with the whole from which on nothing is missing."""
ITERATIONS = 20
LEAST_VOXELS = 50


def separated(
    session: Session, views: Sequence[SupportView], whole: ProbabilityGrid, said: PromptSet, progress: Progress
) -> tuple[ProbabilityGrid, ProbabilityGrid] | None:
    """Both parts, the one that was clicked first; None if it is one thing, or clicks lie in both parts.

    Args:
        session: the decoders.
        views: that show the object; a few of them are asked.
        whole: what was taken for one thing.
        said: world points; every positive one lies in the part that is wanted.
        progress: see `Progress`.
    """
    cut = _cut(whole, said)
    if cut is None:
        return None
    some = views[:: max(1, len(views) // ASKED)]
    parts = []
    for half in cut:
        verdict = _asked_for(session, some, half, said, progress)
        # What the views give may be anything; compared is what lies in the whole.
        found = verdict.grid.at(whole.centres) > 0.5
        if not verdict.votes or _iou(found, half.values > 0.5) < STAYS:
            return None
        parts.append((found, verdict.grid))
    (one, mine), (other, theirs) = parts
    smaller = min(int(one.sum()), int(other.sum()))
    if int((one & other).sum()) > COMMON * smaller or _iou(one | other, whole.values > 0.5) < COVERED:
        return None
    return mine, theirs


def _asked_for(
    session: Session, views: Sequence[SupportView], half: ProbabilityGrid, said: PromptSet, progress: Progress
) -> Verdict:
    alone = judged(session, views, half, said, progress)
    return judged(session, views, alone.grid, said, progress) if alone.votes else alone


def _cut(whole: ProbabilityGrid, said: PromptSet) -> tuple[ProbabilityGrid, ProbabilityGrid] | None:
    """The grid on either side of a plane between its two bulks, the clicked side first."""
    inside = whole.values > 0.5
    points = whole.centres[inside]
    if len(points) < LEAST_VOXELS:
        return None
    middles = _two_means(points)
    clicked = torch.tensor([[p.x, p.y, p.z] for p in said.world_points if p.label == 1])
    sides = _nearest(clicked, middles) if len(clicked) else torch.zeros(1, dtype=torch.long)
    mine = int(sides[0])
    side = _nearest(whole.centres.reshape(-1, 3), middles).reshape(inside.shape)

    def part(number: int) -> ProbabilityGrid:
        return replace(whole, values=torch.where(side == number, whole.values, torch.zeros(())))

    return part(mine), part(1 - mine)


def _two_means(points: Float[Tensor, "points 3"]) -> Float[Tensor, "2 3"]:
    """Lloyd's algorithm (1982), begun on either side of the longest axis, so that it is no matter of luck."""
    centred = points - points.mean(dim=0)
    along = centred @ torch.linalg.eigh(centred.T @ centred).eigenvectors[:, -1]
    middles = torch.stack([points[along > 0].mean(dim=0), points[along <= 0].mean(dim=0)])
    for _ in range(ITERATIONS):
        nearest = _nearest(points, middles)
        middles = torch.stack([points[nearest == side].mean(dim=0) for side in (0, 1)])
    return middles


def _nearest(points: Float[Tensor, "points 3"], middles: Float[Tensor, "2 3"]) -> Int[Tensor, " points"]:
    return torch.cdist(points, middles).argmin(dim=1)


def _iou(one: Tensor, other: Tensor) -> float:
    return float((one & other).sum() / (one | other).sum().clamp_min(1))
