"""Cameras for Nuke: a node in a script (`.nk`), or a channel file (`.chan`) of positions, angles and fields of view.

Nuke's cameras look down their -Z with +Y up, as ours do, but its world is +Y up: ours is turned by -90 degrees about
X, so that (x, y, z) becomes (x, z, -y). Lengths stay scene units. A node projects a point (x, y, z) of its own frame
to the pixel

    u = W/2 + W/2 * (2 * focal / haperture * x / -z - win_translate.u) / win_scale.u
    v = H/2 + W/2 * (2 * focal / haperture * y / -z - win_translate.v) / win_scale.v

of a format of W x H square pixels, v counted from below; both parts of `win_translate` are in halves of the image's
*width*. A principal point that is not in the middle goes into `win_translate`, and pixels that are not square into
`win_scale`.

`.nk` holds every camera exactly. `.chan` leaves a camera that can be edited by hand, but knows neither. Paths for
nerfstudio are written by `samnerf.camera_path`.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from samnerf.atomic_files import write_bytes
from samnerf.camera import Camera
from samnerf.errors import SamNerfError
from samnerf.export.exr import layer_names

# Nuke's own film back, mm; only its ratio to the focal length shows.
HORIZONTAL_APERTURE = 24.576

# Turns nerfstudio's world (+Z up) into Nuke's (+Y up).
TO_NUKE_WORLD = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])


def nuke_pose(camera: Camera) -> Float[np.ndarray, "4 4"]:
    """Camera to world in Nuke's world, scene units."""
    pose = np.eye(4)
    pose[:3] = TO_NUKE_WORLD @ camera.camera_to_world.detach().cpu().double().numpy()
    return pose


def write_nuke_cameras(path: Path, cameras: Sequence[Camera], name: str = "samnerf", first_frame: int = 1) -> None:
    """A script with one `Camera3` node, animated over the cameras; open it, or paste its text into the node graph.

    The pose is the node's matrix (`useMatrix`), which no order of rotations can spoil. The project's format has to be
    as large as the images; the node's label says how large.

    Args:
        path: of the file, `.nk`.
        cameras: of one size, one for each frame.
        name: of the node; what Nuke does not take in a name becomes an underscore.
        first_frame: number of the first camera's frame; the others follow.

    Raises:
        SamNerfError: if there is no camera, they differ in size, or the file cannot be written.
    """
    height, width = _one_size(cameras, path)
    poses = np.stack([nuke_pose(camera) for camera in cameras])
    rows = [" ".join(_curve(poses[:, row, column], first_frame) for column in range(4)) for row in range(4)]
    knobs = {
        "inputs": "0",
        "useMatrix": "true",
        "matrix": "{\n" + "".join(f"     {{{row}}}\n" for row in rows) + " }",
        "focal": _curves([(camera.fx / width * HORIZONTAL_APERTURE,) for camera in cameras], first_frame),
        "haperture": _number(HORIZONTAL_APERTURE),
        "vaperture": _number(HORIZONTAL_APERTURE * height / width),
        "win_translate": _curves([_window(camera) for camera in cameras], first_frame),
        "win_scale": _curves([(1.0, camera.fx / camera.fy) for camera in cameras], first_frame),
        "name": layer_names([name])[name],
        "label": f'"{width} x {height}, frames {first_frame} to {first_frame + len(cameras) - 1}"',
    }
    script = "Camera3 {\n" + "".join(f" {knob} {value}\n" for knob, value in knobs.items()) + "}\n"
    write_bytes(path, script.encode())


