"""`samnerf synthetic`: a ray-traced scene with exact ground truth, as a nerfstudio capture."""

from dataclasses import dataclass
from pathlib import Path

import tyro


@dataclass
class Synthetic:
    """Write a capture of a random scene: images, cameras, and for each view masks, depth and coverage.

    Interrupt it as you like: the same command goes on where it stopped.
    """

    output: tyro.conf.Positional[Path]
    """Folder for the capture: new, empty, or begun by the same command."""
    seed: int = 0
    """Determines the scene."""
    objects: tuple[int, int] = (5, 9)
    """Least and greatest number of objects."""
    views: int = 60
    """Images for training."""
    test_views: int = 10
    """Images for testing, from cameras between those for training."""
    width: int = 256
    """Of every image, pixels."""
    height: int = 256
    """Of every image, pixels."""
    workers: int | None = None
    """Processes that render. Default: one for each core."""

    def run(self) -> None:
        """Render, and say what stands where."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        from samnerf.preprocessing.synthetic.capture import write_capture
        from samnerf.preprocessing.synthetic.ground_truth import read_ground_truth

        console = Console()
        columns = (TextColumn("rendering"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task("rendering", total=None)
            folder = write_capture(
                self.output, self.seed, self.objects, self.views, self.test_views, self.width, self.height,
                workers=self.workers, progress=lambda done, total: bar.update(task, completed=done, total=total),
            )  # fmt: skip
        names = ", ".join(thing.name for thing in read_ground_truth(folder).objects)
        console.print(f"{self.views} + {self.test_views} views of {names} in {folder}", highlight=False, soft_wrap=True)
