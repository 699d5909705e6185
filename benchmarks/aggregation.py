"""How features are learned and gathered to cells: masks on held-out views, against the teacher on the true images.

    make bench-aggregation

A scene of `samnerf-tiny` keeps its geometry, and features are learned in it anew, once for each way, from the same
rays wherever a way wants as many of them. One click a mask, as in `samnerf demo`; teacher parity is the mean IoU on
rendered features, divided by that of the teacher on the photographs. Milliseconds are those of rendering all maps of a
view of 256 x 256 pixels. With `--jobs 2` it takes some 25 minutes on two cores.
"""

import contextlib
import io
import os
import time
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
import torch
import tyro
from feature_training import FeatureTraining
from plots import BLUE, GREY, drawn, say
from receipts import RESULTS, write_receipt
from trained_scenes import SyntheticScene, trained_scene

from samnerf.cli.scene_session import load_session
from samnerf.evaluation.metrics import iou
from samnerf.evaluation.protocol import Case, interior_clicks, measured_objects
from samnerf.evaluation.scene_evaluation import held_out_cases
from samnerf.prompts import PromptSet
from samnerf.scene import TrainedScene
from samnerf.session import Session
from samnerf.view import View


@dataclass(frozen=True)
class Way:
    """One way to learn features.

    Attributes:
        name: in the table.
        group: with which it is compared.
        changes: of the model, against `samnerf-tiny`.
        options: of `FeatureTraining.learn`.
    """

    name: str
    group: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


GATHERING, SAMPLES, LOSS, SIZE = "rays to cell", "rays and samples", "what is learned", "how much"
FINER = {"feature_resolutions": (32, 64, 128, 256)}
WAYS = (
    Way("mean of the cell's rays", GATHERING, {"aggregation": "mean"}),
    Way("3 x 3 convolution within the cell, mean", GATHERING, {"aggregation": "convolution"}),
    Way("rays of the cell and its neighbours, convolved", GATHERING, {"aggregation": "neighbourhood"}),
    Way("attention to the rays of 3 x 3 cells", GATHERING, {"aggregation": "attention"}),
    Way("neighbours, and the cell's place in the image", GATHERING, {"feature_places": True}),
    Way("1 sample a ray", SAMPLES, {"feature_samples": 1}),
    Way("weights as they are", SAMPLES, {"feature_sharpness": 1.0}),
    Way("3 x 3 rays a cell", SAMPLES, {"rays_per_side": 3}),
    Way("cosine", LOSS, {"feature_loss": "cosine"}),
    Way("rendered views between the photographs, too", LOSS, {}, {"rendered_views": 30}),
    Way("at last, the mask decoder's answers", LOSS, {}, {"mask_steps": 100}),
    Way("planes of 256 x 256, too", SIZE, FINER),
    Way("twice the steps", SIZE, {}, {"longer": 2}),
)


