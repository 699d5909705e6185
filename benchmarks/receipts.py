"""What every benchmark writes beside its numbers: the machine, the versions, the commit."""

import importlib.metadata
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from samnerf.atomic_files import write_json

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("torch", "torchvision", "nerfstudio", "segment-anything", "transformers", "numpy")


def write_receipt(name: str, device: str, measured: dict[str, Any], folder: Path = RESULTS) -> Path:
    """Write `<folder>/<name>.json` afresh and return its path."""
    path = folder / f"{name}.json"
    write_json(path, {**measured, "circumstances": circumstances(device)})
    return path


def on_device(name: str, device: str) -> str:
    """The name of a receipt; those of a GPU lie beside those of a CPU."""
    return f"{name}_cuda" if device.startswith("cuda") else name


def circumstances(device: str) -> dict[str, Any]:
    """Hardware, versions, commit and time of a measurement."""
    gpu = torch.cuda.get_device_name() if device.startswith("cuda") else None
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": gpu,
        "python": platform.python_version(),
        "versions": {package: importlib.metadata.version(package) for package in PACKAGES},
    }


def _commit() -> str | None:
    """What was measured; receipts that lie about uncommitted are no part of it."""
    commit = _git("rev-parse", "--short=12", "HEAD")
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ":/", f":(exclude){RESULTS}")
    return f"{commit}-dirty" if commit and changed else commit


def _git(*words: str) -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), *words]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
