"""`samnerf train-teachers`: train the bundled tiny SAM and tiny CLIPSeg from scratch."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from samnerf.errors import SamNerfError


@dataclass
class TrainTeachers:
    """Train the tiny teachers on procedural images; run again after an interruption to go on."""

    output: Path = Path("outputs/teachers")
    """Folder of the runs: images, checkpoints, logs, loss plots, and the weights at the end."""
    only: Literal["both", "sam", "clipseg"] = "both"
    """Which of the two."""
    sam_steps: int | None = None
    """Training steps of the SAM; the default is that of the bundled weights."""
    clipseg_steps: int | None = None
    """Training steps of the CLIPSeg; the default is that of the bundled weights."""
    backbone: Path | None = None
    """Weights of a tiny SAM from whose backbone the CLIPSeg's training goes on; the default is the SAM just trained,
    or with `--only clipseg` the bundled one."""
    scenes: int = 4000
    """Procedural scenes to train on, two images of each."""
    validation_scenes: int = 40
    """Scenes of another seed to measure on, one image of each."""
    seed: int = 1
    """Of the images and of the training."""
    workers: int = 1
    """Processes that make the images."""
    device: str = "cpu"
    """Where to train: cpu or cuda."""
    threads: int | None = None
    """Processor threads of the training; the default is all."""

    def run(self) -> None:
        """Make what is missing of the images, then train.

        Raises:
            SamNerfError: if a number makes no sense, the device is not there, or the folder holds another run.
        """
        for option in ("sam_steps", "clipseg_steps", "scenes", "validation_scenes", "workers", "threads"):
            value = getattr(self, option)
            if value is not None and value < 1:
                raise SamNerfError(f"--{option.replace('_', '-')} is {value} but must be at least 1")
        if self.seed < 0:
            raise SamNerfError(f"--seed is {self.seed} but must not be negative")

        import torch

        from samnerf.preprocessing.synthetic.training_images import VIEWS, TrainingImages

        try:
            torch.zeros(1, device=self.device)
        except (RuntimeError, AssertionError) as error:
            raise SamNerfError(f"--device {self.device} cannot be used; cpu always can") from error
        if self.threads:
            torch.set_num_threads(self.threads)
        pool = TrainingImages(self.output / "images", self.seed, self.scenes, workers=self.workers)
        validation = TrainingImages(
            self.output / "images", self.seed + 1000, self.validation_scenes, workers=self.workers
        )
        for images, views in ((pool, VIEWS), (validation, VIEWS[:1])):
            print(f"{images.count} scenes of seed {images.seed} in {images.folder}", flush=True)
            images.generate(views)
        backbone = self.backbone
        for name in ("sam", "clipseg") if self.only == "both" else (self.only,):
            began = time.monotonic()
            if name == "sam":
                from samnerf.preprocessing.tiny_teachers.sam_training import SamTraining, train_sam

                sam = replace(SamTraining(seed=self.seed), **_given(steps=self.sam_steps))
                weights = train_sam(self.output / "sam", pool, validation, sam, self.device)
                backbone = backbone or weights
            else:
                from samnerf.preprocessing.tiny_teachers.clipseg_training import ClipSegTraining, train_clipseg
                from samnerf.teachers.tiny_sam import WEIGHTS

                clipseg = replace(ClipSegTraining(seed=self.seed), **_given(steps=self.clipseg_steps))
                start = backbone or WEIGHTS
                weights = train_clipseg(self.output / "clipseg", pool, validation, clipseg, start, self.device)
            print(f"{weights} after {(time.monotonic() - began) / 60:.1f} minutes", flush=True)


def _given(**options: int | None) -> dict[str, int]:
    return {name: value for name, value in options.items() if value is not None}
