"""`samnerf prepare`: a data set, as it was published, made into a capture."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro


@dataclass
class Prepare:
    """Write the transforms.json that makes a published scene a capture; its photographs stay where they are.

    Interrupt it as you like: the same command goes on where it stopped, and changes nothing where all is done.
    """

    dataset: tyro.conf.Positional[Literal["mipnerf360"]]
    """The layout: mipnerf360 has images, images_2, images_4, images_8, and COLMAP's sparse/0 or LLFF's
    poses_bounds.npy."""
    scene: tyro.conf.Positional[Path]
    """Folder of the scene, such as 360_v2/garden."""
    output: Path | None = None
    """Folder for transforms.json and sparse_pc.ply. Default: the scene's own."""
    scale: Literal["auto", 1, 2, 4, 8] = "auto"
    """Which images: 1 for images, 4 for images_4 and so on; auto takes the first whose longer side has at most
    1600 pixels."""
    poses: Literal["auto", "colmap", "llff"] = "auto"
    """Where cameras come from; auto takes COLMAP's model where there is one."""
    test_every: int = 8
    """Every nth image in the order of names, counted from the first, is for testing."""
    make_images: bool = False
    """Resize images into the folder of the scale where it is missing or incomplete."""

    def run(self) -> None:
        """Prepare, and say what came of it."""
        import warnings

        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        # nerfstudio was written for an older torch, which says so in every other line.
        warnings.filterwarnings("ignore", module="nerfstudio|torch")
        from samnerf.preprocessing.image_folders import folder_of
        from samnerf.preprocessing.mipnerf360 import prepare_scene

        console = Console()
        columns = (TextColumn("resizing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task("resizing", total=None, visible=False)

            def resized(done: int, total: int) -> None:
                bar.update(task, completed=done, total=total, visible=True)

            made = prepare_scene(
                self.scene, self.output, self.scale, self.poses, self.test_every, self.make_images, resized
            )
        words = [f"{made.train} + {made.test} images of {folder_of(made.scale)}, poses by {made.poses.upper()}"]
        words += [f"{made.points} sparse points"] if made.points else []
        words += [f"{made.made} images resized"] if made.made else []
        words += [f"{made.without_pose} images without a pose left out"] if made.without_pose else []
        state = "in" if made.changed else "already in"
        console.print(f"{', '.join(words)}, {state} {made.transforms}", highlight=False, soft_wrap=True)
