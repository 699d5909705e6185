"""The report of a scene: goals, each object, each view, and the worst cases to look at."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict

import numpy as np
from jaxtyping import Bool

from samnerf.evaluation.goals import HELD_OUT, Goal
from samnerf.evaluation.metrics import iou, mean
from samnerf.evaluation.protocol import ObjectRow, mean_scores
from samnerf.evaluation.report import CasePicture, Column, Report, Table, words
from samnerf.evaluation.scene_evaluation import SceneEvaluation
from samnerf.export.pictures import draw_prompts, heat_map, overlay
from samnerf.objects.palette import object_colour
from samnerf.preprocessing.synthetic.ground_truth import GroundTruth
from samnerf.prompts import Phrase, Point, PromptSet
from samnerf.session import Session
from samnerf.view import View

WORST_CLICKS, WORST_PHRASES = 6, 3

GOALS = (
    *HELD_OUT,
    Goal("single_click_boundary_iou", "one click, boundary IoU (0.02 of the diagonal)"),
    Goal("single_click_accuracy", "one click, pixel accuracy"),
    Goal("relevancy_ap", "words: average precision of the relevancy map"),
    Goal("teacher_relevancy_ap", "teacher on the true image, average precision"),
    Goal("consistency", "agreement of two views on one click, IoU"),
    Goal("true_consistency", "the same for true masks"),
    Goal("ssim", "SSIM of held-out views"),
)
LPIPS = Goal("lpips", "LPIPS of held-out views, AlexNet", more=False)

SCORES = (
    Column("single_click_miou", "one click"),
    Column("single_click_boundary_iou", "boundary"),
    Column("single_click_accuracy", "accuracy"),
    Column("box_miou", "box"),
    Column("teacher_single_click_miou", "teacher, one click"),
    Column("teacher_parity", "parity", share=False),
    Column("text_localization", "words: peak"),
    Column("text_miou", "words: IoU"),
    Column("relevancy_ap", "words: AP"),
)


def scene_report(
    result: SceneEvaluation, truth: GroundTruth, about: dict[str, str], pictures: Sequence[CasePicture]
) -> Report:
    """Everything that was measured in a scene.

    Args:
        result: the numbers.
        truth: of the capture; for the names of its objects.
        about: what was measured, in words.
        pictures: see `worst_cases`.
    """
    rows, held_out = result.held_out.rows, result.held_out
    views = list(held_out.psnrs)
    of_view = {view: [row for row in rows if row.view == view] for view in views}
    view_columns = [words("view", "view"), words("objects", "objects"), *SCORES]
    view_columns += [Column("psnr", "PSNR, dB", "{:.1f}", share=False), Column("ssim", "SSIM")]
    by_object = [
        {
            "object": thing.name,
            "views": sum(row.object_id == thing.id for row in rows),
            **mean_scores([row for row in rows if row.object_id == thing.id]),
            "consistency": mean(one.iou for one in result.consistency if one.object_id == thing.id),
        }
        for thing in truth.objects
    ]
    by_view = [
        {
            "view": view,
            "objects": len(of_view[view]),
            **mean_scores(of_view[view]),
            "psnr": held_out.psnrs[view],
            "ssim": held_out.ssims[view],
            **({"lpips": result.lpips[view]} if result.lpips else {}),
        }
        for view in views
    ]
    measured = [{"view": row.view, "object": row.name, "cover": row.cover, **mean_scores([row])} for row in rows]
    lpips = [Column("lpips", "LPIPS", share=False)] if result.lpips else []
    return Report(
        kind="scene",
        title="A scene against its ground truth",
        subtitle=f"{len(truth.objects)} objects in {len(views)} views, {len(rows)} times an object in a view",
        about=about,
        goals=(*GOALS, *((LPIPS,) if result.lpips else ())),
        scores=result.scores(),
        tables=[
            Table(
                "objects",
                "Each object",
                (words("object", "object"), words("views", "views"), *SCORES, Column("consistency", "two views agree")),
                by_object,
                note="Means over the views in which an object covers at least 0.5%. Parity is the mean IoU of single "
                "clicks on rendered features, divided by the teacher's on the true image.",
            ),
            Table("views", "Each view", (*view_columns, *lpips), by_view),
            Table(
                "measurements",
                "Each object in each view",
                (words("view", "view"), words("object", "object"), Column("cover", "part of the view"), *SCORES),
                measured,
                folded=True,
            ),
            Table(
                "consistency",
                "Two views, one click",
                (
                    words("view", "clicked in"),
                    words("into", "held against"),
                    words("name", "object"),
                    Column("iou", "found masks"),
                    Column("true_iou", "true masks"),
                ),
                [asdict(row) for row in result.consistency],
                note="The mask of one view is carried into its nearest neighbour by true depth, and compared there "
                "with what the same click, as points of the world, gives.",
                folded=True,
            ),
        ],
        pictures=pictures,
    )


def worst_cases(
    session: Session,
    rows: Iterable[ObjectRow],
    truth: GroundTruth,
    view_named: Callable[[str], View],
    photograph: Callable[[str], np.ndarray],
) -> list[CasePicture]:
    """The worst single clicks, and the worst phrases, each with prompt, answer and truth.

    Args:
        session: decoders of the teachers whose features the views have.
        rows: what was measured.
        truth: of the capture.
        view_named: gives a view that was measured.
        photograph: gives the true picture of a view.
    """
    listed = list(rows)
    clicked = sorted(listed, key=lambda row: min(row.click_ious))[:WORST_CLICKS]
    said = sorted(listed, key=lambda row: row.text_iou)[:WORST_PHRASES]
    pictures = []
    for row in clicked:
        x, y = row.clicks[int(np.argmin(row.click_ious))]
        prompts = PromptSet(row.name, points=(Point(x, y),))
        view = view_named(row.view)
        answer = session.answer(view, prompts)
        shown = draw_prompts(view.rgb, [(prompts, object_colour(row.object_id))])
        mask = answer.prediction.mask().cpu().numpy()
        prompted = "the view, rendered, and its click", shown
        pictures.append(_case("one click on", row, mask, prompted, truth, photograph))
    for row in said:
        view = view_named(row.view)
        answer = session.answer(view, PromptSet(row.name, phrase=Phrase(row.name)))
        heat = heat_map(view.rgb, session.relevancy(view, row.name).cpu().numpy())
        shown = draw_prompts(heat, [(one, object_colour(row.object_id)) for one in answer.decoded])
        mask = answer.prediction.mask().cpu().numpy()
        pictures.append(_case("words:", row, mask, ("where the words fit, and their clicks", shown), truth, photograph))
    return pictures


def _case(
    how: str,
    row: ObjectRow,
    mask: Bool[np.ndarray, "height width"],
    prompted: tuple[str, np.ndarray],
    truth: GroundTruth,
    photograph: Callable[[str], np.ndarray],
) -> CasePicture:
    true = truth.mask(row.view, row.object_id)
    score = iou(mask, true)
    picture, colour = photograph(row.view), object_colour(row.object_id)
    return CasePicture(
        f"{row.view}, {how} {row.name}: IoU {score:.2f}",
        [
            prompted,
            ("the mask", overlay(picture, [(mask, colour)], dimmed=0.6)),
            ("ground truth", overlay(picture, [(true, colour)], dimmed=0.6)),
        ],
    )
