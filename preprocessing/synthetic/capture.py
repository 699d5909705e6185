"""A synthetic scene as a nerfstudio capture: photographs, cameras, and beside them the ground truth.

The folder holds `images/*.png`, `transforms.json` (training and test split), `objects.json`, and for each
frame `masks/*.png` (instance IDs, 8 bits, 0 for floor and walls), `depth/*.npy` (float32, distance along the ray,
world units) and `coverage/*.npz` (float16 `[objects, H, W]`, share of each pixel).
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from samnerf.atomic_files import atomic_path, read_json, write_json
from samnerf.camera import Camera
from samnerf.errors import SamNerfError
from samnerf.preprocessing.synthetic.poses import look_at
from samnerf.preprocessing.synthetic.processes import available_cores, in_processes
from samnerf.preprocessing.synthetic.ray_tracer import Rendering, render
from samnerf.preprocessing.synthetic.scene import MOST_OBJECTS, Scene, random_scene

GENERATOR = "samnerf synthetic 2"
"""To be raised whenever the same specification gives other pictures."""
FIELD_OF_VIEW = 50.0
"""Degrees, along the shorter side of the image."""
ELEVATIONS = (14.0, 58.0)
"""Least and greatest, degrees above the floor."""
DISTANCES = (1.5, 2.0)
CLEARANCE = 0.35
"""Least distance of a camera from the bounding sphere of an object, world units."""


@dataclass(frozen=True)
class CaptureSpecification:
    """What determines a capture, to the last pixel.

    Attributes:
        seed: of the scene.
        objects: least and greatest number of them.
        views, test_views: number of training and of test images.
        width, height: of every image, pixels.
    """

    seed: int = 0
    objects: tuple[int, int] = (5, 9)
    views: int = 60
    test_views: int = 10
    width: int = 256
    height: int = 256

    def check(self) -> None:
        """Refuse what cannot be rendered.

        Raises:
            SamNerfError: naming the option and its bounds.
        """
        if self.seed < 0:
            raise SamNerfError(f"--seed is {self.seed} but must be 0 or more")
        low, high = self.objects
        if not 1 <= low <= high <= MOST_OBJECTS:
            raise SamNerfError(
                f"--objects is {low} {high} but must be two numbers 1 to {MOST_OBJECTS}, least and greatest"
            )
        for option, value, least, most in (
            ("--views", self.views, 1, 10000),
            ("--test-views", self.test_views, 0, 10000),
            ("--width", self.width, 16, 8192),
            ("--height", self.height, 16, 8192),
        ):
            if not least <= value <= most:
                raise SamNerfError(f"{option} is {value} but must be from {least} to {most}")


def write_capture(
    folder: Path,
    seed: int = 0,
    objects: tuple[int, int] = (5, 9),
    views: int = 60,
    test_views: int = 10,
    width: int = 256,
    height: int = 256,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write the capture, or what is missing of it, and return its folder.

    `transforms.json` is written last, so that a capture that can be read is whole. Frames of an earlier, stopped
    run of the same specification are kept.

    Args:
        folder: new, empty, or begun by the same specification.
        seed, objects, views, test_views, width, height: see `CaptureSpecification`.
        workers: processes; None takes one for each core.
        progress: called with the number of frames done and of all frames.

    Raises:
        SamNerfError: if the specification makes no sense, the folder holds something else, or a write fails.
    """
    folder = Path(folder)
    specification = CaptureSpecification(seed, (objects[0], objects[1]), views, test_views, width, height)
    specification.check()
    _claim(folder, specification)
    names = frame_names(specification)
    missing = [i for i, name in enumerate(names) if not all(path.exists() for path in _frame_files(folder, name))]
    if progress:
        progress(len(names) - len(missing), len(names))
    jobs = [(str(folder), specification, index) for index in missing]
    # A process takes seconds to start: not worth it for a few small images.
    worthwhile = len(missing) * width * height >= 16 * 256 * 256
    chosen = workers if workers is not None else available_cores() if worthwhile else 1
    for done, _ in enumerate(in_processes(_write_frame, jobs, chosen), start=1):
        if progress:
            progress(len(names) - len(missing) + done, len(names))
    write_json(folder / "transforms.json", _transforms(specification))
    return folder


def frame_names(specification: CaptureSpecification) -> list[str]:
    """Names of all frames, the training views first."""
    return [f"frame_{index + 1:04d}" for index in range(specification.views + specification.test_views)]


def dome_cameras(scene: Scene, specification: CaptureSpecification) -> list[Camera]:
    """Cameras spread over a dome about the objects; the test views lie between the training views.

    Training view k stands at place k of a low-discrepancy sequence (azimuth by the golden section, elevation evenly
    in its sine, distance by the square root of 2); test views stand between places of the sequence's middle half, where
    training views lie on all sides.
    """
    places = [*range(specification.views), *_test_places(specification.views, specification.test_views)]
    low, high = (math.sin(math.radians(elevation)) for elevation in ELEVATIONS)
    focal = min(specification.width, specification.height) / (2 * math.tan(math.radians(FIELD_OF_VIEW) / 2))
    centres = np.array([thing.centre for thing in scene.objects])
    target = np.array([*centres[:, :2].mean(axis=0), 0.1])
    cameras = []
    for number, place in enumerate(places):
        azimuth = 2 * math.pi * place * (math.sqrt(5) - 1) / 2
        sine = low + (high - low) * ((place + 0.5) * 0.7548776662 % 1)
        distance = DISTANCES[0] + (DISTANCES[1] - DISTANCES[0]) * (place * math.sqrt(2) % 1)
        cosine = math.sqrt(1 - sine * sine)
        direction = np.array([math.cos(azimuth) * cosine, math.sin(azimuth) * cosine, sine])
        while not _clear(scene, target + distance * direction):
            distance += 0.05
        aim = target + np.array([math.cos(3.1 * place), math.sin(3.1 * place), 0.0]) * 0.06
        pose = look_at(target + distance * direction, aim, roll=0.0 if number % 2 else 0.02 * math.sin(place))
        cameras.append(
            Camera(
                pose, focal, focal, specification.width / 2, specification.height / 2,
                specification.height, specification.width,
            )
        )  # fmt: skip
    return cameras


