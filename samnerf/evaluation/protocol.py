"""The demo's protocol: clicks, boxes and words on held-out views, from rendered features and from the teacher.

On every view, objects that cover at least 0.5% of it are asked for

- by three single clicks, each alone, drawn at random from the object's interior;
- by one box, the tight one around the true mask;
- by their full name, such as "striped red cube".

The same prompts go to the teacher, which sees the true image. **Teacher parity** is the mean IoU of single clicks in
rendered views, divided by the teacher's. Rendered depth has its part in it (`samnerf.visible_surface`), which a
photograph lacks; what features alone give is measured beside it as "uncut". Nothing is chosen by ground truth: a
click's mask is the decoder's single output, a phrase becomes points with the session's own threshold, and how well
relevancy fits the object is its average precision, which knows no threshold.
"""

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8

from samnerf.evaluation.metrics import (
    accuracy,
    average_precision,
    boundary_iou,
    hit,
    iou,
    mean,
    psnr,
    relevancy_peak,
    ssim,
)
from samnerf.masks import mask_window
from samnerf.objects.lifting import depth_inside
from samnerf.prompts import Box, Phrase, Point, PromptSet
from samnerf.session import Session
from samnerf.view import View

LEAST_COVER = 0.005
CLICKS = 3
INTERIOR_PIXELS = 3.0


@dataclass(frozen=True)
class Case:
    """One held-out view with everything that is known of it.

    Attributes:
        view: what is measured; its features come from the field.
        teacher_view: the true image with the teacher's features.
        ids: true instance IDs, 0 is background.
        names: full name of each ID.
    """

    view: View
    teacher_view: View
    ids: UInt8[np.ndarray, "height width"]
    names: Mapping[int, str]


@dataclass(frozen=True)
class ObjectRow:
    """Scores of one object in one view, 0 to 1, those of single clicks one by one; clicks are (x, y) in pixels.

    Uncut are masks as the decoder gives them, before depth has its say.
    """

    view: str
    object_id: int
    name: str
    cover: float
    clicks: list[tuple[float, float]]
    click_ious: list[float]
    uncut_click_ious: list[float]
    click_boundary_ious: list[float]
    click_accuracies: list[float]
    box_iou: float
    click_and_box_iou: float
    teacher_click_ious: list[float]
    teacher_box_iou: float
    localized: bool
    text_iou: float
    relevancy_ap: float
    teacher_localized: bool
    teacher_text_iou: float
    teacher_relevancy_ap: float


def mean_scores(rows: Sequence[ObjectRow]) -> dict[str, float]:
    """Means over rows, by the names of the goals; NaN where nothing was measured."""
    single = mean(value for row in rows for value in row.click_ious)
    uncut = mean(value for row in rows for value in row.uncut_click_ious)
    teacher_single = mean(value for row in rows for value in row.teacher_click_ious)
    return {
        "single_click_miou": single,
        "single_click_boundary_iou": mean(value for row in rows for value in row.click_boundary_ious),
        "single_click_accuracy": mean(value for row in rows for value in row.click_accuracies),
        "box_miou": mean(row.box_iou for row in rows),
        "click_and_box_miou": mean(row.click_and_box_iou for row in rows),
        "teacher_parity": single / teacher_single if teacher_single > 0 else float("nan"),
        "uncut_click_miou": uncut,
        "uncut_parity": uncut / teacher_single if teacher_single > 0 else float("nan"),
        "text_localization": mean(float(row.localized) for row in rows),
        "text_miou": mean(row.text_iou for row in rows),
        "relevancy_ap": mean(row.relevancy_ap for row in rows),
        "teacher_single_click_miou": teacher_single,
        "teacher_box_miou": mean(row.teacher_box_iou for row in rows),
        "teacher_text_localization": mean(float(row.teacher_localized) for row in rows),
        "teacher_text_miou": mean(row.teacher_text_iou for row in rows),
        "teacher_relevancy_ap": mean(row.teacher_relevancy_ap for row in rows),
    }


@dataclass(frozen=True)
class Evaluation:
    """All rows, and of each view PSNR (dB) and SSIM (up to 1)."""

    rows: list[ObjectRow] = field(default_factory=list)
    psnrs: dict[str, float] = field(default_factory=dict)
    ssims: dict[str, float] = field(default_factory=dict)

    def scores(self) -> dict[str, float]:
        """Means over all objects of all views; NaN where nothing was measured."""
        return {**mean_scores(self.rows), "psnr": mean(self.psnrs.values()), "ssim": mean(self.ssims.values())}

    def to_json(self) -> dict[str, Any]:
        """Rows, PSNRs and SSIMs as plain data."""
        return {
            "objects": [asdict(row) for row in self.rows],
            "psnr_by_view": self.psnrs,
            "ssim_by_view": self.ssims,
        }


