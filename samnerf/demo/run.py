"""The stages of the demo: scene, features, training, scores, masks, pictures."""

import functools
import math
import os
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from samnerf.atomic_files import read_json, write_json
from samnerf.camera import Camera
from samnerf.camera_path import save_camera_path
from samnerf.demo.prompting import demo_prompts, novel_cameras, phrases_to_show
from samnerf.demo.report import SheetRow, score_table, write_contact_sheet
from samnerf.demo.training import run_folder, train
from samnerf.errors import SamNerfError
from samnerf.evaluation.protocol import Case, Evaluation, evaluate
from samnerf.evaluation.scene_evaluation import held_out_cases
from samnerf.evaluation.timing import ViewTimes, time_views
from samnerf.export.segmentation import carry_prompts, object_masks, segment_scene
from samnerf.preprocessing.extraction import extract_features
from samnerf.preprocessing.synthetic.capture import CaptureSpecification, dome_cameras, write_capture
from samnerf.preprocessing.synthetic.ground_truth import GroundTruth, read_ground_truth
from samnerf.preprocessing.synthetic.ray_tracer import render
from samnerf.preprocessing.synthetic.scene import random_scene
from samnerf.prompts import Phrase, Point, PromptSet
from samnerf.scene import TrainedScene
from samnerf.session import Session
from samnerf.teachers.pairs import load_mask_decoder, load_text_decoder
from samnerf.view import View

PAIR = "tiny"
FORMAT = "samnerf-demo"
TIMED_VIEWS = 3


@dataclass(frozen=True)
class DemoSpecification:
    """What determines a demo; an earlier one with the same can be resumed."""

    seed: int = 7
    views: int = 60
    test_views: int = 10
    width: int = 256
    height: int = 256
    steps: int | None = None


