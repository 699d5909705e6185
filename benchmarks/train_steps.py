"""A few steps of `ns-train`, then many batches without a step; the last line printed is JSON.

    python benchmarks/train_steps.py --data CAPTURE --output FOLDER

`training_memory.py`, `memory.py` and `cost.py` start this in a process of its own; the first watches it from outside.
"""

from dataclasses import dataclass
from pathlib import Path

import tyro
from child_process import tell
from stopwatch import now
from timed_training import Loader, Method, TimedTraining


@dataclass
class TrainSteps:
    """The real method, nerfstudio's own trainer."""

    data: Path
    """A capture whose features were extracted."""
    output: Path
    """Where the run is written."""
    method: Method = "samnerf-distill"
    """Of `ns-train`."""
    pair: str = "sam-vit-b"
    """Teachers."""
    device: str = "cpu"
    """cpu or cuda."""
    steps: int = 3
    """Of training."""
    rays: int | None = None
    """Of a step; by default as many as the method says."""
    batches: int = 2000
    """That are drawn afterwards, as a longer training would."""
    loader: Loader = "disk"
    """disk: memory-mapped pixels, as the method has it; memory: nerfstudio's own loader."""

    def run(self) -> None:
        """Train, and print when each phase began (seconds of the monotonic clock) and how long each step took.

        Seconds of the processor are told too: other programs do not lengthen them.
        """
        training = TimedTraining(
            self.data, self.output, self.method, self.pair, self.device, self.steps, self.rays, self.loader
        )
        trainer = training.trainer()
        steps_began = training.train(trainer)
        batches_began = now(self.device)
        for step in range(self.batches):
            trainer.pipeline.datamanager.next_train(self.steps + step)
        told = {
            "phases": {"steps": steps_began, "batches": batches_began, "end": now(self.device)},
            "seconds": training.seconds,
            "processor_seconds": training.processor_seconds,
            "colour_steps": training.colour_steps(trainer),
            "config": str(training.run_folder / "config.yml"),
        }
        tell(self.device, told)


if __name__ == "__main__":
    tyro.cli(TrainSteps).run()