def _test_places(views: int, test_views: int) -> list[float]:
    """Places strictly between whole numbers, no two alike."""
    first, gaps = views // 4, max(1, views // 2)
    gap_of = [j * gaps // test_views for j in range(test_views)]
    return [first + gap + (1 + gap_of[:j].count(gap)) / (1 + gap_of.count(gap)) for j, gap in enumerate(gap_of)]


def _clear(scene: Scene, position: np.ndarray) -> bool:
    return all(
        np.linalg.norm(position - thing.centre) > thing.solid.bounding_radius + CLEARANCE for thing in scene.objects
    )


def _claim(folder: Path, specification: CaptureSpecification) -> None:
    """Make sure that the folder is ours to write to, and write `objects.json`, which says so."""
    if folder.exists() and not folder.is_dir():
        raise SamNerfError(f"{folder} is a file; a capture needs a folder of its own")
    claim = _objects(specification)
    path = folder / "objects.json"
    if path.exists():
        found = read_json(path, "list of objects")
        made_by = found.get("specification") if isinstance(found, dict) else None
        if made_by != claim["specification"]:
            raise SamNerfError(
                f"{folder} holds a capture of another specification ({_words(made_by)}), not of "
                f"{_words(claim['specification'])}; choose another folder or remove that one"
            )
        if found == claim:
            return
    elif folder.exists() and any(not entry.name.startswith(".") for entry in folder.iterdir()):
        raise SamNerfError(f"{folder} is not empty and holds no synthetic capture; choose another folder")
    write_json(path, claim)


def _words(specification: Any) -> str:
    if not isinstance(specification, dict):
        return "unknown"
    return ", ".join(f"{key} {value}" for key, value in specification.items())


def _objects(specification: CaptureSpecification) -> dict[str, Any]:
    scene = _scene(specification)
    return {
        "specification": {"generator": GENERATOR, **asdict(specification), "objects": list(specification.objects)},
        "objects": [
            {
                "id": thing.id,
                "name": thing.name,
                "shape": thing.shape,
                "colour": thing.colour,
                "material": thing.material,
                "centre": list(thing.centre),
                "size": list(thing.size),
            }
            for thing in scene.objects
        ],
    }


def _transforms(specification: CaptureSpecification) -> dict[str, Any]:
    cameras = dome_cameras(_scene(specification), specification)
    files = [f"images/{name}.png" for name in frame_names(specification)]
    train, test = files[: specification.views], files[specification.views :]
    frames = [
        {
            "file_path": file,
            "transform_matrix": [*(row for row in camera.camera_to_world.double().tolist()), [0.0, 0.0, 0.0, 1.0]],
        }
        for file, camera in zip(files, cameras, strict=True)
    ]
    intrinsics = {
        "fl_x": cameras[0].fx, "fl_y": cameras[0].fy, "cx": cameras[0].cx, "cy": cameras[0].cy,
        "w": specification.width, "h": specification.height, "k1": 0.0, "k2": 0.0, "p1": 0.0, "p2": 0.0,
    }  # fmt: skip
    # Without test views nerfstudio evaluates on training views, as it does for a list that is not there.
    splits = {"train_filenames": train, "val_filenames": test or train, "test_filenames": test or train}
    return {"camera_model": "OPENCV", **intrinsics, **splits, "frames": frames}


def _scene(specification: CaptureSpecification) -> Scene:
    return random_scene(specification.seed, specification.objects)


def _frame_files(folder: Path, name: str) -> tuple[Path, Path, Path, Path]:
    """Image, masks, depth and coverage of a frame."""
    return (
        folder / "images" / f"{name}.png",
        folder / "masks" / f"{name}.png",
        folder / "depth" / f"{name}.npy",
        folder / "coverage" / f"{name}.npz",
    )


def _write_frame(job: tuple[str, CaptureSpecification, int]) -> None:
    folder, specification, index = job
    scene = _scene(specification)
    rendering = render(scene, dome_cameras(scene, specification)[index])
    _save(rendering, *_frame_files(Path(folder), frame_names(specification)[index]))


def _save(rendering: Rendering, image: Path, masks: Path, depth: Path, coverage: Path) -> None:
    with atomic_path(coverage) as temporary:
        np.savez_compressed(temporary, coverage=rendering.coverage.astype(np.float16))
    with atomic_path(depth) as temporary:
        np.save(temporary, rendering.depth)
    with atomic_path(masks) as temporary:
        Image.fromarray(rendering.ids).save(temporary)
    with atomic_path(image) as temporary:
        Image.fromarray(rendering.rgb).save(temporary)
