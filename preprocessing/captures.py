"""A capture: photographs and the cameras that took them, read from nerfstudio's `transforms.json` and checked.

nerfstudio itself reads the same file later, with fewer questions; what would fail there in the middle of
something, or silently, is refused here with a name and a number. Nothing is written.
"""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64

from samnerf.atomic_files import read_json
from samnerf.errors import SamNerfError
from samnerf.preprocessing.images import read_header

Split = Literal["train", "val", "test", "unused"]

EVAL_INTERVAL = 8
"""Without lists of file names, every 8th frame is for testing, counted from the first in the order of paths."""

CAMERA_MODELS = (
    "SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "OPENCV_FISHEYE", "EQUIRECTANGULAR",
    "OMNIDIRECTIONALSTEREO_L", "OMNIDIRECTIONALSTEREO_R", "VR180_L", "VR180_R", "ORTHOPHOTO", "FISHEYE624",
)  # fmt: skip
"""What nerfstudio 1.1.5 knows; without the key it takes PINHOLE."""

_INTRINSICS = ("fl_x", "fl_y", "cx", "cy", "w", "h")
_DISTORTION = ("k1", "k2", "k3", "k4", "p1", "p2")


@dataclass(frozen=True)
class Intrinsics:
    """Focal lengths and principal point in pixels; distortion as nerfstudio orders it: k1, k2, k3, k4, p1, p2."""

    fx: float
    fy: float
    cx: float
    cy: float
    distortion: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Frame:
    """One photograph.

    Attributes:
        name: the file's name without suffix, or its path without suffix where two files share a name.
        image: path of the file.
        size: (H, W) in pixels.
        camera_to_world: as in the file, before nerfstudio orients, centres and scales the scene.
        intrinsics: of this frame; what a frame says goes before what the file says of all.
        split: what the frame is for.
    """

    name: str
    image: Path
    size: tuple[int, int]
    camera_to_world: Float64[np.ndarray, "4 4"]
    intrinsics: Intrinsics
    split: Split


@dataclass(frozen=True, eq=False)
class Capture:
    """A checked capture.

    Attributes:
        folder: where `transforms.json` lies.
        frames: in the order of their paths, as nerfstudio sorts them.
        camera_model: one of CAMERA_MODELS.
        overridden: whether a frame overrides what the file says of all frames (nerfstudio would not look at it).
        warnings: what is allowed but may surprise, one line each.
    """

    folder: Path
    frames: tuple[Frame, ...]
    camera_model: str = "PINHOLE"
    overridden: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def features(self) -> Path:
        """Folder of feature stores, where none other is named."""
        return self.folder / "features"

    def split(self, split: Split) -> tuple[Frame, ...]:
        """The frames of a split, in order; of "val" and "test", one stands in where the other is empty."""
        frames = tuple(frame for frame in self.frames if frame.split == split)
        if frames or split not in ("val", "test"):
            return frames
        return tuple(frame for frame in self.frames if frame.split in ("val", "test"))

    def frame(self, image: Path) -> Frame:
        """The frame of an image file, such as one of nerfstudio's `image_filenames`.

        Raises:
            SamNerfError: if the capture has no such file.
        """
        for frame in self.frames:
            if frame.image == Path(image):
                return frame
        for frame in self.frames:
            if frame.image.resolve() == Path(image).resolve():
                return frame
        raise SamNerfError(f"the capture {self.folder} has no image {image}")


