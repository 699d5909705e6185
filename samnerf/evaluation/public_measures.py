"""What the public protocols ask of a predictor, scene by scene, and what becomes of its answers.

Reading and scoring are in `nvos.py`, `spin_nerf.py`, `lerf_ovs.py` and `lerf_mask.py`. The truth scores the answers and
chooses nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from samnerf.errors import SamNerfError
from samnerf.evaluation import lerf_mask, lerf_ovs, nvos, spin_nerf
from samnerf.evaluation.metrics import mean
from samnerf.evaluation.public_pictures import COLOUR, case_picture, found_iou, masked, words_picture
from samnerf.evaluation.report import CasePicture, Value
from samnerf.evaluation.scene_prediction import Prediction, Predictor
from samnerf.export.pictures import draw_prompts
from samnerf.prompts import Phrase, PromptSet


@dataclass(frozen=True)
class SceneResult:
    """What was measured in one scene.

    Attributes:
        score: in the form that the protocol's means take.
        row: of the table of scenes.
        details: rows of views or queries.
        pictures: its worst case.
        failures: what could not be found, and why.
    """

    name: str
    score: Any
    row: Mapping[str, Value]
    details: Sequence[Mapping[str, Value]]
    pictures: Sequence[CasePicture] = ()
    failures: Sequence[str] = field(default=())


def measure_nvos(task: nvos.NvosTask, predictor: Predictor, seed: int) -> SceneResult:
    """Scribbles in the reference view, the mask in the target view."""
    for view in (task.reference, task.target):
        _photograph(view if view in predictor.views else None, task.name, view)
    clicks = task.clicks(predictor.image_size(task.reference), seed)
    said = PromptSet(task.name, points=clicks, view=task.reference)
    prediction = predictor.from_prompts(said, [task.target])
    found, truth = prediction.masks[task.target], task.mask()
    score = nvos.score_task(found, truth)
    added = sum(click.label for click in clicks)
    row = {"scene": task.name, **asdict(score), "clicks": added, "negative": len(clicks) - added}
    prompted = draw_prompts(predictor.photograph(task.reference), [(said, COLOUR)])
    picture = case_picture(
        f"{task.name}: IoU {score.iou:.2f}",
        ("the reference image, and its clicks", prompted),
        predictor.photograph(task.target),
        found,
        truth,
    )
    return SceneResult(task.name, score, row, [row], [picture], _failures(task.name, prediction))


def measure_spin_nerf(scene: spin_nerf.SpinNerfScene, predictor: Predictor, seed: int) -> SceneResult:
    """The mask of the first view, the masks of all annotated views; nothing is drawn at random."""
    named = {one: _photograph(spin_nerf.view_name(one, predictor.views), scene.name, one) for one in scene.truths}
    given = scene.mask(scene.reference)
    prediction = predictor.from_mask(scene.name, named[scene.reference], given, list(named.values()))
    truths = {one: scene.mask(one) for one in scene.truths}
    found = {one: prediction.masks[view] for one, view in named.items()}
    score = spin_nerf.score_scene(found, truths)
    details = [
        {
            "scene": scene.name,
            "view": one,
            "iou": found_iou(found[one], truths[one]),
            "reference": one == scene.reference,
        }
        for one in truths
    ]
    worst = min(truths, key=lambda one: found_iou(found[one], truths[one]))
    picture = case_picture(
        f"{scene.name}, {worst}: IoU {found_iou(found[worst], truths[worst]):.2f}",
        ("the first view, and its mask", masked(predictor.photograph(named[scene.reference]), given)),
        predictor.photograph(named[worst]),
        found[worst],
        truths[worst],
    )
    row = {"scene": scene.name, "views": len(truths), **asdict(score)}
    return SceneResult(scene.name, score, row, details, [picture], _failures(scene.name, prediction))


def measure_lerf_ovs(scene: lerf_ovs.LerfOvsScene, predictor: Predictor, seed: int) -> SceneResult:
    """Every category of every frame by its relevancy map; nothing is drawn at random."""
    scores, details, worst = [], [], None
    for frame in scene.labels:
        _photograph(frame if frame in predictor.views else None, scene.name, frame)
        queries = scene.queries(frame)
        size = queries[0].mask.shape if queries else predictor.image_size(frame)
        negatives = np.stack([predictor.fit(frame, phrase, size) for phrase in lerf_ovs.NEGATIVES])
        for query in queries:
            fit = lerf_ovs.relevancy(predictor.fit(frame, query.category, size), negatives)
            scores.append(score := lerf_ovs.score_map(fit, query))
            details.append({"scene": scene.name, "frame": frame, "query": query.category, **asdict(score)})
            if worst is None or score.iou < worst[0]:
                worst = score.iou, frame, query.category, lerf_ovs.relevancy_mask(fit), query.mask
    pictures = [] if worst is None else [words_picture(scene.name, predictor, *worst[1:])]
    return _lerf_ovs_result(scene, scores, details, pictures, ())


def measure_lerf_ovs_3d(scene: lerf_ovs.LerfOvsScene, predictor: Predictor, seed: int) -> SceneResult:
    """Every category found in the world once, by its name, and rendered in the frames that label it."""
    labelled = {frame: {query.category: query for query in scene.queries(frame)} for frame in scene.labels}
    for frame in labelled:
        _photograph(frame if frame in predictor.views else None, scene.name, frame)
    scores, details, failures, worst = [], [], [], None
    for category in sorted({category for queries in labelled.values() for category in queries}):
        frames = [frame for frame, queries in labelled.items() if category in queries]
        prediction = predictor.from_prompts(PromptSet(category, phrase=Phrase(category)), frames)
        failures += _failures(f"{scene.name}, {category}", prediction)
        for frame in frames:
            query, found = labelled[frame][category], prediction.masks[frame]
            scores.append(score := lerf_ovs.score_mask(found, query))
            details.append({"scene": scene.name, "frame": frame, "query": category, **asdict(score)})
            if worst is None or score.iou < worst[0]:
                worst = score.iou, frame, category, found, query.mask
    pictures = [] if worst is None else [words_picture(scene.name, predictor, *worst[1:])]
    return _lerf_ovs_result(scene, scores, details, pictures, failures)


def measure_lerf_mask(scene: lerf_mask.LerfMaskScene, predictor: Predictor, seed: int) -> SceneResult:
    """Every class by its name, in all views that have a mask of it."""
    named = {view: _photograph(scene.view_name(view, predictor.views), scene.name, view) for view, _ in scene.truths}
    scores, failures, worst = {}, [], None
    for said in scene.classes:
        views = [view for view, of in scene.truths if of == said]
        prediction = predictor.from_prompts(PromptSet(said, phrase=Phrase(said)), [named[view] for view in views])
        failures += _failures(f"{scene.name}, {said}", prediction)
        for view in views:
            found, truth = prediction.masks[named[view]], scene.mask(view, said)
            scores[view, said] = score = lerf_mask.score_class(found, truth)
            if worst is None or score.iou < worst[0]:
                worst = score.iou, named[view], said, found, truth
    details = [{"scene": scene.name, "view": v, "class": c, **asdict(one)} for (v, c), one in scores.items()]
    means = lerf_mask.scene_scores(scores)
    row = {"scene": scene.name, "classes": len(scene.classes), "masks": len(scores), **means}
    pictures = [] if worst is None else [words_picture(scene.name, predictor, *worst[1:])]
    return SceneResult(scene.name, means, row, details, pictures, failures)


def lerf_mask_means(scores: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Means over scenes."""
    return {key: mean(one[key] for one in scores.values()) for key in ("miou", "boundary_iou")}


def _lerf_ovs_result(
    scene: lerf_ovs.LerfOvsScene,
    scores: list[lerf_ovs.QueryScore],
    details: list[dict[str, Value]],
    pictures: Sequence[CasePicture],
    failures: Sequence[str],
) -> SceneResult:
    row = {"scene": scene.name, "frames": len(scene.labels), "queries": len(scores)}
    return SceneResult(
        scene.name, scores, {**row, **lerf_ovs.mean_scores({scene.name: scores})}, details, pictures, failures
    )


def _photograph(name: str | None, scene: str, annotation: str) -> str:
    """The photograph that an annotation speaks of, if the trained scene has it."""
    if name is None:
        raise SamNerfError(
            f"{scene}: the trained scene has no photograph {annotation}; train it on the data set's own images, all of "
            "them, under their own names"
        )
    return name


def _failures(what: str, prediction: Prediction) -> list[str]:
    return [] if prediction.reason is None else [f"{what}: {prediction.reason}"]
