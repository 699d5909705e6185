"""Nerfstudio's own trainer on one of our methods, its steps timed one by one."""

import contextlib
import copy
import io
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from nerfstudio.engine.callbacks import TrainingCallback, TrainingCallbackLocation
from nerfstudio.engine.trainer import Trainer, TrainerConfig
from stopwatch import now

from samnerf.configs.methods import samnerf_distill, samnerf_tiny
from samnerf.distill.datamanager import SamNerfDataManagerConfig
from samnerf.distill.model import SamNerfModelConfig

Method = Literal["samnerf-tiny", "samnerf-distill"]
Loader = Literal["disk", "memory"]
_METHODS = {"samnerf-tiny": samnerf_tiny, "samnerf-distill": samnerf_distill}


@dataclass
class TimedTraining:
    """One training; the run is one of nerfstudio's, `<output>/run/<method>/run`.

    Attributes:
        data: a capture whose features were extracted.
        output: where the run is written.
        method, pair: and the teachers whose features it distils.
        device: cpu or cuda.
        steps, rays: how many, and rays of each; None for as many as the method says.
        loader: disk: memory-mapped pixels, as the method has it; memory: nerfstudio's own loader.
        seed: of weights and rays.
        seconds, processor_seconds: of each step, with what nerfstudio does between steps, such as saving. Other
            programs lengthen the former only.
    """

    data: Path
    output: Path
    method: Method = "samnerf-tiny"
    pair: str = "tiny"
    device: str = "cpu"
    steps: int | None = None
    rays: int | None = None
    loader: Loader = "disk"
    seed: int = 0
    seconds: list[float] = field(default_factory=list, init=False)
    processor_seconds: list[float] = field(default_factory=list, init=False)

    @property
    def run_folder(self) -> Path:
        """Where config.yml and checkpoints are."""
        return self.output / "run" / self.method / "run"

    def trainer(self) -> Trainer:
        """Ready for the first step: images are decoded, feature stores open."""
        config = self._config()
        random.seed(self.seed)
        np.random.seed(self.seed)
        torch.manual_seed(self.seed)
        with contextlib.redirect_stdout(io.StringIO()):
            config.save_config()
            trainer = config.setup(local_rank=0, world_size=1)
            trainer.setup()
        return trainer

    def train(self, trainer: Trainer, pause: Callable[[int, Any], None] | None = None) -> float:
        """Take all steps and say when the first one began, by the monotonic clock.

        Args:
            trainer: of this training.
            pause: called after each step with the number of steps done and the pipeline; its time does not count, and
                what it draws at random changes nothing in the training.
        """
        lap = _Lap(self.device)

        def note(step: int) -> None:
            wall, processor = lap.seconds()
            self.seconds.append(wall)
            self.processor_seconds.append(processor)
            if pause is not None:
                with torch.random.fork_rng():
                    pause(step + 1, trainer.pipeline)
                lap.restart()

        after = TrainingCallback([TrainingCallbackLocation.AFTER_TRAIN_ITERATION], note, update_every_num_iters=1)
        trainer.callbacks.append(after)
        with contextlib.redirect_stdout(io.StringIO()):
            lap.restart()
            began = lap.began
            trainer.train()
        return began

    def colour_steps(self, trainer: Trainer) -> int:
        """How many first steps teach colour alone; the others teach features, or both where there are none."""
        datamanager = trainer.config.pipeline.datamanager
        assert isinstance(datamanager, SamNerfDataManagerConfig)
        return int(datamanager.colour_share * trainer.config.max_num_iterations)

    def _config(self) -> TrainerConfig:
        config = copy.deepcopy(_METHODS[self.method].config)
        config.output_dir, config.experiment_name, config.timestamp = self.output, "run", "run"
        config.data = config.pipeline.datamanager.data = self.data
        config.machine.device_type = "cuda" if self.device.startswith("cuda") else "cpu"
        config.machine.seed = self.seed
        config.max_num_iterations = self.steps or config.max_num_iterations
        config.vis = "tensorboard"
        config.logging.local_writer.enable = False
        config.logging.profiler = "none"
        datamanager, model = config.pipeline.datamanager, config.pipeline.model
        assert isinstance(datamanager, SamNerfDataManagerConfig)
        assert isinstance(model, SamNerfModelConfig)
        if self.rays is not None:
            datamanager.train_num_rays_per_batch = datamanager.eval_num_rays_per_batch = self.rays
        if self.loader == "memory":
            datamanager.train_num_images_to_sample_from = datamanager.eval_num_images_to_sample_from = 1 << 30
        model.pair = self.pair
        if self.device == "cpu":
            model.implementation = "torch"
        return config


class _Lap:
    """Seconds since the last lap, of the clock and of the processor."""

    def __init__(self, device: str) -> None:
        self._device = device
        self.restart()

    def restart(self) -> None:
        self.began, self._processor = now(self._device), time.process_time()

    def seconds(self) -> tuple[float, float]:
        began, processor = self.began, self._processor
        self.restart()
        return self.began - began, self._processor - processor