def read_capture(path: Path, decode: bool = True) -> Capture:
    """Read and check a capture.

    Args:
        path: the folder, or the JSON file in it.
        decode: also decode every image, to find the truncated ones; without it only their headers are read.

    Raises:
        SamNerfError: naming the file, the frame (counted from 0, as in the file) and what would be right.
    """
    path = Path(path)
    file = path if path.suffix == ".json" else path / "transforms.json"
    if file != path and not path.is_dir():
        raise SamNerfError(f"capture {path} does not exist or is no folder; it should hold transforms.json and images")
    document = read_json(file, "capture")
    if not isinstance(document, dict):
        raise SamNerfError(f'capture {file} holds no JSON object; expected {{"frames": [...]}}')
    entries = document.get("frames")
    if not isinstance(entries, list) or not entries:
        raise SamNerfError(f'capture {file} has no frames; expected "frames" with at least one entry')
    model = document.get("camera_model", "PINHOLE")
    if model not in CAMERA_MODELS:
        raise SamNerfError(f"capture {file}: camera_model is {model!r}; known are {', '.join(CAMERA_MODELS)}")
    paths = [_frame_path(entry, f"capture {file}: frame {i}") for i, entry in enumerate(entries)]
    _check_unique(paths, file)
    _check_files(entries, file)
    splits = _splits(document, paths, file)
    names = _names(paths)
    frames, warnings = [], []
    images = [file.parent / image for image in paths]
    with ThreadPoolExecutor() as threads:
        headers = list(threads.map(lambda image: read_header(image, decode), images))
    for i, entry in enumerate(entries):
        where = f"capture {file}: frame {i} ({paths[i]})"
        size = headers[i].size
        stated = _image_size(entry, document, where)
        if stated != size:
            raise SamNerfError(f"{where} is {size[1]} x {size[0]} pixels but its w and h say {stated[1]} x {stated[0]}")
        if headers[i].turned:
            warnings.append(f"{paths[i]} asks by EXIF to be turned; it is used as stored, as nerfstudio does")
        pose, intrinsics = _pose(entry, where), _intrinsics(entry, document, where)
        frames.append(Frame(names[i], images[i], size, pose, intrinsics, splits[i]))
    order = sorted(range(len(frames)), key=lambda i: images[i])
    if not any(key.endswith("_filenames") and key[:-10] in ("train", "val", "test") for key in document):
        frames = _split_by_interval(frames, order)
    keys = (*_INTRINSICS, *_DISTORTION, "distortion_params")
    general = {key for key in keys if key in document}
    # nerfstudio asks no frame for its distortion once the file gives any coefficient, whichever it is.
    if general & {*_DISTORTION, "distortion_params"}:
        general |= {*_DISTORTION, "distortion_params"}
    overridden = any(entry[key] != document.get(key) for entry in entries for key in general if key in entry)
    return Capture(file.parent, tuple(frames[i] for i in order), model, overridden, tuple(warnings))


def _frame_path(entry: Any, where: str) -> Path:
    if not isinstance(entry, dict) or not isinstance(entry.get("file_path"), str) or not entry["file_path"]:
        raise SamNerfError(f'{where} has no "file_path"')
    return Path(entry["file_path"])


def _check_unique(paths: Sequence[Path], file: Path) -> None:
    first: dict[Path, int] = {}
    for i, path in enumerate(paths):
        if path in first:
            raise SamNerfError(f"capture {file}: frames {first[path]} and {i} both name {path}")
        first[path] = i


def _check_files(entries: Sequence[dict[str, Any]], file: Path) -> None:
    absent = [
        (i, entry[key])
        for i, entry in enumerate(entries)
        for key in ("file_path", "mask_path", "depth_file_path")
        if key in entry and not (file.parent / str(entry[key])).is_file()
    ]
    if absent:
        i, name = absent[0]
        others = f" (and {len(absent) - 1} more like it)" if len(absent) > 1 else ""
        raise SamNerfError(
            f"capture {file}: frame {i} names {name}, which does not exist{others}; restore it or remove the frame"
        )


def _names(paths: Sequence[Path]) -> list[str]:
    stems = [path.stem for path in paths]
    if len(set(stems)) == len(stems):
        return stems
    longer = [path.with_suffix("").as_posix() for path in paths]
    return longer if len(set(longer)) == len(longer) else [path.as_posix() for path in paths]


