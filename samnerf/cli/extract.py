"""`samnerf extract`: teacher features of every image of a capture."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro


@dataclass
class Extract:
    """Run the teachers on every image of a capture and store their features.

    Interrupt it as you like: the same command goes on where it stopped.
    """

    capture: tyro.conf.Positional[Path]
    """Folder with nerfstudio's transforms.json and images, or that JSON file."""
    teachers: str = "tiny"
    """Pair of teachers: tiny, sam-vit-b, sam-vit-l or sam-vit-h."""
    kinds: tuple[Literal["sam", "clipseg"], ...] = ("sam", "clipseg")
    """Which teachers of the pair."""
    layout: Literal["letterbox", "stretch"] | None = None
    """How images lie on the square grid: letterbox keeps the aspect, stretch fills it. Default: each teacher's own."""
    output: Path | None = None
    """Folder for the feature stores. Default: features/ in the capture."""
    device: str = "auto"
    """Where to run the teachers, e.g. cpu or cuda; auto takes a GPU if there is one."""
    compile: bool = False
    """Let torch compile SAM's image encoder first; takes a minute or so, and pays on a GPU and hundreds of images."""

    def run(self) -> None:
        """Extract, and say what came of it."""
        import torch
        from rich.console import Console

        from samnerf.preprocessing.extraction import extract_features

        console = Console()
        device = self.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        stores = extract_features(
            self.capture,
            self.teachers,
            self.kinds,
            self.layout,
            device,
            features=self.output,
            console=console,
            compiled=self.compile,
        )
        for store in stores.values():
            made = store.manifest
            console.print(
                f"{made.teacher}: {len(made.images)} images, {made.channels} channels on {made.side} x {made.side} "
                f"cells ({made.layout}) in {store.folder}",
                highlight=False,
                soft_wrap=True,
            )