def evaluate(
    session: Session,
    cases: Iterable[Case],
    seed: int,
    phrase: Callable[[str], Phrase] = Phrase,
    done: Callable[[Case], None] | None = None,
) -> Evaluation:
    """Run the protocol.

    Args:
        session: decoders of the teachers whose features the views have.
        cases: held-out views.
        seed: of the clicks; those of an object depend on it, the view's name and the ID only.
        phrase: how a name is asked for.
        done: called after each view.
    """
    evaluation = Evaluation()
    for case in cases:
        evaluation.psnrs[case.view.name] = psnr(case.view.rgb, case.teacher_view.rgb)
        evaluation.ssims[case.view.name] = ssim(case.view.rgb, case.teacher_view.rgb)
        for object_id in measured_objects(case.ids):
            evaluation.rows.append(_row(session, case, object_id, seed, phrase))
        if done is not None:
            done(case)
    return evaluation


def measured_objects(ids: UInt8[np.ndarray, "height width"]) -> list[int]:
    """IDs that cover at least 0.5% of the view, ascending."""
    counts = np.bincount(ids.ravel(), minlength=1)
    return [i for i in range(1, len(counts)) if counts[i] >= LEAST_COVER * ids.size]


def interior_clicks(
    mask: Bool[np.ndarray, "height width"], seed: int, view: str, object_id: int, count: int = CLICKS
) -> list[Point]:
    """Random pixel centres inside a mask, none nearer to its border than 3 pixels, or than half of what is possible."""
    depths = depth_inside(mask)
    rows, columns = np.nonzero(depths >= min(INTERIOR_PIXELS, depths.max() / 2))
    random = np.random.default_rng([seed, zlib.crc32(view.encode()), object_id])
    chosen = random.choice(len(rows), size=count, replace=len(rows) < count)
    return [Point(float(columns[i]) + 0.5, float(rows[i]) + 0.5) for i in chosen]


def tight_box(mask: Bool[np.ndarray, "height width"]) -> Box:
    """The smallest box that holds every pixel of a mask that has some."""
    rows, columns = mask_window(mask)
    return Box(float(columns.start), float(rows.start), float(columns.stop), float(rows.stop))


def _row(session: Session, case: Case, object_id: int, seed: int, phrase: Callable[[str], Phrase]) -> ObjectRow:
    truth = case.ids == object_id
    name = case.names[object_id]
    clicks = interior_clicks(truth, seed, case.view.name, object_id)
    box = tight_box(truth)

    def score(view: View, prompts: PromptSet) -> float:
        return iou(session.segment(view, prompts).mask().cpu().numpy(), truth)

    singles = [PromptSet(name, points=(click,)) for click in clicks]
    boxed, said = PromptSet(name, boxes=(box,)), PromptSet(name, phrase=phrase(name))
    answers = [session.answer(case.view, prompts) for prompts in singles]
    clicked = [answer.prediction.mask().cpu().numpy() for answer in answers]
    fits, teacher_fits = (session.relevancy(view, name).cpu().numpy() for view in (case.view, case.teacher_view))
    return ObjectRow(
        view=case.view.name,
        object_id=object_id,
        name=name,
        cover=float(truth.mean()),
        clicks=[(click.x, click.y) for click in clicks],
        click_ious=[iou(one, truth) for one in clicked],
        uncut_click_ious=[iou(answer.uncut.mask().cpu().numpy(), truth) for answer in answers],
        click_boundary_ious=[boundary_iou(one, truth) for one in clicked],
        click_accuracies=[accuracy(one, truth) for one in clicked],
        box_iou=score(case.view, boxed),
        click_and_box_iou=mean(score(case.view, PromptSet(name, points=(c,), boxes=(box,))) for c in clicks),
        teacher_click_ious=[score(case.teacher_view, prompts) for prompts in singles],
        teacher_box_iou=score(case.teacher_view, boxed),
        localized=hit(relevancy_peak(fits), truth),
        text_iou=score(case.view, said),
        relevancy_ap=average_precision(fits, truth),
        teacher_localized=hit(relevancy_peak(teacher_fits), truth),
        teacher_text_iou=score(case.teacher_view, said),
        teacher_relevancy_ap=average_precision(teacher_fits, truth),
    )