def _splits(document: dict[str, Any], paths: Sequence[Path], file: Path) -> list[Split]:
    lists: dict[Split, set[Path]] = {}
    for split in ("train", "val", "test"):
        key = f"{split}_filenames"
        if key not in document:
            continue
        names = document[key]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise SamNerfError(f"capture {file}: {key} must be a list of file paths")
        lists[split] = {Path(name) for name in names}
        if unknown := sorted(lists[split] - set(paths)):
            raise SamNerfError(f"capture {file}: {key} names {unknown[0]}, which is no frame")
    if not lists:
        return ["unused"] * len(paths)
    if not lists.get("train") or not (lists.get("val") or lists.get("test")):
        raise SamNerfError(
            f"capture {file} gives {', '.join(f'{split}_filenames' for split in lists)}; expected train_filenames and "
            "test_filenames (or val_filenames), each with at least one file, or none of them"
        )
    if shared := sorted(lists["train"] & (lists.get("val", set()) | lists.get("test", set()))):
        raise SamNerfError(f"capture {file}: {shared[0]} is listed both for training and for testing")
    members: dict[Path, Split] = {}
    for split in ("val", "test", "train"):
        members |= dict.fromkeys(lists.get(split, ()), split)
    return [members.get(path, "unused") for path in paths]


def _split_by_interval(frames: Sequence[Frame], order: Sequence[int]) -> list[Frame]:
    split: list[Frame] = list(frames)
    for position, i in enumerate(order):
        part: Split = "test" if position % EVAL_INTERVAL == 0 else "train"
        split[i] = replace(frames[i], split=part)
    return split


def _pose(entry: dict[str, Any], where: str) -> Float64[np.ndarray, "4 4"]:
    try:
        pose = np.array(entry.get("transform_matrix"), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SamNerfError(f"{where}: transform_matrix is not a matrix of numbers") from error
    if pose.shape != (4, 4):
        raise SamNerfError(f"{where}: transform_matrix has shape {list(pose.shape)} but must be 4 x 4")
    if not np.isfinite(pose).all():
        raise SamNerfError(f"{where}: transform_matrix holds NaN or infinity")
    if abs(np.linalg.det(pose[:3, :3])) < 1e-6:
        raise SamNerfError(f"{where}: transform_matrix does not hold a rotation (its determinant is 0)")
    return pose


def _number(entry: dict[str, Any], document: dict[str, Any], key: str, where: str) -> float:
    value = entry.get(key, document.get(key))
    if value is None:
        raise SamNerfError(f"{where}: {key} is missing; give it in the frame or for all frames")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise SamNerfError(f"{where}: {key} is {value!r} but must be a finite number")
    return float(value)


def _image_size(entry: dict[str, Any], document: dict[str, Any], where: str) -> tuple[int, int]:
    return int(_number(entry, document, "h", where)), int(_number(entry, document, "w", where))


def _intrinsics(entry: dict[str, Any], document: dict[str, Any], where: str) -> Intrinsics:
    fx, fy, cx, cy = (_number(entry, document, key, where) for key in ("fl_x", "fl_y", "cx", "cy"))
    for key, value in (("fl_x", fx), ("fl_y", fy)):
        if value <= 0:
            raise SamNerfError(f"{where}: {key} is {value:g} but must be positive")
    # A frame's coefficients go before a list that the file gives for all.
    listed = entry.get("distortion_params")
    if listed is None and not any(key in entry for key in _DISTORTION):
        listed = document.get("distortion_params")
    if listed is None:
        zero = dict.fromkeys(_DISTORTION, 0.0)
        return Intrinsics(fx, fy, cx, cy, tuple(_number(entry, zero | document, key, where) for key in _DISTORTION))
    numeric = isinstance(listed, list) and all(isinstance(v, int | float) and math.isfinite(v) for v in listed)
    if not numeric or len(listed) not in (6, 12):
        raise SamNerfError(f"{where}: distortion_params is {listed!r} but must be 6 numbers (FISHEYE624: 12)")
    return Intrinsics(fx, fy, cx, cy, tuple(float(value) for value in listed))
