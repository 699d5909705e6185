"""Extraction and training against the number of images: seconds, steps a second, memory."""

import shutil
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from child_process import run_child
from stopwatch import spread


def cost_of_images(device: str, images: tuple[int, ...], side: int, steps: int, runs: int) -> list[dict[str, Any]]:
    """A row for each number of images: `samnerf extract` and `samnerf-tiny` in processes of their own.

    Args:
        device: cpu or cuda.
        images: of training; two more are held out.
        side: pixels along each side of an image.
        steps: of training; the first fifth teaches colour.
        runs: how often each is measured.
    """
    return [_row(device, count, side, steps, runs) for count in images]


def _row(device: str, images: int, side: int, steps: int, runs: int) -> dict[str, Any]:
    extracted, trained = [], []
    with TemporaryDirectory() as folder:
        capture = Path(folder) / "capture"
        made = {"views": images, "test_views": 2, "side": side}
        run_child("stages.py", {"stage": "capture", "capture": capture, **made})
        for _ in range(runs):
            shutil.rmtree(capture / "features", ignore_errors=True)
            extracted.append(run_child("stages.py", {"stage": "extract", "capture": capture, "device": device}))
            options = {
                "data": capture, "output": Path(folder) / "runs", "method": "samnerf-tiny", "pair": "tiny",
                "device": device, "steps": steps, "batches": 0,
            }  # fmt: skip
            trained.append(run_child("train_steps.py", options))
    colour = trained[0]["colour_steps"]
    return {
        "images": images,
        "extraction_seconds": spread([one["seconds"] for one in extracted]),
        "extraction_peak_bytes": spread([one["peak"] for one in extracted]),
        "colour_steps_per_second": spread([1 / median(one["seconds"][:colour]) for one in trained]),
        "feature_steps_per_second": spread([1 / median(one["seconds"][colour:]) for one in trained]),
        "training_peak_bytes": spread([one["peak"] for one in trained]),
        "training_gpu_peak_bytes": None if device == "cpu" else spread([one["gpu_peak"] for one in trained]),
    }
