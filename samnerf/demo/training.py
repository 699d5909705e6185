"""`ns-train samnerf-tiny` without a second process: loading nerfstudio twice would cost more than all masks."""

import contextlib
import copy
import io
import random
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from samnerf.errors import SamNerfError
from samnerf.scene import TrainedScene

EXPERIMENT = "run"
TIMESTAMP = "demo"


def run_folder(output: Path) -> Path:
    """Where the run's config.yml and checkpoints are."""
    return output / EXPERIMENT / "samnerf-tiny" / TIMESTAMP


def train(
    capture: Path, output: Path, seed: int, steps: int | None, resume: bool, progress: Callable[[int, int], None]
) -> TrainedScene:
    """Train `samnerf-tiny` on a capture whose features were extracted; the run is one of nerfstudio's, in `output`.

    Args:
        capture: folder with `transforms.json`.
        output: the run is written to `run/samnerf-tiny/demo` in it.
        seed: of the weights and of the rays.
        steps: None for as many as the method says.
        resume: go on from the last checkpoint of an earlier, stopped run.
        progress: called with the number of steps done and of all steps.

    Raises:
        SamNerfError: if training diverges.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from nerfstudio.engine.callbacks import TrainingCallback, TrainingCallbackLocation

        from samnerf.configs.methods import samnerf_tiny

    config = copy.deepcopy(samnerf_tiny.config)
    config.output_dir, config.experiment_name, config.timestamp = output, EXPERIMENT, TIMESTAMP
    config.data = config.pipeline.datamanager.data = capture
    config.machine.seed = seed
    config.max_num_iterations = total = steps or config.max_num_iterations
    config.logging.local_writer.enable = False
    config.logging.profiler = "none"
    done = _last_step(run_folder(output)) + 1 if resume else 0
    words = io.StringIO()
    with contextlib.redirect_stdout(words):
        if not done:
            config.save_config()
        if done >= total:
            progress(total, total)
            return TrainedScene.load(run_folder(output) / "config.yml")
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        if done:
            config.load_dir = config.get_checkpoint_dir()
            config.max_num_iterations = total - done
        trainer = config.setup(local_rank=0, world_size=1)
        trainer.setup()
        after = TrainingCallback(
            [TrainingCallbackLocation.AFTER_TRAIN_ITERATION],
            lambda step: progress(step + 1, total),
            update_every_num_iters=1,
        )
        trainer.callbacks.append(after)
        trainer.train()
    pipeline = trainer.pipeline
    if not all(bool(torch.isfinite(parameter).all()) for parameter in pipeline.parameters()):
        raise SamNerfError(f"training of {capture} diverged; try another --seed")
    # Only training anneals, and only its first steps: what is measured here is what a loaded run gives, to the bit.
    pipeline.model.proposal_sampler.set_anneal(1.0)
    return TrainedScene.from_pipeline(pipeline)


def _last_step(run: Path) -> int:
    """Of the newest checkpoint; -1 where there is none."""
    return max((int(path.stem.removeprefix("step-")) for path in run.glob("nerfstudio_models/step-*.ckpt")), default=-1)
