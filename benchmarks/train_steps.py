"""A few steps of `ns-train samnerf-distill`, then many batches without a step; the last line printed is JSON.

    python benchmarks/train_steps.py --data CAPTURE --output FOLDER

`training_memory.py` starts this in a process of its own and watches that from outside.
"""

import copy
import itertools
import json
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
import tyro
from nerfstudio.engine.callbacks import TrainingCallback, TrainingCallbackLocation

from samnerf.configs.methods import samnerf_distill
from samnerf.distill.datamanager import SamNerfDataManagerConfig
from samnerf.distill.model import SamNerfModelConfig

Loader = Literal["disk", "memory"]


@dataclass
class TrainSteps:
    """The real method, nerfstudio's own trainer."""

    data: Path
    """A capture whose features were extracted."""
    output: Path
    """Where the run is written."""
    pair: str = "sam-vit-b"
    """Teachers."""
    device: str = "cpu"
    """cpu or cuda."""
    steps: int = 3
    """Of training."""
    rays: int = 4096
    """Of a step."""
    batches: int = 2000
    """That are drawn afterwards, as a longer training would."""
    loader: Loader = "disk"
    """disk: memory-mapped pixels, as the method has it; memory: nerfstudio's own loader."""

    def run(self) -> None:
        """Train, and print when each phase began (seconds of the monotonic clock) and how long each step took.

        Seconds of the processor are told too: other programs do not lengthen them.
        """
        config = copy.deepcopy(samnerf_distill.config)
        config.output_dir, config.experiment_name, config.timestamp = self.output, "memory", "run"
        config.data = config.pipeline.datamanager.data = self.data
        config.machine.device_type = "cuda" if self.device.startswith("cuda") else "cpu"
        config.max_num_iterations = self.steps
        config.vis = "tensorboard"
        config.logging.local_writer.enable = False
        config.logging.profiler = "none"
        datamanager, model = config.pipeline.datamanager, config.pipeline.model
        assert isinstance(datamanager, SamNerfDataManagerConfig)
        assert isinstance(model, SamNerfModelConfig)
        datamanager.train_num_rays_per_batch = datamanager.eval_num_rays_per_batch = self.rays
        if self.loader == "memory":
            datamanager.train_num_images_to_sample_from = datamanager.eval_num_images_to_sample_from = 1 << 30
        model.pair = self.pair
        if self.device == "cpu":
            model.implementation = "torch"
        random.seed(0)
        torch.manual_seed(0)
        trainer = config.setup(local_rank=0, world_size=1)
        trainer.setup()
        times, processor = [_now(self.device)], [time.process_time()]

        def note(step: int) -> None:
            times.append(_now(self.device))
            processor.append(time.process_time())

        trainer.callbacks.append(
            TrainingCallback([TrainingCallbackLocation.AFTER_TRAIN_ITERATION], note, update_every_num_iters=1)
        )
        trainer.train()
        began = _now(self.device)
        for step in range(self.batches):
            trainer.pipeline.datamanager.next_train(self.steps + step)
        phases = {"steps": times[0], "batches": began, "end": _now(self.device)}
        told = {"phases": phases, "seconds": _differences(times), "processor_seconds": _differences(processor)}
        print(json.dumps(told))


def _differences(times: list[float]) -> list[float]:
    return [after - before for before, after in itertools.pairwise(times)]


def _now(device: str) -> float:
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.monotonic()


if __name__ == "__main__":
    tyro.cli(TrainSteps).run()