@dataclass
class Demo:
    """One run of the demo.

    Attributes:
        output: folder of everything that is written.
        specification: what to do.
        resume: keep what an earlier run with the same specification completed.
        started: seconds since the epoch at which the program began.
        seconds: of each stage.
    """

    output: Path
    specification: DemoSpecification
    resume: bool
    console: Console
    started: float
    seconds: dict[str, float] = field(default_factory=dict)
    _views: dict[str, View] = field(default_factory=dict)

    def run(self) -> dict[str, Any]:
        """All stages; gives what is written to `metrics.json`.

        Raises:
            SamNerfError: if the folder holds something else, or a stage fails.
        """
        self._claim()
        self.seconds["start"] = time.time() - self.started
        columns = (
            TextColumn("{task.description:<24}"),
            BarColumn(),
            TextColumn("{task.fields[state]:>9}"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self.console) as self._progress:
            with self._stage("inventing a scene") as report:
                truth = self._capture(report)
            with self._stage("asking the teachers"):
                extract_features(self.capture, PAIR)
            with self._stage("training") as report:
                spec = self.specification
                scene = train(self.capture, self.output, spec.seed, spec.steps, self.resume, report)
            session = Session(load_mask_decoder(PAIR), load_text_decoder(PAIR))
            with self._stage("measuring") as report:
                evaluation = self._evaluate(scene, session, truth, report)
            with self._stage("timing"):
                times = self._time(scene, session)
            with self._stage("segmenting") as report:
                rows = self._segment(scene, session, truth, report)
            with self._stage("drawing"):
                self._draw(session, rows, truth, evaluation)
        metrics = self._metrics(evaluation, times)
        write_json(self.output / "metrics.json", metrics)
        return metrics

    @property
    def capture(self) -> Path:
        """Folder of the invented capture."""
        return self.output / "capture"

    def _claim(self) -> None:
        """Make sure that the folder is a demo's, and empty it unless an earlier run is resumed."""
        marker, wanted = self.output / "demo.json", {"format": FORMAT, **asdict(self.specification)}
        if self.output.exists() and not self.output.is_dir():
            raise SamNerfError(f"--output {self.output} is a file; the demo needs a folder")
        if marker.exists():
            found = read_json(marker, "demo")
            if self.resume and found != wanted:
                raise SamNerfError(f"{self.output} holds a demo with other options; run without --resume to begin anew")
            if not self.resume:
                for part in ("capture", "run", "masks", "novel"):
                    shutil.rmtree(self.output / part, ignore_errors=True)
                for part in ("metrics.json", "contact_sheet.png", "prompts.json", "novel_path.json"):
                    (self.output / part).unlink(missing_ok=True)
        elif self.output.exists() and any(self.output.iterdir()):
            raise SamNerfError(f"{self.output} is not empty and holds no demo; choose another folder with --output")
        write_json(marker, wanted)

    @contextmanager
    def _stage(self, name: str) -> Iterator[Callable[[int, int], None]]:
        task: TaskID = self._progress.add_task(name, total=None, state="")
        began = time.time()

        def report(done: int, total: int) -> None:
            self._progress.update(task, completed=done, total=total, state=f"{done}/{total}")

        yield report
        self.seconds[name] = time.time() - began
        self._progress.update(task, total=1, completed=1)
        self._progress.stop_task(task)

    def _capture(self, report: Callable[[int, int], None]) -> GroundTruth:
        spec = self.specification
        write_capture(
            self.capture,
            spec.seed,
            views=spec.views,
            test_views=spec.test_views,
            width=spec.width,
            height=spec.height,
            progress=report,
        )
        return read_ground_truth(self.capture)

    def _evaluate(
        self, scene: TrainedScene, session: Session, truth: GroundTruth, report: Callable[[int, int], None]
    ) -> Evaluation:
        views = len(scene.cameras("test"))
        cases = held_out_cases(scene, truth, functools.partial(self._view, scene))
        count = 0

        def done(_: Case) -> None:
            nonlocal count
            count += 1
            report(count, views)

        return evaluate(session, cases, self.specification.seed, done=done)

    def _time(self, scene: TrainedScene, session: Session) -> ViewTimes:
        cameras = scene.cameras("test")[:TIMED_VIEWS]
        height, width = cameras[0][1].image_size
        prompts = [PromptSet(points=(Point(width / 2, height / 2),)), PromptSet(phrase=Phrase("red cube", 0.0))]
        return time_views(scene, session, cameras, prompts)

    def _segment(
        self, scene: TrainedScene, session: Session, truth: GroundTruth, report: Callable[[int, int], None]
    ) -> list[SheetRow]:
        """Prompt held-out views, segment them and novel ones; rows of the contact sheet."""
        names = {thing.id: thing.name for thing in truth.objects}
        numbers = {name: i for i, name in names.items()}
        held_out = scene.cameras("test")
        prompts = demo_prompts({name: truth.ids(name) for name, _ in held_out}, names)
        prompts.save(self.output / "prompts.json")
        world = random_scene(self.specification.seed)
        in_capture = novel_cameras(world, self._capture_camera())
        novel = [(f"path_{i:04d}", scene.from_capture(camera)) for i, camera in enumerate(in_capture, start=1)]
        save_camera_path(self.output / "novel_path.json", [camera for _, camera in novel])
        make = functools.partial(self._view, scene)
        count = 0

        def done(_: str) -> None:
            nonlocal count
            count += 1
            report(count, len(held_out) + len(novel))

        segment_scene(scene, session, prompts, held_out, self.output / "masks", numbers, done, make)
        carried = carry_prompts(session, prompts, numbers, lambda name: make(scene.camera(name), name))
        pictures = [render(world, camera) for camera in in_capture]
        phrases = phrases_to_show(list(names.values()), [picture.ids for picture in pictures])
        rows = []
        for (name, camera), picture, phrase in zip(novel, pictures, phrases, strict=True):
            view = scene.view(camera, name)
            masks = object_masks(session, view, carried)
            rows.append(SheetRow(f"novel view {len(rows) + 1}", view, masks, phrase, picture.rgb, picture.ids))
            done(name)
        return rows

    def _view(self, scene: TrainedScene, camera: Camera, name: str) -> View:
        """A held-out view is rendered once, for scores and masks alike."""
        if name not in self._views:
            self._views[name] = scene.view(camera, name)
        return self._views[name]

    def _capture_camera(self) -> Camera:
        spec = self.specification
        capture = CaptureSpecification(
            spec.seed, views=spec.views, test_views=spec.test_views, width=spec.width, height=spec.height
        )
        return dome_cameras(random_scene(spec.seed), capture)[0]

    def _draw(self, session: Session, rows: list[SheetRow], truth: GroundTruth, evaluation: Evaluation) -> None:
        scores = evaluation.scores()
        write_contact_sheet(
            self.output / "contact_sheet.png",
            session,
            rows,
            {thing.id: thing.name for thing in truth.objects},
            subtitle=(
                "Views that no camera took. One click, box, scribble or phrase per object, given once in another view; "
                "no image encoder runs."
            ),
            footer=(
                f"held-out views: one click {scores['single_click_miou']:.3f} mean IoU, box {scores['box_miou']:.3f}, "
                f"words {scores['text_miou']:.3f}; teacher parity {scores['teacher_parity']:.3f}; "
                f"PSNR {scores['psnr']:.1f} dB; seed {self.specification.seed}"
            ),
        )

    def _metrics(self, evaluation: Evaluation, times: ViewTimes) -> dict[str, Any]:
        scores = evaluation.scores()
        metrics = {
            **scores,
            "wall_seconds": time.time() - self.started,
            "peak_rss_gb": peak_rss_gb(),
            "render_vs_encode_speedup": times.speedup,
        }
        return {
            **{key: round(value, 4) if math.isfinite(value) else None for key, value in metrics.items()},
            "seconds_by_stage": {stage: round(seconds, 2) for stage, seconds in self.seconds.items()},
            "seconds_per_view": {key: round(value, 4) for key, value in asdict(times).items()},
            "specification": asdict(self.specification),
            "config": str(run_folder(self.output) / "config.yml"),
            **evaluation.to_json(),
        }


def peak_rss_gb() -> float:
    """Greatest resident memory of this process, and as much for each core as its largest child had: an upper bound."""
    own, child = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return (own + child * (os.cpu_count() or 1)) * 1024 / 1e9


def process_start() -> float:
    """When this process began, seconds since the epoch; now, where the system does not say."""
    try:
        after_boot = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        boot = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime"))
        # The boot time is given in whole seconds.
        return min(time.time(), int(boot.split()[1]) + after_boot / os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError, StopIteration):
        return time.time()


def print_report(console: Console, metrics: dict[str, Any], output: Path) -> None:
    """The table, and where everything is."""
    flat = {key: math.nan if value is None else value for key, value in metrics.items()}
    console.print(score_table(flat, "\nheld-out views"))
    for what, file in (
        ("contact sheet", "contact_sheet.png"),
        ("masks", "masks/masks.json"),
        ("all numbers", "metrics.json"),
    ):
        console.print(f"{what:<14} {output / file}", highlight=False, soft_wrap=True)
    again = f"samnerf segment --config {metrics['config']} --prompts {output / 'prompts.json'}"
    console.print(f"{'try it':<14} {again}", highlight=False, soft_wrap=True)