def write_chan(path: Path, cameras: Sequence[Camera], first_frame: int = 1) -> None:
    """A channel file: `frame tx ty tz rx ry rz vfov` for each camera, angles in degrees.

    Rotations are those of the order ZXY, which is that of a new camera in Nuke: about Z first, then X, then Y. Angles
    go on without jumps from frame to frame. Nuke makes the focal length from `vfov` and the node's vertical aperture,
    so set that to haperture * H / W before the file is imported.

    Args:
        path: of the file, `.chan`.
        cameras: of one size, one for each frame.
        first_frame: number of the first camera's frame; the others follow.

    Raises:
        SamNerfError: if there is no camera, they differ in size, one has its principal point elsewhere than in the
            middle or pixels that are not square, or the file cannot be written.
    """
    height, width = _one_size(cameras, path)
    for frame, camera in enumerate(cameras, start=first_frame):
        centred = math.isclose(camera.cx, width / 2, abs_tol=1e-3) and math.isclose(camera.cy, height / 2, abs_tol=1e-3)
        if not centred or not math.isclose(camera.fx, camera.fy, rel_tol=1e-6):
            raise SamNerfError(
                f"{path} cannot hold the camera of frame {frame}, whose principal point is not in the middle or whose "
                "pixels are not square; write a .nk file, which can"
            )
    poses = np.stack([nuke_pose(camera) for camera in cameras])
    angles = np.unwrap([zxy_angles(pose[:3, :3]) for pose in poses], period=360, axis=0)
    lines = []
    for i, camera in enumerate(cameras):
        vertical = math.degrees(2 * math.atan(height / 2 / camera.fy))
        numbers = " ".join(_number(value) for value in (*poses[i, :3, 3], *angles[i], vertical))
        lines.append(f"{first_frame + i} {numbers}\n")
    write_bytes(path, "".join(lines).encode())


def zxy_angles(rotation: Float[np.ndarray, "3 3"]) -> tuple[float, float, float]:
    """Degrees about X, Y, Z of a rotation that turns about Z first, then X, then Y: R = Ry Rx Rz.

    Looking straight up or down, only one turn about the axis of view is left, and it is given to Y.
    """
    x = math.atan2(-rotation[1, 2], math.hypot(rotation[0, 2], rotation[2, 2]))
    if math.hypot(rotation[0, 2], rotation[2, 2]) > 1e-6:
        y = math.atan2(rotation[0, 2], rotation[2, 2])
        z = math.atan2(rotation[1, 0], rotation[1, 1])
    else:
        y, z = math.atan2(-rotation[2, 0], rotation[0, 0]), 0.0
    return math.degrees(x), math.degrees(y), math.degrees(z)


def _one_size(cameras: Sequence[Camera], path: Path) -> tuple[int, int]:
    sizes = {camera.image_size for camera in cameras}
    if len(sizes) != 1:
        said = ", ".join(f"{width} x {height}" for height, width in sorted(sizes)) or "no camera at all"
        raise SamNerfError(f"{path} can hold cameras of one size, at least one of them; got {said}")
    return sizes.pop()


def _window(camera: Camera) -> tuple[float, float]:
    """`win_translate` of a camera, halves of the width."""
    u = 1 - 2 * camera.cx / camera.width
    v = (2 * camera.cy - camera.height) / camera.width * camera.fx / camera.fy
    return u, v


def _curves(components: Sequence[tuple[float, ...]], first_frame: int) -> str:
    """The value of a knob, from its components at each frame; one number that never changes stands without braces."""
    texts = [_curve(values, first_frame) for values in zip(*components, strict=True)]
    return texts[0] if len(texts) == 1 and not texts[0].startswith("{") else "{" + " ".join(texts) + "}"


def _curve(values: Sequence[float] | Float[np.ndarray, " frames"], first_frame: int) -> str:
    """One component of a knob: a number that does not change, or a key for each frame with straight lines between."""
    texts = [_number(value) for value in values]
    if len(set(texts)) == 1:
        return texts[0]
    return "{curve L " + " ".join(f"x{frame} {text}" for frame, text in enumerate(texts, start=first_frame)) + "}"


def _number(value: float) -> str:
    """Ten decimals at most, and no exponent."""
    text = f"{value:.10f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
