"""A trained scene against the ground truth of its capture: the protocol, agreement between views, LPIPS."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from samnerf.camera import Camera
from samnerf.errors import SamNerfError
from samnerf.evaluation.consistency import ConsistencyRow, neighbours, view_consistency
from samnerf.evaluation.metrics import mean
from samnerf.evaluation.perceptual import PictureDistance
from samnerf.evaluation.protocol import Case, Evaluation, evaluate
from samnerf.evaluation.sequences import Frame
from samnerf.preprocessing.synthetic.ground_truth import GroundTruth, has_ground_truth, read_ground_truth
from samnerf.scene import TrainedScene
from samnerf.session import Session
from samnerf.view import View

Progress = Callable[[str, int, int], None]
"""Called with what is done, and for how many views of how many it was done."""
MakeView = Callable[[Camera, str], View]


@dataclass(frozen=True)
class SceneEvaluation:
    """Everything measured in a scene; LPIPS by name of the view, empty where its weights are not at hand."""

    held_out: Evaluation
    consistency: list[ConsistencyRow] = field(default_factory=list)
    lpips: dict[str, float] = field(default_factory=dict)

    def scores(self) -> dict[str, float]:
        """Means over everything; NaN where nothing was measured."""
        return {
            **self.held_out.scores(),
            "consistency": mean(row.iou for row in self.consistency),
            "true_consistency": mean(row.true_iou for row in self.consistency),
            "lpips": mean(self.lpips.values()),
        }


def capture_folder(scene: TrainedScene) -> Path:
    """Where the scene's photographs come from: the folder that holds `images`."""
    dataset: Any = scene.pipeline.datamanager.train_dataset
    return Path(dataset.image_filenames[0]).parent.parent


def scene_truth(scene: TrainedScene, capture: Path | None = None) -> GroundTruth:
    """The ground truth of a scene's capture.

    Args:
        scene: trained on the capture.
        capture: its folder, if it lies elsewhere now.

    Raises:
        SamNerfError: if there is none, saying what is missing and what would be right.
    """
    folder = capture_folder(scene) if capture is None else capture
    if not has_ground_truth(folder):
        there = {"objects.json": (folder / "objects.json").is_file(), "masks": (folder / "masks").is_dir()}
        missing = " and ".join(name for name, found in there.items() if not found)
        raise SamNerfError(
            f"capture {folder} has no ground truth: {missing} missing; samnerf synthetic writes captures with exact "
            "masks, and --capture FOLDER names one that lies elsewhere"
        )
    return read_ground_truth(folder)


def held_out_cases(scene: TrainedScene, truth: GroundTruth, make_view: MakeView, split: str = "test") -> Iterator[Case]:
    """The views of a split with all that is known of them, one by one.

    Args:
        scene: what is measured.
        truth: of its capture.
        make_view: `scene.view`, or something that remembers views.
        split: "test" or "train".

    Raises:
        SamNerfError: if a frame has no mask, or one of another size than the view.
    """
    names = {thing.id: thing.name for thing in truth.objects}
    for name, camera in scene.cameras(split):
        ids = truth.ids(name)
        if ids.shape != camera.image_size:
            (rows, columns), (height, width) = ids.shape, camera.image_size
            raise SamNerfError(
                f"the mask of {name} in {truth.folder} has {columns} x {rows} pixels, its view {width} x {height}; "
                "is this the capture that the scene was trained on, at its full size?"
            )
        yield Case(make_view(camera, name), scene.image_view(name), ids, names)


def evaluate_scene(
    scene: TrainedScene,
    session: Session,
    truth: GroundTruth,
    seed: int,
    split: str = "test",
    lpips: PictureDistance | None = None,
    progress: Progress = lambda *_: None,
) -> SceneEvaluation:
    """Measure everything.

    Args:
        scene: trained on the capture.
        session: decoders of its teachers, for clicks and words.
        truth: of the capture.
        seed: of the clicks.
        split: which views are measured.
        lpips: see `samnerf.evaluation.perceptual`.
        progress: see `Progress`.

    Raises:
        SamNerfError: if the split has no views, or ground truth is missing or of another size.
    """
    cameras = scene.cameras(split)
    if not cameras:
        raise SamNerfError(
            f"the scene has no {split} views to measure; give --split train, or train with some held out"
        )
    views: dict[str, View] = {}
    distances: dict[str, float] = {}

    def remembered(camera: Camera, name: str) -> View:
        if name not in views:
            views[name] = scene.view(camera, name)
        return views[name]

    def done(case: Case) -> None:
        if lpips is not None:
            distances[case.view.name] = lpips(case.view.rgb, case.teacher_view.rgb)
        progress("views against the truth", len(views), len(cameras))

    held_out = evaluate(session, held_out_cases(scene, truth, remembered, split), seed, done=done)
    names = {thing.id: thing.name for thing in truth.objects}
    pairs = neighbours(cameras)
    rows: list[ConsistencyRow] = []
    for count, pair in enumerate(pairs, start=1):
        first, second = ((views[name], _frame(scene, truth, views[name])) for name in pair)
        rows += view_consistency(session, first, second, names, seed)
        progress("views against each other", count, len(pairs))
    return SceneEvaluation(held_out, rows, distances)


def _frame(scene: TrainedScene, truth: GroundTruth, view: View) -> Frame:
    """What is true of a view, in the scene's frame; rendered depth where the capture has none."""
    assert view.camera is not None
    assert view.depth is not None
    if (truth.folder / "depth").is_dir():
        depth = truth.depth(view.name) * scene.pipeline.datamanager.train_dataparser_outputs.dataparser_scale
    else:
        depth = view.depth.cpu().numpy()
    return Frame(view.camera, truth.ids(view.name), depth)
