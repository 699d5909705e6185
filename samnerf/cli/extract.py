"""`samnerf extract`: teacher features of every image of captures."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

if TYPE_CHECKING:
    from rich.console import Console

    from samnerf.feature_store import FeatureStore


@dataclass
class Extract:
    """Run the teachers on every image of captures and store their features.

    Interrupt it as you like: the same command goes on where it stopped. With --engine ray the images are spread over
    the GPUs or cores of a Ray cluster (pip install 'samnerf[scale]'); see docs/scale.md.
    """

    captures: tyro.conf.Positional[tuple[Path, ...]]
    """Folders with nerfstudio's transforms.json and images, or these JSON files."""
    teachers: str = "tiny"
    """Pair of teachers: tiny, sam-vit-b, sam-vit-l or sam-vit-h."""
    kinds: tuple[Literal["sam", "clipseg"], ...] = ("sam", "clipseg")
    """Which teachers of the pair."""
    layout: Literal["letterbox", "stretch"] | None = None
    """How images lie on the square grid: letterbox keeps the aspect, stretch fills it. Default: each teacher's own."""
    output: Path | None = None
    """Folder for the feature stores of a single capture. Default: features/ in each capture."""
    device: str = "auto"
    """Where to run the teachers, e.g. cpu or cuda; auto takes a GPU if there is one."""
    compile: bool = False
    """Let torch compile SAM's image encoder first; takes a minute or so, and pays on a GPU and hundreds of images."""
    engine: Literal["plain", "ray"] = "plain"
    """plain: in this process; ray: by the workers of a Ray cluster, or of a Ray on this machine."""
    address: str | None = None
    """Of the Ray cluster: host:port of its head, auto on a machine of it, or local for a Ray of its own. Default: what
    RAY_ADDRESS says, else local."""
    workers: int | None = None
    """Ray workers. Default: as many as the cluster has room for."""
    cpus_per_worker: float | None = None
    """Cores of a Ray worker. Default: 1."""
    gpus_per_worker: float | None = None
    """GPUs of a Ray worker; 0.5 lets two share one. Default: 1 where the cluster has any, else 0."""

    def run(self) -> None:
        """Extract, and say what came of it."""
        from rich.console import Console

        from samnerf.errors import SamNerfError

        if not self.captures:
            raise SamNerfError("no capture was named; give at least one folder with a transforms.json")
        if self.output is not None and len(self.captures) > 1:
            raise SamNerfError(f"--output is the folder of one capture, and {len(self.captures)} were named")
        ray_only = (self.address, self.workers, self.cpus_per_worker, self.gpus_per_worker)
        if self.engine == "plain" and any(value is not None for value in ray_only):
            raise SamNerfError("--address, --workers, --cpus-per-worker and --gpus-per-worker belong to --engine ray")
        if self.workers is not None and self.workers < 1:
            raise SamNerfError(f"--workers is {self.workers} but must be at least 1")
        console = Console()
        stores = self._on_ray(console) if self.engine == "ray" else self._here(console)
        for store in stores:
            made = store.manifest
            console.print(
                f"{made.teacher}: {len(made.images)} images, {made.channels} channels on {made.side} x {made.side} "
                f"cells ({made.layout}) in {store.folder}",
                highlight=False,
                soft_wrap=True,
            )

    def _here(self, console: "Console") -> Iterator["FeatureStore"]:
        from samnerf.cli.scene_session import chosen_device
        from samnerf.preprocessing.extraction import extract_features

        device = chosen_device(self.device)
        for capture in self.captures:
            stores = extract_features(
                capture, self.teachers, self.kinds, self.layout, device, self.output, console, self.compile
            )
            yield from stores.values()

    def _on_ray(self, console: "Console") -> Iterator["FeatureStore"]:
        from samnerf.preprocessing.ray_extraction import RayOptions, extract_on_ray

        options = RayOptions(self.address, self.workers, self.cpus_per_worker, self.gpus_per_worker)
        found = extract_on_ray(
            self.captures,
            self.teachers,
            self.kinds,
            self.layout,
            self.device,
            self.output,
            console,
            self.compile,
            options,
        )
        for stores in found.values():
            yield from stores.values()
