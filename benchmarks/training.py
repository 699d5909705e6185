"""How fast `ns-train samnerf-tiny` trains, and after how many seconds rendered features are as good as the teacher's.

    python benchmarks/training.py                                  # seed 21, some minutes
    python benchmarks/training.py --seeds 21 22 23
    python benchmarks/training.py --device cuda --method samnerf-distill
    python benchmarks/training.py --capture-views 8 --test-views 2 --side 64 --steps 20 --at 10 --results FOLDER

A scene that no teacher saw is ray-traced, its features are extracted, and the method trains. At some steps, and after
the last one, the clock stops, and each object that a few held-out views show is asked for by one click: in rendered
features, and by the teacher in the true image. Teacher parity is the mean IoU of the former divided by that of the
latter, as in `samnerf.evaluation.protocol`. First steps teach colour alone and the others features alone; their speeds
are medians over all of them. Everything goes to `benchmarks/results/training.json`, the plot beside it.
"""

import itertools
import sys
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import tyro
from plots import BLUE, GREY, drawn, say
from receipts import RESULTS, on_device, write_receipt
from stopwatch import now, seconds
from timed_training import Method, TimedTraining

from samnerf.errors import SamNerfError
from samnerf.evaluation.metrics import iou, mean
from samnerf.evaluation.protocol import interior_clicks, measured_objects
from samnerf.evaluation.scene_evaluation import held_out_cases
from samnerf.preprocessing.extraction import extract_features
from samnerf.preprocessing.synthetic.capture import write_capture
from samnerf.preprocessing.synthetic.ground_truth import GroundTruth, read_ground_truth
from samnerf.prompts import PromptSet
from samnerf.scene import TrainedScene
from samnerf.session import Session
from samnerf.teachers.pairs import load_mask_decoder
from samnerf.view import View

PAIR = "tiny"
PARITIES = (0.8, 0.9, 0.95)


@dataclass
class TrainingBenchmark:
    """Steps a second, and parity over seconds."""

    seeds: tuple[int, ...] = (21,)
    """Of scenes and trainings."""
    method: Method = "samnerf-tiny"
    """Of `ns-train`."""
    device: str = "cpu"
    """cpu or cuda."""
    steps: int | None = None
    """Of each training; by default those of the method."""
    at: tuple[int, ...] = (750, 800, 900, 1100, 1500, 2200, 3000)
    """Steps after which parity is measured, besides the last."""
    views: int = 4
    """Held-out views in which it is measured."""
    capture_views: int = 60
    """Training views of the capture."""
    test_views: int = 10
    """Held-out views of the capture."""
    side: int = 256
    """Pixels along each side of its images."""
    results: Path = RESULTS
    """Folder of receipt and plot."""

    def measure(self) -> None:
        """Run, print, draw, and write the receipt."""
        runs = []
        for seed in self.seeds:
            with TemporaryDirectory() as folder:
                runs.append(self._run(seed, Path(folder)))
        speeds = {
            phase: median(run["steps_per_second"][phase] for run in runs) for phase in runs[0]["steps_per_second"]
        }
        to_parity = {
            f"{parity:g}": _median_or_none([run["seconds_to_parity"][f"{parity:g}"] for run in runs])
            for parity in PARITIES
        }
        name = on_device("training", self.device)
        measured = {
            "method": self.method,
            "pair": PAIR,
            "images": self.capture_views,
            "image_size": [self.side, self.side],
            "steps_per_second": speeds,
            "seconds_to_parity": to_parity,
            "seconds": median(run["seconds"] for run in runs),
            "parity": median(run["checkpoints"][-1]["parity"] for run in runs),
            "runs": runs,
        }
        path = write_receipt(name, self.device, measured, self.results)
        _plot(runs, self.results / f"{name}.png")
        for phase, speed in speeds.items():
            print(f"{phase:<10} {speed:7.1f} steps/s")
        for parity, after in to_parity.items():
            print(f"parity {parity:<5} {'not reached' if after is None else f'after {after:.0f} s'}")
        print(f"-> {path}")

    def _run(self, seed: int, folder: Path) -> dict[str, Any]:
        capture = write_capture(
            folder / "capture", seed, (5, 9), self.capture_views, self.test_views, self.side, self.side
        )
        extraction = seconds(lambda: extract_features(capture, PAIR, device=self.device), self.device)
        training = TimedTraining(capture, folder, self.method, PAIR, self.device, self.steps, seed=seed)
        began = now(self.device)
        trainer = training.trainer()
        preparation = now(self.device) - began
        last, colour = trainer.config.max_num_iterations, training.colour_steps(trainer)
        parity = ParityMeasure(read_ground_truth(capture), seed, self.views, self.device)
        checkpoints: list[dict[str, float]] = []

        def pause(step: int, pipeline: Any) -> None:
            if step in (*self.at, last):
                checkpoints.append({"step": step, "seconds": sum(training.seconds), **parity.measure(pipeline)})
                print(_line(seed, checkpoints[-1]), file=sys.stderr)  # the other stream is nerfstudio's

        training.train(trainer, pause)
        phases = {"colour": training.seconds[:colour], "features": training.seconds[colour:]} if colour else {}
        speeds = {phase: 1 / median(taken) for phase, taken in phases.items()}
        return {
            "seed": seed,
            "steps": last,
            "colour_steps": colour,
            "colour_seconds": sum(training.seconds[:colour]),
            "seconds": sum(training.seconds),
            "processor_seconds": sum(training.processor_seconds),
            "steps_per_second": {**speeds, "all": last / sum(training.seconds)},
            "extraction_seconds": extraction,
            "preparation_seconds": preparation,
            "clicks": parity.clicks,
            "teacher_miou": parity.teacher_miou,
            "seconds_to_parity": {
                f"{wanted:g}": next((one["seconds"] for one in checkpoints if one["parity"] >= wanted), None)
                for wanted in PARITIES
            },
            "checkpoints": checkpoints,
        }


