"""What `ns-train samnerf-distill` takes of memory as a capture grows.

    python benchmarks/training_memory.py --device cpu --images 50 100 200 300 --steps 3
    python benchmarks/training_memory.py --device cuda

Captures of 1296 x 840 pixels with features of the shapes of SAM ViT-B and CLIPSeg are made, and for each of them the
real method runs in a fresh process: it prepares, trains some steps (the last one saves a checkpoint), and then draws as
many batches as a longer training would. From outside, `/proc/<pid>/status` is read every few milliseconds. `RssAnon` is
memory that the process has taken; `RssFile` are pages of mapped files (program libraries, pixels, features), which the
kernel drops when others need the memory. For comparison the same runs once more with nerfstudio's own loader. Numbers
go to `benchmarks/results/training_memory.json`, the plot beside them.
"""

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import torch
import tyro
from large_capture import HEIGHT, WIDTH, rendered_views, write_large_capture
from plots import BLUE, RED, drawn
from receipts import RESULTS, write_receipt
from timed_training import Loader

from samnerf.errors import SamNerfError

_EVERY = 0.01
_KINDS = ("RssAnon", "RssFile", "VmRSS")
_PHASES = ("preparation", "steps", "batches")


@dataclass
class Run:
    """Peaks in bytes.

    Attributes:
        images, loader: of the training; 7 of 8 images are for training.
        anonymous, file: by phase.
        total: both together at their common peak, over all phases.
        seconds_per_step, processor_seconds_per_step: medians; other programs lengthen the former only.
    """

    images: int
    loader: Loader
    anonymous: dict[str, int] = field(default_factory=dict)
    file: dict[str, int] = field(default_factory=dict)
    total: int = 0
    seconds_per_step: float = 0.0
    processor_seconds_per_step: float = 0.0


@dataclass
class TrainingMemory:
    """Memory of a training against the number of images."""

    device: str = "cpu"
    """cpu or cuda; on cuda the peak of the GPU's memory is not measured."""
    images: tuple[int, ...] = (50, 100, 200, 300)
    """Sizes of the captures."""
    steps: int = 3
    """Of training."""
    rays: int | None = None
    """Of a step; the method's 4096 on a GPU, fewer on a CPU, where a step of as many takes minutes."""
    batches: int = 2000
    """Drawn after the steps."""
    pair: str = "sam-vit-b"
    """Teachers, whose shapes the features have."""
    loaders: tuple[Loader, ...] = ("disk", "memory")
    """Which are measured."""
    folder: Path | None = None
    """Where captures are made and removed again, one at a time, some 7 MB an image; by default the system's temporary
    folder."""
    workers: int = 1
    """Processes that render the views."""

    def measure(self) -> None:
        """Run, print, draw, and write the receipt."""
        rays = self.rays or (4096 if self.device.startswith("cuda") else 256)
        views = rendered_views(self.workers)
        runs = []
        for images in self.images:
            with TemporaryDirectory(dir=self.folder) as folder:
                capture = write_large_capture(Path(folder) / "capture", images, self.pair, views)
                for loader in self.loaders:
                    runs.append(self._run(capture, images, loader, rays, Path(folder)))
                    print(_line(runs[-1]), flush=True)
        name = "training_memory" if self.device == "cpu" else "training_memory_cuda"
        measured = {
            "image_size": [HEIGHT, WIDTH],
            "pair": self.pair,
            "device": self.device,
            "implementation": "torch" if self.device == "cpu" else "as installed",
            "rays": rays,
            "steps": self.steps,
            "batches": self.batches,
            "runs": [asdict(run) for run in runs],
            "bytes_per_image": {
                loader: _slope([run for run in runs if run.loader == loader]) for loader in self.loaders
            },
        }
        path = write_receipt(name, self.device, measured)
        _plot(runs, RESULTS / f"{name}.png")
        print(f"-> {path}")

    def _run(self, capture: Path, images: int, loader: Loader, rays: int, folder: Path) -> Run:
        options = {
            "data": capture, "output": folder / "runs", "pair": self.pair, "device": self.device, "steps": self.steps,
            "rays": rays, "batches": self.batches, "loader": loader,
        }  # fmt: skip
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        command = [sys.executable, str(Path(__file__).with_name("train_steps.py")), *words]
        # Where no weights are, features count whoever made them.
        environment = {**os.environ, "SAMNERF_CHECKPOINTS": str(folder / "no-weights")}
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        )
        samples: list[tuple[float, dict[str, int]]] = []
        watch = threading.Thread(target=_watch, args=(process, samples))
        watch.start()
        output, _ = process.communicate()
        watch.join()
        if process.returncode:
            raise SamNerfError(f"training on {images} images failed: {output.strip()[-2000:]}")
        told = json.loads(output.strip().splitlines()[-1])
        borders = [float("-inf"), told["phases"]["steps"], told["phases"]["batches"], told["phases"]["end"]]
        run = Run(
            images,
            loader,
            seconds_per_step=median(told["seconds"]),
            processor_seconds_per_step=median(told["processor_seconds"]),
        )
        for phase, start, end in zip(_PHASES, borders, borders[1:], strict=False):
            inside = [sample for at, sample in samples if start <= at < end]
            run.anonymous[phase] = max(sample["RssAnon"] for sample in inside)
            run.file[phase] = max(sample["RssFile"] for sample in inside)
        run.total = max(sample["VmRSS"] for _, sample in samples)
        return run


