"""`samnerf train-many`: every scene of a manifest, here or on a Ray cluster."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro


@dataclass
class TrainMany:
    """Train every scene of a manifest by ns-train, several at a time.

    A scene that is done is not trained again, one that was stopped goes on from its last checkpoint, and one that fails
    stops no other: all that failed are listed at the end, and the exit status is 1. docs/scale.md says what a manifest
    holds.
    """

    manifest: tyro.conf.Positional[Path]
    """TOML or JSON file that names captures, methods, arguments and resources."""
    engine: Literal["local", "ray"] = "local"
    """local: processes of this machine; ray: tasks of a Ray cluster (pip install 'samnerf[scale]')."""
    workers: int | None = None
    """Scenes at a time with --engine local. Default: one, or as many as there are GPUs for."""
    address: str | None = None
    """Of the Ray cluster: host:port of its head, auto on a machine of it, or local for a Ray of its own. Default: what
    RAY_ADDRESS says, else local."""

    def run(self) -> None:
        """Train, and say what came of each scene as soon as it is known."""
        from rich.console import Console

        from samnerf.errors import SamNerfError
        from samnerf.scale.many_scenes import LocalTraining, RayTraining
        from samnerf.scale.training_manifest import read_manifest

        if self.engine == "local" and self.address is not None:
            raise SamNerfError("--address belongs to --engine ray")
        if self.engine == "ray" and self.workers is not None:
            raise SamNerfError("--workers belongs to --engine local; by Ray as many run as their resources allow")
        if self.workers is not None and self.workers < 1:
            raise SamNerfError(f"--workers is {self.workers} but must be at least 1")
        console = Console()
        manifest = read_manifest(self.manifest)
        training = LocalTraining(self.workers) if self.engine == "local" else RayTraining(self.address)
        runs = {job.name: job.run for job in manifest.scenes}
        failed = []
        for number, outcome in enumerate(training.outcomes(manifest), start=1):
            words = {
                "trained": f"trained in {outcome.seconds:.0f} s, {runs[outcome.name]}",
                "resumed": f"gone on with and trained in {outcome.seconds:.0f} s, {runs[outcome.name]}",
                "there": f"done already, {runs[outcome.name]}",
                "failed": f"failed: {outcome.problem}",
            }[outcome.state]
            console.print(
                f"[{number}/{len(runs)}] {outcome.name}: {words}", highlight=False, soft_wrap=True, markup=False
            )
            if outcome.state == "failed":
                failed.append(outcome.name)
        if failed:
            raise SamNerfError(
                f"{len(failed)} of {len(runs)} scenes failed: {', '.join(sorted(failed))}; the same command tries them "
                "again"
            )
