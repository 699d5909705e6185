"""Views of random scenes with the exact coverage of every object, kept on disk, one file per view."""

from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from samnerf.atomic_files import atomic_path
from samnerf.preprocessing.matting_training.examples import Example, promptable
from samnerf.preprocessing.synthetic.processes import in_processes
from samnerf.preprocessing.synthetic.ray_tracer import render
from samnerf.preprocessing.synthetic.scene import random_scene
from samnerf.preprocessing.synthetic.training_images import random_camera

STREAM = 2
"""Keeps these scenes apart from those of captures and of the tiny teachers' images with the same seed."""


class SyntheticViews:
    """View i of a seed is always the same; it is made and kept when it is first asked for."""

    def __init__(self, folder: Path, seed: int, count: int, size: int = 256, workers: int = 1) -> None:
        """Nothing is read or made yet.

        Args:
            folder: where the views live; several seeds and sizes may share it.
            seed: non-negative.
            count: number of scenes, each seen once.
            size: height and width, pixels.
            workers: processes that `generate` uses.
        """
        self.folder = Path(folder) / f"alpha-seed{seed}-size{size}"
        self.seed, self.count, self.size, self.workers = seed, count, size, workers

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Example:
        if not 0 <= index < self.count:
            raise IndexError(f"view {index} of {self.count}")
        path = self._path(index)
        if path.exists():
            try:
                return _read(path)
            except (BadZipFile, KeyError, ValueError, EOFError):
                path.unlink(missing_ok=True)
        _make((self.seed, index, self.size, str(path)))
        return _read(path)

    def generate(self) -> None:
        """Make every missing view, in order; may be stopped and started again at any time."""
        jobs = [(self.seed, i, self.size, str(self._path(i))) for i in range(self.count) if not self._path(i).exists()]
        for _ in in_processes(_make, jobs, self.workers, niceness=5):
            pass

    def _path(self, index: int) -> Path:
        return self.folder / f"{index:06d}.npz"


def _make(job: tuple[int, int, int, str]) -> None:
    """Render a view; places from which no object can be prompted are passed over."""
    seed, index, size, path = job
    scene = random_scene((seed, STREAM, index))
    random = np.random.default_rng((seed, STREAM, index, 1))
    while True:
        rendering = render(scene, random_camera(scene, random, size))
        alphas = [alpha for alpha in rendering.coverage if promptable(alpha)]
        if alphas:
            break
    with atomic_path(Path(path)) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, rgb=rendering.rgb, alphas=np.stack(alphas).astype(np.float16))


def _read(path: Path) -> Example:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:  # NumPy leaves a damaged file open
        return Example(stored["rgb"], tuple(stored["alphas"].astype(np.float32)))
