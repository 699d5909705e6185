"""What the demo reaches, how long it takes, and how far both move from run to run: the figures of the README.

    python benchmarks/demo.py                                # three demos, a quarter of an hour on two cores
    python benchmarks/demo.py --runs 1 --views 12 --test-views 2 --side 64 --steps 20 --results FOLDER     # minutes

`samnerf demo` runs as anyone would start it, each time in a fresh folder and a fresh process, and `samnerf eval scene`
measures its scene once more for what the demo's table leaves out: the agreement of two views. Every score of both goes
to `benchmarks/results/demo.json`, with its median, least and greatest value.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tyro
from child_process import program, run_to_end
from receipts import RESULTS, write_receipt
from stopwatch import spread

from samnerf.atomic_files import read_json
from samnerf.demo.report import ROWS
from samnerf.demo.training import run_folder


@dataclass
class DemoBenchmark:
    """Several demos, one after the other."""

    seed: int = 7
    """Of the scene, the training and the clicks."""
    views: int = 60
    """Training images."""
    test_views: int = 10
    """Held-out images."""
    side: int = 256
    """Pixels along each side of every image."""
    steps: int | None = None
    """Training steps; by default those of samnerf-tiny."""
    runs: int = 3
    """How often everything is made."""
    results: Path = RESULTS
    """Folder of the receipt."""

    def measure(self) -> None:
        """Run, print, and write the receipt."""
        runs = []
        for number in range(1, self.runs + 1):
            runs.append(self._run())
            told = ", ".join(f"{one.words} {one.said(runs[-1].get(one.key, math.nan))}" for one in ROWS)
            print(f"run {number}: {told}", flush=True)
        keys = [key for key in runs[0] if key != "seconds_by_stage" and all(key in run for run in runs)]
        scores = {key: spread([run[key] for run in runs]) for key in keys}
        medians = {one.key: scores[one.key]["median"] if one.key in scores else math.nan for one in ROWS}
        stages = {
            stage: spread([run["seconds_by_stage"][stage] for run in runs]) for stage in runs[0]["seconds_by_stage"]
        }
        reached = {one.key: one.reached(medians) for one in ROWS if one.goal is not None}
        options = {key: value for key, value in asdict(self).items() if key not in ("runs", "results")}
        measured = {"options": options, "scores": scores, "goals_reached": reached, "seconds_by_stage": stages}
        print(f"-> {write_receipt('demo', 'cpu', measured, self.results)}")

    def _run(self) -> dict[str, Any]:
        """Every number of one demo, and seconds of its stages."""
        with TemporaryDirectory() as folder:
            demo, evaluation = Path(folder) / "demo", Path(folder) / "evaluation"
            size = ["--width", str(self.side), "--height", str(self.side)]
            count = ["--views", str(self.views), "--test-views", str(self.test_views)]
            steps = [] if self.steps is None else ["--steps", str(self.steps)]
            run_to_end(
                [program("samnerf"), "demo", "--output", str(demo), "--seed", str(self.seed), *size, *count, *steps]
            )
            config = run_folder(demo) / "config.yml"
            run_to_end(
                [
                    program("samnerf"), "eval", "scene", "--config", str(config), "--seed", str(self.seed),
                    "--output", str(evaluation),
                ]
            )  # fmt: skip
            told = read_json(demo / "metrics.json", "scores of a demo")
            scores = read_json(evaluation / "results.json", "report")["scores"]
            return {**_numbers(scores), **_numbers(told), "seconds_by_stage": told["seconds_by_stage"]}


def _numbers(found: Mapping[str, Any]) -> dict[str, float]:
    return {key: value for key, value in found.items() if isinstance(value, int | float)}


if __name__ == "__main__":
    tyro.cli(DemoBenchmark).measure()
