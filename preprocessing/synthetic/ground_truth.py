"""The ground truth of a synthetic capture, read back for evaluation."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from PIL import Image

from samnerf.atomic_files import read_json
from samnerf.errors import SamNerfError
from samnerf.preprocessing.synthetic.scene import NamedObject, Triple


@dataclass(frozen=True)
class CapturedObject(NamedObject):
    """An object of a capture.

    Attributes:
        centre: world units, in the frame of `transforms.json` (before nerfstudio orients and scales it).
        size: edges of its axis-aligned bounding box, world units.
    """

    centre: Triple
    size: Triple


@dataclass(frozen=True)
class GroundTruth:
    """Objects and, by the name of a frame ("frame_0001", or any path of that stem), what its pixels show.

    The readers raise SamNerfError for a frame that is missing or damaged.
    """

    folder: Path
    objects: tuple[CapturedObject, ...]

    def ids(self, frame: str | Path) -> UInt8[np.ndarray, "height width"]:
        """The object at each pixel's centre, 0 for floor and walls."""
        path = self._path("masks", frame, ".png")
        try:
            with Image.open(path) as image:
                return np.array(image.convert("L"))
        except (OSError, SyntaxError) as error:
            raise _damaged(path, error) from error

    def mask(self, frame: str | Path, object_id: int) -> Bool[np.ndarray, "height width"]:
        """The pixels whose centre shows an object."""
        return self.ids(frame) == object_id

    def depth(self, frame: str | Path) -> Float32[np.ndarray, "height width"]:
        """Distance along the ray of each pixel's centre, world units of `transforms.json`."""
        path = self._path("depth", frame, ".npy")
        try:
            with path.open("rb") as file:  # NumPy leaves a damaged file open
                return np.load(file, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise _damaged(path, error) from error

    def coverage(self, frame: str | Path) -> Float32[np.ndarray, "objects height width"]:
        """Share of each pixel that each object covers, 0 to 1, by ascending ID."""
        path = self._path("coverage", frame, ".npz")
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                return stored["coverage"].astype(np.float32)
        except (OSError, ValueError, EOFError, KeyError, BadZipFile) as error:
            raise _damaged(path, error) from error

    def named(self, name: str) -> CapturedObject:
        """The object of a full name such as "striped red cube".

        Raises:
            SamNerfError: if no object is called so; the message lists those that are.
        """
        for thing in self.objects:
            if thing.name == name:
                return thing
        raise SamNerfError(
            f"{self.folder} has no object {name!r}; it has {', '.join(thing.name for thing in self.objects)}"
        )

    def _path(self, kind: str, frame: str | Path, suffix: str) -> Path:
        path = self.folder / kind / f"{Path(frame).stem}{suffix}"
        if not path.exists():
            raise SamNerfError(f"{self.folder} has no ground truth for frame {Path(frame).stem}: {path} does not exist")
        return path


def has_ground_truth(folder: Path) -> bool:
    """Whether a folder looks like a synthetic capture."""
    return (Path(folder) / "objects.json").is_file() and (Path(folder) / "masks").is_dir()


def read_ground_truth(folder: Path) -> GroundTruth:
    """The ground truth of a capture folder.

    Raises:
        SamNerfError: if its `objects.json` is missing, or is not what `samnerf synthetic` writes.
    """
    folder = Path(folder)
    path = folder / "objects.json"
    content = read_json(path, "list of objects")
    if not isinstance(content, dict) or not isinstance(content.get("objects"), list):
        raise SamNerfError(f'list of objects {path} should hold a JSON object with a list "objects"')
    objects = tuple(_read_object(entry, path) for entry in content["objects"])
    if [thing.id for thing in objects] != list(range(1, len(objects) + 1)):
        raise SamNerfError(f"list of objects {path} should number its objects 1, 2, ... in order")
    return GroundTruth(folder, objects)


def _read_object(entry: Any, path: Path) -> CapturedObject:
    try:
        words = {key: str(entry[key]) for key in ("shape", "colour", "material")}
        (cx, cy, cz), (sx, sy, sz) = entry["centre"], entry["size"]
        centre, size = (float(cx), float(cy), float(cz)), (float(sx), float(sy), float(sz))
        return CapturedObject(id=int(entry["id"]), **words, centre=centre, size=size)
    except (KeyError, TypeError, ValueError) as error:
        raise SamNerfError(
            f"list of objects {path}: an entry lacks a proper id, shape, colour, material, centre or size: {entry!r}"
        ) from error


def _damaged(path: Path, error: Exception) -> SamNerfError:
    return SamNerfError(f"{path} cannot be read ({error}); remove it and run samnerf synthetic again")
