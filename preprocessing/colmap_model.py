"""A COLMAP model: cameras, images and points3D, binary or text, read by nerfstudio's parsers and checked.

COLMAP's cameras look along their +z with y down, and its pixels count from the corner of the image, as ours do.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8
from nerfstudio.data.utils import colmap_parsing_utils as colmap
from nerfstudio.process_data.colmap_utils import parse_colmap_camera_params

from samnerf.errors import SamNerfError
from samnerf.preprocessing.captures import Intrinsics
from samnerf.preprocessing.posed_images import PosedImage

CAMERA_MODELS = ("SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "OPENCV_FISHEYE")
"""COLMAP's names of the models that are read."""

_DAMAGED = (OSError, ValueError, IndexError, AssertionError, OverflowError, MemoryError, struct.error)
_DISTORTION = ("k1", "k2", "k3", "k4", "p1", "p2")


@dataclass(frozen=True, eq=False)
class SparsePoints:
    """The points from which COLMAP found the poses: positions in its world, sRGB."""

    positions: Float32[np.ndarray, "points 3"]
    colours: UInt8[np.ndarray, "points 3"]

    def ply(self) -> bytes:
        """As a binary PLY file."""
        layout = [(axis, "<f4") for axis in "xyz"] + [(name, "u1") for name in ("red", "green", "blue")]
        vertices = np.empty(len(self.positions), dtype=layout)
        for i, (axis, name) in enumerate(zip("xyz", ("red", "green", "blue"), strict=True)):
            vertices[axis], vertices[name] = self.positions[:, i], self.colours[:, i]
        kinds = {"<f4": "float", "u1": "uchar"}
        header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(vertices)}"]
        header += [f"property {kinds[kind]} {name}" for name, kind in layout] + ["end_header", ""]
        return "\n".join(header).encode() + vertices.tobytes()


def find_model(scene: Path) -> Path | None:
    """The folder of the model in a scene, where COLMAP or the Mip-NeRF 360 data set puts it; None without one."""
    for place in ("sparse/0", "sparse", "colmap/sparse/0"):
        if any((scene / place / f"cameras{ending}").exists() for ending in (".bin", ".txt")):
            return scene / place
    return None


def read_posed_images(model: Path) -> list[PosedImage]:
    """Every registered image, in the order of names.

    Raises:
        SamNerfError: if a file is missing or damaged, a camera is of a model not in CAMERA_MODELS, perspective and
            fisheye lenses are mixed, or a pose is not finite.
    """
    cameras = {number: _lens(camera, model) for number, camera in _read(model, "cameras").items()}
    posed, seen = [], set()
    for image in sorted(_read(model, "images").values(), key=lambda image: image.name):
        where = f"{model}: image {image.name}"
        if image.name in seen:
            raise SamNerfError(f"{where} occurs twice")
        if image.camera_id not in cameras:
            raise SamNerfError(f"{where} was taken by camera {image.camera_id}, which the model does not have")
        seen.add(image.name)
        posed.append(PosedImage(image.name, _camera_to_world(image, where), *cameras[image.camera_id]))
    if not posed:
        raise SamNerfError(f"{model} has no registered images; COLMAP found no poses")
    if len({image.camera_model for image in posed}) > 1:
        raise SamNerfError(f"{model} mixes perspective and fisheye cameras; nerfstudio reads one kind at a time")
    return posed


def read_points(model: Path) -> SparsePoints | None:
    """The sparse points in the order of their numbers; None where the model has none.

    Raises:
        SamNerfError: if the file is damaged.
    """
    if not any((model / f"points3D{ending}").exists() for ending in (".bin", ".txt")):
        return None
    points = [point for _, point in sorted(_read(model, "points3D").items())]
    if not points:
        return None
    positions = np.array([point.xyz for point in points], dtype=np.float32)
    return SparsePoints(positions, np.array([point.rgb for point in points], dtype=np.uint8))


def _read(model: Path, table: str) -> dict[int, Any]:
    """One of the three tables, by number; binary goes before text."""
    readers = {
        "cameras": (colmap.read_cameras_binary, colmap.read_cameras_text),
        "images": (colmap.read_images_binary, colmap.read_images_text),
        "points3D": (colmap.read_points3D_binary, colmap.read_points3D_text),
    }
    for ending, reader in zip((".bin", ".txt"), readers[table], strict=True):
        path = model / f"{table}{ending}"
        if not path.exists():
            continue
        try:
            return reader(path)
        except KeyError as error:
            raise SamNerfError(
                f"{path} has a camera of model number {error}, which is unknown; {_SUPPORTED}"
            ) from error
        except _DAMAGED as error:
            raise SamNerfError(f"{path} is damaged or was cut short ({error}); fetch or make it again") from error
    raise SamNerfError(f"{model} has neither {table}.bin nor {table}.txt")


_SUPPORTED = f"supported are {', '.join(CAMERA_MODELS)}: undistort the images with COLMAP first"


def _lens(camera: Any, model: Path) -> tuple[Intrinsics, tuple[int, int], str]:
    """Intrinsics, size and nerfstudio's camera model of one of COLMAP's cameras."""
    where = f"{model}: camera {camera.id}"
    if camera.model not in CAMERA_MODELS:
        raise SamNerfError(f"{where} is of model {camera.model}; {_SUPPORTED}")
    expected = colmap.CAMERA_MODEL_NAMES[camera.model].num_params
    if len(camera.params) != expected or not np.isfinite(camera.params).all():
        raise SamNerfError(f"{where}: {camera.model} takes {expected} finite parameters, not {camera.params.tolist()}")
    stated = parse_colmap_camera_params(camera)
    if min(stated["w"], stated["h"]) < 1 or min(stated["fl_x"], stated["fl_y"]) <= 0:
        raise SamNerfError(
            f"{where} is {stated['w']} x {stated['h']} pixels with focal lengths {stated['fl_x']:g} and "
            f"{stated['fl_y']:g}; all must be positive"
        )
    distortion = tuple(float(stated.get(key, 0.0)) for key in _DISTORTION)
    intrinsics = Intrinsics(stated["fl_x"], stated["fl_y"], stated["cx"], stated["cy"], distortion)
    return intrinsics, (int(stated["h"]), int(stated["w"])), stated["camera_model"]


def _camera_to_world(image: Any, where: str) -> np.ndarray:
    length = np.linalg.norm(image.qvec)
    if not (np.isfinite(image.qvec).all() and np.isfinite(image.tvec).all() and length > 0):
        raise SamNerfError(f"{where} has no finite pose")
    rotation = colmap.qvec2rotmat(image.qvec / length).T
    pose = np.eye(4)
    pose[:3, :3] = rotation * (1.0, -1.0, -1.0)
    pose[:3, 3] = -rotation @ image.tvec
    return pose
