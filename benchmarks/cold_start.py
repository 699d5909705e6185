"""How long one waits for a program that was not running: help texts, the plugin, and the first mask of a trained scene.

    python benchmarks/cold_start.py
    python benchmarks/cold_start.py --config RUN/config.yml --click 120 80
    python benchmarks/cold_start.py --commands segment --runs 1 --results FOLDER      # seconds

Each command is a fresh process. It runs once beforehand, so that its files are in the system's memory: what is cold is
the program, not the disk. The last bar ends when `samnerf segment` has written the first mask of one click; the process
is then ended. Medians go to `benchmarks/results/cold_start.json`, the plot beside it.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import tyro
from child_process import program, run_to_end
from plots import BLUE, GREY, SKY, bars, drawn
from receipts import RESULTS, on_device, write_receipt
from stopwatch import spread
from view_features import newest_demo

from samnerf.cli.main import COMMANDS
from samnerf.errors import SamNerfError
from samnerf.prompts import Point, PromptFile, PromptSet

FIRST_MASK = "samnerf segment: first mask"
_EVERY = 0.005
"""Seconds between two looks at the folder of masks."""
_PATIENCE = 300.0
"""Seconds that a first mask may take."""


@dataclass
class ColdStart:
    """Programs from nothing to their first answer."""

    config: Path | None = None
    """A trained scene; the demo's by default."""
    click: tuple[float, float] = (128.0, 128.0)
    """Pixel (x, y) in every view, which must be at least that large."""
    commands: tuple[str, ...] = tuple(COMMANDS)
    """Whose help is asked for."""
    plugin: bool = True
    """Whether nerfstudio's `ns-train --help` is measured, too, and what our plugin adds to it."""
    device: str = "cpu"
    """Of the first mask."""
    runs: int = 3
    """How often each is measured, after one run that is not."""
    results: Path = RESULTS
    """Folder of receipt and plot."""
    seconds: dict[str, list[float]] = field(default_factory=dict, init=False)

    def measure(self) -> None:
        """Run, print, draw, and write the receipt."""
        config = self.config or newest_demo()
        self._take("samnerf --help", lambda: run_to_end([program("samnerf"), "--help"]))
        for command in self.commands:
            words = [program("samnerf"), *command.split(), "--help"]
            self._take(f"samnerf {command} --help", lambda words=words: run_to_end(words))
        if self.plugin:
            methods = "import nerfstudio.configs.method_configs"
            self._take("import of samnerf's methods", lambda: run_to_end(_python("import samnerf.configs.methods")))
            self._take("import of all methods", lambda: run_to_end(_python(methods)))
            self._take("ns-train --help", lambda: run_to_end([program("ns-train"), "--help"]))
        self._take(FIRST_MASK, lambda: self._first_mask(config))
        name = on_device("cold_start", self.device)
        measured = {
            "seconds": {what: spread(values) for what, values in self.seconds.items()},
            "runs": self.seconds,
            "click": list(self.click),
        }
        path = write_receipt(name, self.device, measured, self.results)
        self._plot(self.results / f"{name}.png")
        print(f"-> {path}")

    def _take(self, what: str, start: Callable[[], float]) -> None:
        self.seconds[what] = [start() for _ in range(self.runs + 1)][1:]
        print(f"{what:<40} {spread(self.seconds[what])['median']:7.2f} s", flush=True)

    def _first_mask(self, config: Path) -> float:
        with TemporaryDirectory() as folder:
            prompts, output = Path(folder) / "prompts.json", Path(folder) / "masks"
            PromptFile((PromptSet("object", points=(Point(*self.click),)),)).save(prompts)
            command = [
                program("samnerf"), "segment", "--config", str(config), "--prompts", str(prompts),
                "--output", str(output), "--device", self.device,
            ]  # fmt: skip
            with (Path(folder) / "printed").open("w+") as printed:
                began = time.monotonic()
                process = subprocess.Popen(command, stdout=printed, stderr=subprocess.STDOUT)
                try:
                    while not _has_mask(output):
                        ended = process.poll() is not None and not _has_mask(output)
                        if ended or time.monotonic() - began > _PATIENCE:
                            printed.seek(0)
                            raise SamNerfError(f"samnerf segment wrote no mask: {printed.read().strip()[-2000:]}")
                        time.sleep(_EVERY)
                    return time.monotonic() - began
                finally:
                    process.terminate()
                    process.wait()

    def _plot(self, path: Path) -> None:
        medians = {what: spread(values)["median"] for what, values in self.seconds.items()}
        colours = [_colour(what) for what in medians]
        with drawn(path, size=(6.4, 0.8 + 0.24 * len(medians))) as (axes,):
            bars(axes, medians, "{:.2f}", colours)
            axes.set(title="from nothing to the first answer", xlabel="seconds, median")


def _colour(what: str) -> str:
    """Of a bar: our programs, and what nerfstudio takes."""
    if what == FIRST_MASK:
        return BLUE
    return SKY if what.startswith("samnerf ") else GREY


def _python(statement: str) -> list[str]:
    return [sys.executable, "-W", "ignore", "-c", statement]


def _has_mask(output: Path) -> bool:
    """Whether a mask is written whole; one that is being written has a name that begins with a dot."""
    return any(not file.name.startswith(".") for file in (output / "masks").rglob("*.png"))


if __name__ == "__main__":
    tyro.cli(ColdStart).measure()
