"""A pool of single images of random scenes, for training the tiny teachers; kept on disk, one file per image."""

import json
import math
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


@dataclass(frozen=True)
class TrainingImage:
    """One view of one random scene.

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

    `pool[i]` reads image i, and makes and keeps it first where it is missing; `generate` makes all missing ones
    in order of i, so that another process may read the first while the last are still to come.
    """

    def __init__(self, folder: Path, seed: int, count: int, size: int = 256, workers: int = 1) -> None:
        """Nothing is read or made yet.

        Args:
            folder: where the pool lives; several seeds and sizes may share it.
            seed: non-negative.
            count: number of images.
            size: height and width, pixels.
            workers: processes that `generate` uses.
        """
        self.folder = Path(folder) / f"seed{seed}-size{size}"
        self.seed, self.count, self.size, self.workers = seed, count, size, workers

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> TrainingImage:
        if not 0 <= index < self.count:
            raise IndexError(f"image {index} of a pool of {self.count}")
        path = self.path(index)
        if path.exists():
            try:
                return _read(path)
            except (BadZipFile, KeyError, ValueError, EOFError):
                path.unlink(missing_ok=True)
        image = training_image(self.seed, index, self.size)
        _write(path, image)
        return image

    def path(self, index: int) -> Path:
        """The file of an image; it is whole or not there."""
        return self.folder / f"{index // 1000:03d}" / f"{index:06d}.npz"

    def available(self) -> int:
        """Number of images 0, 1, ... without a gap that are on disk."""
        index = 0
        while index < self.count and self.path(index).exists():
            index += 1
        return index

    def generate(self) -> None:
        """Make every missing image, in order; may be stopped and started again at any time."""
        missing = [index for index in range(self.count) if not self.path(index).exists()]
        jobs = [(self.seed, index, self.size, str(self.path(index))) for index in missing]
        for _ in in_processes(_make, jobs, self.workers, niceness=5):
            pass


def training_image(seed: int, index: int, size: int = 256) -> TrainingImage:
    """Image `index` of a seed: a random scene from a random place."""
    scene = random_scene((seed, POOL_STREAM, index))
    camera = random_camera(scene, np.random.default_rng((seed, POOL_STREAM, index, 1)), size)
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


def _make(job: tuple[int, int, int, str]) -> None:
    seed, index, size, path = job
    if not Path(path).exists():
        _write(Path(path), training_image(seed, index, size))


def _write(path: Path, image: TrainingImage) -> None:
    names = json.dumps([asdict(thing) for thing in image.objects])
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, rgb=image.rgb, ids=image.ids, objects=np.array(names))


def _read(path: Path) -> TrainingImage:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:  # NumPy leaves a damaged file open
        objects = tuple(NamedObject(**fields) for fields in json.loads(str(stored["objects"])))
        return TrainingImage(stored["rgb"], stored["ids"], objects)
