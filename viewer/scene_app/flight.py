"""A path through keyframes, for videos and sequences: cameras that pass each of them, smoothly."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation, RotationSpline

from samnerf.camera import Camera
from samnerf.errors import SamNerfError

FPS = 24
"""Frames per second of what is rendered along a path."""


@dataclass(frozen=True)
class Flight:
    """Keyframes, and how long it takes from the first to the last.

    Attributes:
        keyframes: cameras that are passed, equally long after one another.
        seconds: in all.

    Raises:
        SamNerfError: if the time is not positive.
    """

    keyframes: tuple[Camera, ...] = ()
    seconds: int | float = 4

    def __post_init__(self) -> None:
        if not 0 < self.seconds <= 600:
            raise SamNerfError(f"a camera path cannot take {self.seconds:g} seconds; up to 600 are possible")

    def add(self, camera: Camera) -> "Flight":
        """One more keyframe, at the end."""
        return replace(self, keyframes=(*self.keyframes, camera))

    def remove(self, index: int) -> "Flight":
        """Without one of the keyframes, counted from 0; -1 is the last.

        Raises:
            SamNerfError: if it is not there.
        """
        if not -1 <= index < len(self.keyframes) or not self.keyframes:
            raise SamNerfError("there is no such keyframe; add one first")
        index %= len(self.keyframes)
        return replace(self, keyframes=self.keyframes[:index] + self.keyframes[index + 1 :])

    def cameras(self, image_size: tuple[int, int], fps: int | float = FPS) -> list[tuple[str, Camera]]:
        """Names ("path_0001", ...) and cameras of the frames, of (height, width) pixels, from first to last keyframe.

        Places go along a natural cubic spline, directions along SciPy's `RotationSpline`, and the vertical field of
        view along a cubic spline as well: nothing jolts at a keyframe.

        Raises:
            SamNerfError: if there are less than two keyframes.
        """
        if len(self.keyframes) < 2:
            raise SamNerfError("a camera path needs two keyframes or more; look from where it begins, and add one")
        passed = np.arange(len(self.keyframes), dtype=np.float64)
        poses = np.stack([one.camera_to_world.double().numpy() for one in self.keyframes])
        fovs = np.array([2 * math.atan(one.height / 2 / one.fy) for one in self.keyframes])
        at = np.linspace(0, passed[-1], max(2, round(self.seconds * fps)))
        places = CubicSpline(passed, poses[:, :, 3], bc_type="natural")(at)
        rotations = RotationSpline(passed, Rotation.from_matrix(poses[:, :, :3]))(at).as_matrix()
        views = np.exp(CubicSpline(passed, np.log(fovs), bc_type="natural")(at)).clip(1e-3, math.pi - 1e-3)
        digits = max(4, len(str(len(at))))
        return [
            (f"path_{i:0{digits}d}", _camera(rotation, place, view, image_size))
            for i, (rotation, place, view) in enumerate(zip(rotations, places, views, strict=True), start=1)
        ]


def _camera(rotation: np.ndarray, place: np.ndarray, fov: float, image_size: tuple[int, int]) -> Camera:
    height, width = image_size
    pose = torch.from_numpy(np.concatenate([rotation, place[:, None]], axis=1)).float()
    focal = height / 2 / math.tan(fov / 2)
    return Camera(pose, focal, focal, width / 2, height / 2, height, width)
