"""What each stage takes of memory, and what is left on the disk: from photographs to masks.

    python benchmarks/memory.py
    python benchmarks/memory.py --device cuda
    python benchmarks/memory.py --views 6 --test-views 1 --side 64 --steps 10 --runs 1 --results FOLDER      # seconds

A capture is ray-traced, and each stage then runs in a fresh process, several times: features are extracted, the method
trains, a held-out view is rendered, prompts are answered on its features. At its end each process says how much memory
it held at most, pages of mapped files included; `start` is one that only imports what training imports. A training of
few steps reaches the peak of a long one: all of its batches are alike. Medians go to `benchmarks/results/memory.json`,
the plot beside it.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tyro
from child_process import run_child
from plots import BLUE, GREY, SKY, bars, drawn
from receipts import RESULTS, on_device, write_receipt
from stopwatch import spread
from timed_training import Method

STAGES = {
    "start": "programs alone",
    "extract": "extracting features",
    "training": "training",
    "view": "rendering a view",
    "segment": "segmenting a view",
}
"""In their order, with what plots call them."""


@dataclass
class MemoryBenchmark:
    """Memory of each stage, and sizes on the disk."""

    device: str = "cpu"
    """cpu or cuda."""
    method: Method = "samnerf-tiny"
    """Of `ns-train`."""
    pair: str = "tiny"
    """Teachers; others than tiny need their weights."""
    views: int = 60
    """Training views of the capture."""
    test_views: int = 10
    """Held-out views of the capture."""
    side: int = 256
    """Pixels along each side of its images."""
    steps: int = 150
    """Of training."""
    runs: int = 3
    """How often each stage runs."""
    results: Path = RESULTS
    """Folder of receipt and plot."""
    told: dict[str, list[dict[str, Any]]] = field(default_factory=dict, init=False)

    def measure(self) -> None:
        """Run, print, draw, and write the receipt."""
        with TemporaryDirectory() as folder:
            capture = Path(folder) / "capture"
            made = {"seed": 21, "views": self.views, "test_views": self.test_views, "side": self.side}
            run_child("stages.py", {"stage": "capture", "capture": capture, **made})
            for _ in range(self.runs):
                config = self._run_stages(capture, Path(folder) / "runs")
            sizes = _sizes(capture, config.parent)
        peaks = {stage: spread([one["peak"] for one in told]) for stage, told in self.told.items()}
        gpu_peaks = {
            stage: spread([one["gpu_peak"] for one in told])
            for stage, told in self.told.items()
            if all(one["gpu_peak"] is not None for one in told)
        }
        name = on_device("memory", self.device)
        measured = {
            "method": self.method,
            "pair": self.pair,
            "images": self.views + self.test_views,
            "image_size": [self.side, self.side],
            "steps": self.steps,
            "peak_bytes": peaks,
            "gpu_peak_bytes": gpu_peaks or None,
            "bytes_on_disk": sizes,
        }
        path = write_receipt(name, self.device, measured, self.results)
        _plot(peaks, gpu_peaks, sizes, self.results / f"{name}.png")
        for stage, peak in peaks.items():
            on_gpu = f"   {gpu_peaks[stage]['median'] / 1e9:6.2f} GB of the GPU" if gpu_peaks else ""
            print(f"{STAGES[stage]:<22} {peak['median'] / 1e9:6.2f} GB{on_gpu}")
        for what, size in sizes.items():
            print(f"{what:<22} {size / 1e6:8.1f} MB")
        print(f"-> {path}")

    def _run_stages(self, capture: Path, output: Path) -> Path:
        """Every stage once, from the beginning; gives the config of the run."""
        for old in (capture / "features", output):
            shutil.rmtree(old, ignore_errors=True)
        of_stage = {"capture": capture, "pair": self.pair, "device": self.device}
        self._note("start", run_child("stages.py", {"stage": "start", **of_stage}))
        self._note("extract", run_child("stages.py", {"stage": "extract", **of_stage}))
        options = {
            "data": capture, "output": output, "method": self.method, "pair": self.pair, "device": self.device,
            "steps": self.steps, "batches": 0,
        }  # fmt: skip
        trained = run_child("train_steps.py", options)
        self._note("training", trained)
        for stage in ("view", "segment"):
            self._note(stage, run_child("stages.py", {"stage": stage, "config": trained["config"], **of_stage}))
        return Path(trained["config"])

    def _note(self, stage: str, told: dict[str, Any]) -> None:
        self.told.setdefault(stage, []).append(told)


def _sizes(capture: Path, run: Path) -> dict[str, int]:
    """Bytes on the disk, by what plots call it."""
    stores = [folder for folder in (capture / "features").iterdir() if folder.name != "pixels" and folder.is_dir()]
    newest = max((run / "nerfstudio_models").glob("*.ckpt"))
    sizes = {"photographs (PNG)": _size(capture / "images"), "decoded pixels": _size(capture / "features" / "pixels")}
    sizes |= {f"features: {folder.name.rpartition('-')[0]}": _size(folder) for folder in sorted(stores)}
    return {**sizes, "checkpoint": newest.stat().st_size}


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _plot(
    peaks: Mapping[str, Mapping[str, float]],
    gpu_peaks: Mapping[str, Mapping[str, float]],
    sizes: Mapping[str, int],
    path: Path,
) -> None:
    columns = 3 if gpu_peaks else 2
    with drawn(path, columns=columns, size=(4.2 * columns, 2.6)) as axes:
        resident = {STAGES[stage]: peak["median"] / 1e9 for stage, peak in peaks.items()}
        bars(axes[0], resident, "{:.2f}", (GREY, *[BLUE] * (len(resident) - 1)))
        axes[0].set(title="memory of the process", xlabel="peak, GB")
        if gpu_peaks:
            on_gpu = {STAGES[stage]: peak["median"] / 1e9 for stage, peak in gpu_peaks.items()}
            bars(axes[1], on_gpu, "{:.2f}", (GREY, *[BLUE] * (len(on_gpu) - 1)))
            axes[1].set(title="memory of the GPU", xlabel="peak, GB")
        bars(axes[-1], {what: size / 1e6 for what, size in sizes.items()}, "{:.1f}", (SKY,))
        axes[-1].set(title="on the disk", xlabel="MB")


if __name__ == "__main__":
    tyro.cli(MemoryBenchmark).measure()
