"""Whether two views agree: one click, both masks, and the one carried into the other by true depth.

A click in a view becomes points of the world, as everywhere (`samnerf.objects.lifting`); another view is asked for
them. Its mask is held against the first one, carried over, wherever both views see the same surface. Nothing is said
of whether either mask is right: that is what IoU with the truth is for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from samnerf.camera import Camera
from samnerf.evaluation.metrics import iou
from samnerf.evaluation.protocol import interior_clicks, measured_objects
from samnerf.evaluation.sequences import Frame, carried
from samnerf.objects.lifting import lift
from samnerf.prompts import PromptSet
from samnerf.session import Session
from samnerf.view import View

LEAST_SHARED = 0.5
"""Share of an object in one view that the other must see, too, for them to be compared."""


@dataclass(frozen=True)
class ConsistencyRow:
    """Agreement on one object, IoU 0 to 1.

    Attributes:
        view, into: where the object was clicked, and which view's mask is compared.
        iou: of the masks that were found.
        true_iou: of the true masks: what sampling at pixels allows.
    """

    object_id: int
    name: str
    view: str
    into: str
    iou: float
    true_iou: float


def neighbours(cameras: Sequence[tuple[str, Camera]]) -> list[tuple[str, str]]:
    """Each view with the nearest other one; none where there is a single view."""
    if len(cameras) < 2:
        return []
    positions = torch.stack([camera.position for _, camera in cameras])
    distances = torch.cdist(positions, positions).fill_diagonal_(float("inf"))
    return [(cameras[i][0], cameras[j][0]) for i, j in enumerate(distances.argmin(dim=1).tolist())]


def view_consistency(
    session: Session,
    first: tuple[View, Frame],
    second: tuple[View, Frame],
    names: Mapping[int, str],
    seed: int,
) -> list[ConsistencyRow]:
    """Agreement of two views on every object that both show, by the first click of the protocol.

    Args:
        session: decoders of the teachers whose features the views have.
        first, second: a view, and what is true of it.
        names: full name of each ID.
        seed: of the clicks.
    """
    (view, frame), (other, other_frame) = first, second
    step = carried(frame, other_frame)
    back = carried(other_frame, frame)
    rows = []
    for object_id in sorted({*measured_objects(frame.ids)} & {*measured_objects(other_frame.ids)}):
        true, other_true = frame.ids == object_id, other_frame.ids == object_id
        if back.seen[true].mean() < LEAST_SHARED or not step.mask(true).any():
            continue
        click = interior_clicks(true, seed, view.name, object_id)[0]
        said = PromptSet(names[object_id], points=(click,))
        answer = session.segment(view, said)
        there = session.segment(other, lift(view, said, answer)).mask().cpu().numpy()
        rows.append(
            ConsistencyRow(
                object_id,
                names[object_id],
                view.name,
                other.name,
                iou(there & step.seen, step.mask(answer.mask().cpu().numpy())),
                iou(other_true & step.seen, step.mask(true)),
            )
        )
    return rows