@dataclass
class ParityMeasure:
    """Single clicks on objects in held-out views, on rendered features and by the teacher on the true image.

    Attributes:
        truth: of the capture.
        seed: of the clicks, which are those of the protocol.
        views: how many held-out views, spread evenly over them.
        device: where the decoder runs.
        teacher_miou: mean IoU of the teacher, once something was measured.
    """

    truth: GroundTruth
    seed: int
    views: int
    device: str
    teacher_miou: float = field(default=float("nan"), init=False)

    def __post_init__(self) -> None:
        self._session = Session(load_mask_decoder(PAIR, self.device))
        self._asked: dict[str, list[tuple[int, PromptSet]]] = {}

    @property
    def clicks(self) -> int:
        """How many there are."""
        return sum(len(asked) for asked in self._asked.values())

    def measure(self, pipeline: Any) -> dict[str, float]:
        """Mean IoU and teacher parity of a pipeline as it is.

        Raises:
            SamNerfError: if the held-out views show no object, or none that the teacher finds.
        """
        scene = TrainedScene.from_pipeline(pipeline, device=self.device)
        cases = list(held_out_cases(scene, self.truth, scene.view))
        chosen = cases[:: max(1, len(cases) // self.views)][: self.views]
        if not self._asked:
            self._asked = {case.view.name: self._clicks(case.view.name) for case in chosen}
            self.teacher_miou = mean(itertools.chain(*(self._ious(case.teacher_view) for case in chosen)))
            if not self.teacher_miou > 0:
                raise SamNerfError("the held-out views show no object that the teacher finds; take more --views")
        miou = mean(itertools.chain(*(self._ious(case.view) for case in chosen)))
        return {"miou": miou, "parity": miou / self.teacher_miou}

    def _clicks(self, view: str) -> list[tuple[int, PromptSet]]:
        ids = self.truth.ids(view)
        clicks = {i: interior_clicks(ids == i, self.seed, view, i, count=1) for i in measured_objects(ids)}
        return [(object_id, PromptSet(points=tuple(points))) for object_id, points in clicks.items()]

    def _ious(self, view: View) -> list[float]:
        ids = self.truth.ids(view.name)
        return [
            iou(self._session.segment(view, said, by_depth=False).mask().cpu().numpy(), ids == object_id)
            for object_id, said in self._asked[view.name]
        ]


def _median_or_none(values: list[float | None]) -> float | None:
    """The median; None if it was not reached in every run."""
    reached = [value for value in values if value is not None]
    return median(reached) if len(reached) == len(values) else None


def _line(seed: int, checkpoint: dict[str, float]) -> str:
    return f"seed {seed}  step {checkpoint['step']:5.0f}  {checkpoint['seconds']:7.1f} s  {checkpoint['parity']:.3f}"


def _plot(runs: list[dict[str, Any]], path: Path) -> None:
    with drawn(path, size=(6.4, 3.8)) as (axes,):
        colour_ends = median(run["colour_seconds"] for run in runs)
        ends = max(run["seconds"] for run in runs)
        if colour_ends:
            axes.axvspan(0, colour_ends, color=GREY, alpha=0.12, linewidth=0)
            say(axes, (colour_ends / 2, 0.02), "colour", GREY, "above")
            say(axes, ((colour_ends + ends) / 2, 0.02), "features", GREY, "above")
        axes.axhline(1.0, color=GREY, linewidth=0.8, linestyle=":")
        say(axes, (0, 1.0), "teacher on the true image", GREY, "above right")
        for run in runs:
            seconds_taken = [one["seconds"] for one in run["checkpoints"]]
            parities = [one["parity"] for one in run["checkpoints"]]
            axes.plot(seconds_taken, parities, "o-", color=BLUE, alpha=1.0 if len(runs) == 1 else 0.6)
            if len(runs) == 1:
                for one in run["checkpoints"]:
                    say(axes, (one["seconds"], one["parity"]), f"{one['step']:.0f}", BLUE, "below right")
            else:
                say(axes, (seconds_taken[-1], parities[-1]), f"seed {run['seed']}", BLUE, "right")
        axes.set(xlabel="seconds of training", ylabel="teacher parity of one click", xlim=(0, None), ylim=(0, 1.1))


if __name__ == "__main__":
    tyro.cli(TrainingBenchmark).measure()
