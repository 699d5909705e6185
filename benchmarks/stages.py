"""One stage of the way from photographs to masks, in a process of its own; the last line printed is JSON.

    python benchmarks/stages.py --stage extract --capture CAPTURE

`memory.py` and `cost.py` start this; a training is a stage of `train_steps.py`.
"""

import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro
from child_process import tell

Stage = Literal["capture", "start", "extract", "view", "segment"]


@dataclass
class Stages:
    """What one process does, and how long it took without what it had to import."""

    stage: Stage
    """capture: ray-trace one; start: import what training imports, and no more; extract: every image through the
    teachers; view: colour, depth and features of a held-out view; segment: a click, a box and words on its features."""
    capture: Path
    """Folder of the capture; `capture` makes it, `extract` reads it."""
    config: Path | None = None
    """config.yml of a run, for view and segment."""
    pair: str = "tiny"
    """Teachers of extract."""
    device: str = "cpu"
    """cpu or cuda."""
    seed: int = 21
    """Of the capture."""
    views: int = 60
    """Training views of the capture."""
    test_views: int = 10
    """Held-out views of the capture."""
    side: int = 256
    """Pixels along each side of its images."""

    def run(self) -> None:
        """Do it, and print seconds and peaks."""
        warnings.filterwarnings("ignore", module="nerfstudio|torch|timm")
        works = {
            "capture": self._capture,
            "start": self._start,
            "extract": self._extract,
            "view": self._view,
            "segment": self._segment,
        }
        tell(self.device, {"seconds": works[self.stage]()})

    def _capture(self) -> float:
        from samnerf.preprocessing.synthetic.capture import write_capture

        began = time.monotonic()
        write_capture(self.capture, self.seed, (5, 9), self.views, self.test_views, self.side, self.side)
        return time.monotonic() - began

    def _start(self) -> float:
        import importlib

        began = time.monotonic()
        for module in ("timed_training", "samnerf.scene"):
            importlib.import_module(module)
        return time.monotonic() - began

    def _extract(self) -> float:
        from stopwatch import seconds

        from samnerf.preprocessing.extraction import extract_features

        return seconds(lambda: extract_features(self.capture, self.pair, device=self.device), self.device)

    def _view(self) -> float:
        from stopwatch import seconds

        scene, name, camera = self._scene()
        view = scene.view(camera, name)
        return seconds(lambda: (view.rgb, view.depth, view.feature_map("sam")), self.device)

    def _segment(self) -> float:
        from stopwatch import seconds

        from samnerf.cli.scene_session import load_session
        from samnerf.prompts import Box, Phrase, Point, PromptSet

        scene, name, camera = self._scene()
        session, view = load_session(scene.pair, True, self.device), scene.view(camera, name)
        height, width = camera.image_size
        prompts = (
            PromptSet(points=(Point(width / 2, height / 2),)),
            PromptSet(boxes=(Box(width / 4, height / 4, 3 * width / 4, 3 * height / 4),)),
            PromptSet(phrase=Phrase("striped red cube", threshold=0.0)),
        )
        return seconds(lambda: [session.segment(view, said).mask() for said in prompts], self.device)

    def _scene(self) -> tuple[Any, str, Any]:
        """The scene, and name and camera of its first held-out view."""
        from samnerf.errors import SamNerfError
        from samnerf.scene import TrainedScene

        if self.config is None:
            raise SamNerfError(f"the stage {self.stage} needs --config RUN/config.yml")
        scene = TrainedScene.load(self.config, self.device)
        name, camera = scene.cameras("test")[0]
        return scene, name, camera


if __name__ == "__main__":
    tyro.cli(Stages).run()
