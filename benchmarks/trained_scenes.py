"""Trained synthetic scenes that benchmarks share; made once, in some minutes each, and kept in `outputs/scenes`."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from samnerf.configs.methods import TINY_STEPS
from samnerf.demo.training import run_folder, train
from samnerf.preprocessing.extraction import extract_features
from samnerf.preprocessing.synthetic.capture import write_capture
from samnerf.preprocessing.synthetic.ground_truth import GroundTruth, read_ground_truth
from samnerf.preprocessing.synthetic.scene import Scene, random_scene
from samnerf.scene import TrainedScene
from samnerf.teachers.pairs import PAIRS, installed_weights_hash

FOLDER = Path("outputs/scenes")
PAIR = "tiny"


@dataclass
class SyntheticScene:
    """A scene made in code, and what was trained on it.

    Attributes:
        seed: of the scene and of the training.
        world: the solids themselves, in the frame of the capture.
        truth: masks, depth and coverage of the capture's frames.
        trained: `samnerf-tiny` on the capture.
    """

    seed: int
    world: Scene
    truth: GroundTruth
    trained: TrainedScene


def trained_scene(seed: int, steps: int | None = None) -> SyntheticScene:
    """The scene of a seed as the demo has it: 60 training and 10 test views of 256 x 256 pixels.

    What was trained on features of other teachers, or longer, is of no use, so it has another folder.
    """
    teachers = "-".join(installed_weights_hash(PAIR, kind)[:6] for kind in PAIRS[PAIR])
    folder = FOLDER / f"seed-{seed}-{teachers}-{steps or TINY_STEPS}-steps"
    capture, config = folder / "capture", run_folder(folder) / "config.yml"
    write_capture(capture, seed)
    if not (folder / "trained").exists():
        extract_features(capture, PAIR)
        with Progress(console=Console(stderr=True)) as progress:
            task = progress.add_task(f"training scene {seed}", total=None)
            train(
                capture, folder, seed, steps, True,
                lambda done, total: progress.update(task, completed=done, total=total),
            )  # fmt: skip
        (folder / "trained").touch()
    return SyntheticScene(seed, random_scene(seed), read_ground_truth(capture), TrainedScene.load(config))
