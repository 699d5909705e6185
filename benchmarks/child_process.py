"""Programs in processes of their own: those of this folder, which tell of themselves, and installed ones.

A program of this folder says in its last line what it found, and how much memory it took. From outside one would only
hear `ru_maxrss`, which a child on Linux inherits from the process that started it, so that a small child of a large
parent looks large.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from samnerf.errors import SamNerfError


def run_child(script: str, options: Mapping[str, object]) -> dict[str, Any]:
    """Run a program of this folder and return what it told.

    Args:
        script: its file name.
        options: its arguments, by name; an underscore stands for a hyphen.

    Raises:
        SamNerfError: if it failed, with the end of what it printed.
    """
    words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    command = [sys.executable, str(Path(__file__).with_name(script)), *words]
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if ended.returncode:
        raise SamNerfError(f"{script} {' '.join(words)} failed: {ended.stdout.strip()[-2000:]}")
    return json.loads(ended.stdout.strip().splitlines()[-1])


def program(name: str) -> str:
    """A program of the environment that runs this.

    Raises:
        SamNerfError: if it is not there.
    """
    path = Path(sys.executable).with_name(name)
    if not path.is_file():
        raise SamNerfError(f"there is no {name} beside {sys.executable}; install the package with `make setup`")
    return str(path)


def run_to_end(command: Sequence[str]) -> float:
    """Seconds until a program has ended well.

    Raises:
        SamNerfError: if it failed, with the end of what it printed.
    """
    began = time.monotonic()
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    seconds = time.monotonic() - began
    if ended.returncode:
        raise SamNerfError(f"{' '.join(command)} failed: {ended.stdout.strip()[-2000:]}")
    return seconds


def tell(device: str, facts: Mapping[str, object]) -> None:
    """Print the last line: the facts, and the most memory that this process and its part of the GPU took, bytes."""
    gpu = None
    if device.startswith("cuda"):
        import torch

        gpu = torch.cuda.max_memory_allocated()
    print(json.dumps({**facts, "peak": peak_memory(), "gpu_peak": gpu}), flush=True)


def peak_memory() -> int:
    """The most memory that this process held at once, bytes, pages of mapped files included (VmHWM of Linux).

    Raises:
        SamNerfError: if the system does not say.
    """
    try:
        lines = Path(f"/proc/{os.getpid()}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration) as error:
        raise SamNerfError("this system does not tell how much memory a process took; run it on Linux") from error
