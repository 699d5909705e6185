"""Cameras along a path, as nerfstudio's viewer exports them (JSON).

A path says `render_height`, `render_width` and, for each of its cameras, `camera_to_world` (16 numbers, row by row)
and the vertical `fov` in degrees: f = (H / 2) / tan(fov / 2), the same along both axes, principal point in the middle.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from samnerf.atomic_files import read_json, write_json
from samnerf.camera import Camera
from samnerf.errors import SamNerfError


def load_camera_path(path: Path) -> list[tuple[str, Camera]]:
    """Names ("path_0001", ...) and cameras of a camera path.

    Raises:
        SamNerfError: naming the file, the camera and the field that is wrong, and what would be right.
    """
    document = read_json(path, "camera path")
    if not isinstance(document, dict):
        raise SamNerfError(f"camera path {path} must be an object with render_height, render_width and camera_path")
    kind = document.get("camera_type", "perspective")
    if kind != "perspective":
        raise SamNerfError(f"camera path {path} has camera_type {kind!r}; only perspective cameras can be segmented")
    where = f"camera path {path}"
    height = _size(document.get("render_height"), f"{where}: render_height")
    width = _size(document.get("render_width"), f"{where}: render_width")
    entries = document.get("camera_path")
    if not isinstance(entries, list) or not entries:
        raise SamNerfError(f"camera path {path} has no cameras: expected a list camera_path with at least one")
    digits = max(4, len(str(len(entries))))
    return [
        (f"path_{i:0{digits}d}", _camera(entry, height, width, f"camera path {path}, camera {i}"))
        for i, entry in enumerate(entries, start=1)
    ]


def save_camera_path(path: Path, cameras: Sequence[Camera], seconds: float = 4.0) -> None:
    """Write cameras of one size, centred and with square pixels, as a path for `ns-render` and nerfstudio's viewer.

    Raises:
        ValueError: if there is no camera, or if the format cannot hold one of them.
    """
    if not cameras:
        raise ValueError("a camera path needs at least one camera")
    height, width = cameras[0].image_size
    entries = []
    for camera in cameras:
        centred = math.isclose(camera.cx, width / 2) and math.isclose(camera.cy, height / 2)
        if camera.image_size != (height, width) or not centred or not math.isclose(camera.fx, camera.fy):
            raise ValueError("a camera path holds cameras of one size, centred and with square pixels, only")
        matrix = [*camera.camera_to_world.flatten().tolist(), 0.0, 0.0, 0.0, 1.0]
        fov = math.degrees(2 * math.atan(height / 2 / camera.fy))
        entries.append({"camera_to_world": matrix, "fov": fov, "aspect": width / height})
    write_json(
        path,
        {
            "camera_type": "perspective",
            "render_height": height,
            "render_width": width,
            "fps": len(cameras) / seconds,
            "seconds": seconds,
            "smoothness_value": 0.5,
            "is_cycle": False,
            "crop": None,
            "camera_path": entries,
        },
    )


def _size(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value) or value < 1:
        raise SamNerfError(f"{where} is {value!r} but must be a whole number of pixels")
    return int(value)


def _camera(entry: Any, height: int, width: int, where: str) -> Camera:
    if not isinstance(entry, dict):
        raise SamNerfError(f"{where} is {entry!r} but must be an object with camera_to_world and fov")
    matrix = _numbers(entry.get("camera_to_world"))
    if matrix is None or len(matrix) != 16:
        raise SamNerfError(f"{where}: camera_to_world must be 16 finite numbers, row by row")
    pose = torch.tensor(matrix, dtype=torch.float64).reshape(4, 4)[:3]
    if not torch.allclose(pose[:, :3] @ pose[:, :3].T, torch.eye(3, dtype=torch.float64), atol=1e-3):
        raise SamNerfError(f"{where}: camera_to_world does not begin with a rotation")
    fov = _numbers([entry.get("fov")])
    if fov is None or not 0 < fov[0] < 180:
        raise SamNerfError(f"{where}: fov is {entry.get('fov')!r} but must lie between 0 and 180 degrees")
    focal = height / 2 / math.tan(math.radians(fov[0]) / 2)
    return Camera(pose.float(), focal, focal, width / 2, height / 2, height, width)


def _numbers(value: Any) -> list[float] | None:
    if not isinstance(value, list):
        return None
    numeric = all(isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v) for v in value)
    return [float(v) for v in value] if numeric else None
