"""A pool of images of random scenes, for training the tiny teachers; kept on disk, one file per image.

Every scene is seen twice, from two places, because features that are to be distilled into a scene had better say of an
object the same from everywhere.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from jaxtyping import UInt8

from samnerf.atomic_files import atomic_path
from samnerf.camera import Camera
from samnerf.preprocessing.synthetic.poses import look_at
from samnerf.preprocessing.synthetic.processes import in_processes
from samnerf.preprocessing.synthetic.ray_tracer import render
from samnerf.preprocessing.synthetic.scene import ROOM_HALF_WIDTH, ROOM_HEIGHT, NamedObject, Scene, random_scene

POOL_STREAM = 1
"""Keeps the pool's scenes apart from those of captures with the same seed."""
VIEWS = (0, 1)


@dataclass(frozen=True)
class TrainingImage:
    """A view of a random scene.

    Attributes:
        rgb: sRGB.
        ids: instance IDs, 0 for the background; an object may be out of sight.
        objects: every object of the scene, by ascending ID from 1.
    """

    rgb: UInt8[np.ndarray, "size size 3"]
    ids: UInt8[np.ndarray, "size size"]
    objects: tuple[NamedObject, ...]


class TrainingImages:
    """Image i of a seed is always the same, whoever makes it and whatever `count` is.

    `pool[i]` reads the first view of scene i, `second_view(i)` the other one, and makes and keeps it first where it is
    missing; `generate` makes all missing ones in order of i, so that another process may read the first while the
    last are still to come.
    """

    def __init__(self, folder: Path, seed: int, count: int, size: int = 256, workers: int = 1) -> None:
        """Nothing is read or made yet.

        Args:
            folder: where the pool lives; several seeds and sizes may share it.
            seed: non-negative.
            count: number of scenes.
            size: height and width, pixels.
            workers: processes that `generate` uses.
        """
        self.folder = Path(folder) / f"seed{seed}-size{size}"
        self.seed, self.count, self.size, self.workers = seed, count, size, workers

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> TrainingImage:
        return self._view(index, 0)

    def second_view(self, index: int) -> TrainingImage:
        """The scene of `pool[index]` from another place."""
        return self._view(index, 1)

    def _view(self, index: int, view: int) -> TrainingImage:
        if not 0 <= index < self.count:
            raise IndexError(f"scene {index} of a pool of {self.count}")
        path = self.path(index, view)
        if path.exists():
            try:
                return _read(path)
            except (BadZipFile, KeyError, ValueError, EOFError):
                path.unlink(missing_ok=True)
        image = training_image(self.seed, index, self.size, view)
        _write(path, image)
        return image

    def path(self, index: int, view: int = 0) -> Path:
        """The file of a view; it is whole or not there."""
        return self.folder / f"{index // 1000:03d}" / f"{index:06d}{'-second' if view else ''}.npz"

    def available(self) -> int:
        """Number of scenes 0, 1, ... without a gap whose views are on disk."""
        index = 0
        while index < self.count and all(self.path(index, view).exists() for view in VIEWS):
            index += 1
        return index

    def generate(self, views: Sequence[int] = VIEWS) -> None:
        """Make every missing view, in order; may be stopped and started again at any time."""
        jobs = [
            (self.seed, index, self.size, view, str(self.path(index, view)))
            for index in range(self.count)
            for view in views
            if not self.path(index, view).exists()
        ]
        for _ in in_processes(_make, jobs, self.workers, niceness=5):
            pass


def training_image(seed: int, index: int, size: int = 256, view: int = 0) -> TrainingImage:
    """A view (0 or 1) of scene `index` of a seed: a random scene from a random place."""
    scene = random_scene((seed, POOL_STREAM, index))
    camera = random_camera(scene, np.random.default_rng((seed, POOL_STREAM, index, 1 + view)), size)
    rendering = render(scene, camera)
    objects = tuple(NamedObject(o.id, o.shape, o.colour, o.material) for o in scene.objects)
    return TrainingImage(rendering.rgb, rendering.ids, objects)


def random_camera(scene: Scene, random: np.random.Generator, size: int) -> Camera:
    """A square view of the objects from 10 to 60 degrees above the floor, 40 to 65 degrees wide."""
    while True:
        radius, azimuth = random.uniform(0.9, 1.9), random.uniform(0, 2 * math.pi)
        elevation = math.radians(random.uniform(10, 60))
        target = np.array([*random.normal(0, 0.13, 2), random.uniform(0.0, 0.2)])
        position = target + radius * np.array(
            [math.cos(azimuth) * math.cos(elevation), math.sin(azimuth) * math.cos(elevation), math.sin(elevation)]
        )
        focal = size / (2 * math.tan(math.radians(random.uniform(40, 65)) / 2))
        roll = random.normal(0, 0.03)
        clear = all(np.linalg.norm(position - o.centre) > o.solid.bounding_radius + 0.3 for o in scene.objects)
        if clear and np.abs(position[:2]).max() < ROOM_HALF_WIDTH - 0.2 and 0.1 < position[2] < ROOM_HEIGHT - 0.2:
            return Camera(look_at(position, target, roll), focal, focal, size / 2, size / 2, size, size)


def _make(job: tuple[int, int, int, int, str]) -> None:
    seed, index, size, view, path = job
    if not Path(path).exists():
        _write(Path(path), training_image(seed, index, size, view))


def _write(path: Path, image: TrainingImage) -> None:
    names = json.dumps([asdict(thing) for thing in image.objects])
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, rgb=image.rgb, ids=image.ids, objects=np.array(names))


def _read(path: Path) -> TrainingImage:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:  # NumPy leaves a damaged file open
        objects = tuple(NamedObject(**fields) for fields in json.loads(str(stored["objects"])))
        return TrainingImage(stored["rgb"], stored["ids"], objects)