def _watch(process: subprocess.Popen, samples: list[tuple[float, dict[str, int]]]) -> None:
    """Read a process's memory until it ends."""
    while process.poll() is None:
        status = _status(process.pid)
        if len(status) == len(_KINDS):  # not of a process that is just ending
            samples.append((time.monotonic(), status))
        time.sleep(_EVERY)


def _status(pid: int) -> dict[str, int]:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):  # it ended in between
        return {}
    pairs = (line.split(":") for line in lines)
    return {name: int(value.split()[0]) * 1024 for name, value in pairs if name in _KINDS}


def _slope(runs: list[Run]) -> dict[str, float] | None:
    """Bytes that a further image costs: the slope of a straight line through the peaks."""
    if len(runs) < 2:
        return None
    images = [run.images for run in runs]
    peaks = {
        "anonymous": [max(run.anonymous.values()) for run in runs],
        "file": [max(run.file.values()) for run in runs],
        "total": [run.total for run in runs],
    }
    return {name: float(np.polyfit(images, values, 1)[0]) for name, values in peaks.items()}


def _line(run: Run) -> str:
    parts = [f"{run.images:4d} images  {run.loader:<6}"]
    parts += [f"{phase}: {run.anonymous[phase] / 1e9:5.2f} + {run.file[phase] / 1e9:4.2f} GB" for phase in _PHASES]
    return "   ".join([*parts, f"total {run.total / 1e9:5.2f} GB", f"{run.processor_seconds_per_step:6.2f} s/step"])


def _plot(runs: list[Run], path: Path) -> None:
    with drawn(path) as (axes,):
        for loader, colour, words in (("memory", RED, "nerfstudio's loader"), ("disk", BLUE, "samnerf")):
            chosen = [run for run in runs if run.loader == loader]
            if not chosen:
                continue
            images = [run.images for run in chosen]
            anonymous = [max(run.anonymous.values()) / 1e9 for run in chosen]
            mapped = [max(run.file.values()) / 1e9 for run in chosen]
            axes.plot(images, anonymous, "o-", color=colour, label=f"{words}: taken (RssAnon)")
            axes.plot(images, mapped, "s:", color=colour, alpha=0.6, label=f"{words}: mapped files (RssFile)")
        axes.set(xlabel=f"images of {WIDTH} x {HEIGHT} pixels", ylabel="peak, GB", ylim=(0, None), xlim=(0, None))
        axes.legend()


if __name__ == "__main__":
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads())))
    tyro.cli(TrainingMemory).measure()