@dataclass
class AggregationStudy:
    """Every way on every scene."""

    seeds: tuple[int, ...] = (7, 21, 22)
    """Of the scenes."""
    steps: int = 700
    """In which features are learned."""
    views: int = 5
    """Held-out views that are measured."""
    ways: tuple[str, ...] = ()
    """Names; all by default."""
    jobs: int = 1
    """Scenes at a time, each with its part of the cores."""
    output: Path = RESULTS

    def measure(self) -> None:
        """Run, print, and write receipt and plot."""
        ways = [way for way in WAYS if not self.ways or way.name in self.ways]
        threads = max(1, (os.cpu_count() or 1) // self.jobs)
        with ProcessPoolExecutor(self.jobs, get_context("spawn")) as pool:
            waiting = [pool.submit(_scene_runs, seed, ways, self.steps, self.views, threads) for seed in self.seeds]
            scenes = [one.result() for one in waiting]
        rows = [
            {
                "way": way.name,
                "group": way.group,
                **{key: round(mean(run[key] for run in runs), 4) for key in ("click_miou", "parity")},
                "render_ms": round(median(run["render_ms"] for run in runs), 1),
                "scenes": runs,
            }
            for way, *runs in zip(ways, *scenes, strict=True)
        ]
        measured = {"steps": self.steps, "views": self.views, "threads_per_scene": threads, "ways": rows}
        print(write_receipt("aggregation", "cpu", measured, self.output))
        plot(rows, self.output / "aggregation.png")


def _scene_runs(seed: int, ways: Sequence[Way], steps: int, views: int, threads: int) -> list[dict[str, float]]:
    """Every way on one scene."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(threads)
    scene = trained_scene(seed)
    training = FeatureTraining(scene.trained, steps, seed)
    trial = Trial(scene, load_session(scene.trained.pair, True, "cpu"), views)
    runs, scenes = [], []
    for way in ways:
        began = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            learned = training.learn(way.changes, **way.options)
        seconds = round(time.perf_counter() - began, 1)
        scenes.append(learned)
        runs.append({"seed": seed, **trial.scores(learned), "training_seconds": seconds})
        print(way.name, runs[-1], flush=True)
    return [run | {"render_ms": ms} for run, ms in zip(runs, trial.render_ms(scenes), strict=True)]


@dataclass
class Trial:
    """Measures features of one scene.

    Attributes:
        scene: with its truth.
        session: decoders.
        count: of held-out views.
    """

    scene: SyntheticScene
    session: Session
    count: int

    def __post_init__(self) -> None:
        cases = []
        for case in held_out_cases(self.scene.trained, self.scene.truth, self.scene.trained.view):
            cases.append(case)
            if len(cases) == self.count:
                break
        self._cases = cases
        self._teacher = mean(score for case in cases for score in self._scores(case.teacher_view, case))

    def scores(self, learned: TrainedScene) -> dict[str, float]:
        """Mean IoU of single clicks, the teacher's, and their ratio."""
        found = mean(score for case in self._cases for score in self._scores(_view(learned, case), case))
        return {
            "click_miou": round(found, 4),
            "teacher_click_miou": round(self._teacher, 4),
            "parity": round(found / self._teacher, 4),
        }

    def render_ms(self, scenes: Sequence[TrainedScene]) -> list[float]:
        """Milliseconds to render the maps of a view in each of several scenes, which take turns; medians."""
        times: list[list[float]] = [[] for _ in scenes]
        for case in [self._cases[0], *self._cases, *self._cases]:  # the first is not counted
            for found, scene in zip(times, scenes, strict=True):
                began = time.perf_counter()
                _view(scene, case).feature_map("sam")
                found.append(1000 * (time.perf_counter() - began))
        return [round(median(found[1:]), 1) for found in times]

    def _scores(self, view: View, case: Case) -> list[float]:
        scores = []
        for object_id in measured_objects(case.ids):
            truth = case.ids == object_id
            for click in interior_clicks(truth, self.scene.seed, case.view.name, object_id):
                # Of features alone: depth is the same in all ways.
                mask = self.session.segment(view, PromptSet(points=(click,)), by_depth=False).mask().cpu().numpy()
                scores.append(iou(mask, truth))
        return scores


def _view(scene: TrainedScene, case: Case) -> View:
    assert case.view.camera is not None
    return scene.view(case.view.camera, case.view.name)


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Parity over milliseconds, with the scenes' range; a line joins the ways that none is better and faster than."""
    places = np.array([(row["render_ms"], row["parity"]) for row in rows])
    front = [not ((places[:, 0] <= ms) & (places[:, 1] > parity)).any() for ms, parity in places]
    with drawn(path, columns=2, size=(9.5, 4.6)) as (axes, key):
        axes.step(*places[front][places[front][:, 0].argsort()].T, where="post", color=BLUE, linewidth=1.0)
        for number, (row, (ms, parity), best) in enumerate(zip(rows, places, front, strict=True), start=1):
            colour = BLUE if best else GREY
            of_scenes = [run["parity"] for run in row["scenes"]]
            axes.plot([ms, ms], [min(of_scenes), max(of_scenes)], color=colour, linewidth=0.8, alpha=0.5)
            axes.plot(ms, parity, "o", color=colour)
            say(axes, (ms, parity), str(number), colour)
            say(key, (0.0, -number), f"{number}   {row['way']}   {parity:.3f}", colour)
        axes.set_ylim(bottom=max(0.6, axes.get_ylim()[0]))
        axes.set_xlabel("render the maps of a view, ms")
        axes.set_ylabel("mean IoU of a click / the teacher's")
        axes.set_title("Masks from rendered features, mean and range of three scenes")
        key.set_ylim(-len(rows) - 1, 0)
        key.set_axis_off()


if __name__ == "__main__":
    tyro.cli(AggregationStudy).measure()
