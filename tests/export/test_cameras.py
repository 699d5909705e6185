"""Cameras for Nuke: the files, read with Nuke's conventions, put every point of the world where our camera sees it."""

import math
import re

import numpy as np
import pytest
import torch

from samnerf.camera import Camera
from samnerf.errors import SamNerfError
from samnerf.export.cameras import nuke_pose, write_chan, write_nuke_cameras, zxy_angles

RANDOM = np.random.default_rng(0)
SIZE = (270, 480)


def looking(position, target, **intrinsics) -> Camera:
    """A camera in nerfstudio's world (+Z up) that looks at a point."""
    position, target = torch.tensor(position, dtype=torch.float64), torch.tensor(target, dtype=torch.float64)
    back = (position - target) / (position - target).norm()
    right = torch.linalg.cross(torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64), back)
    right = right / right.norm()
    pose = torch.stack([right, torch.linalg.cross(back, right), back, position], dim=-1)
    numbers = {"fx": 400.0, "fy": 400.0, "cx": SIZE[1] / 2, "cy": SIZE[0] / 2, **intrinsics}
    return Camera(pose, **numbers, height=SIZE[0], width=SIZE[1])


def orbit(count: int, **intrinsics) -> list[Camera]:
    """Cameras once around the origin."""
    turns = np.linspace(0, 2 * math.pi, count, endpoint=False)
    return [looking([3 * math.cos(a), 3 * math.sin(a), 1 + a / 7], [0.1, 0.2, 0.3], **intrinsics) for a in turns]


class NukeCamera:
    """A camera node as Nuke evaluates it at one frame."""

    def __init__(self, matrix, focal, haperture, win_translate=(0.0, 0.0), win_scale=(1.0, 1.0)):
        self.matrix, self.focal, self.haperture = matrix, focal, haperture
        self.win_translate, self.win_scale = np.array(win_translate), np.array(win_scale)

    def project(self, point, size):
        """Pixel (x, y from the top) of a point of Nuke's world, in a format of square pixels."""
        height, width = size
        local = np.linalg.inv(self.matrix) @ [*point, 1.0]
        window = 2 * self.focal / self.haperture * local[:2] / -local[2]
        u, v = (window - self.win_translate) / self.win_scale
        return np.array([width / 2 * (1 + u), height - (height / 2 + width / 2 * v)])


def values(text: str, frame: int):
    """Numbers of a knob at a frame: nested braces become nested lists, curves become their values."""
    tokens = re.findall(r"[{}]|[^\s{}]+", text)

    def group():
        items = []
        while tokens:
            token = tokens.pop(0)
            if token == "}":
                break
            items.append(group() if token == "{" else token)
        if items[:1] == ["curve"]:
            keys = dict(zip(items[-2::-2], items[::-2], strict=False))
            return float(keys[f"x{frame}"])
        return [item if isinstance(item, list | float) else float(item) for item in items]

    parsed = group()
    return parsed[0] if len(parsed) == 1 else parsed


def read_nk(path, frame: int) -> tuple[NukeCamera, dict[str, str]]:
    body = re.fullmatch(r"Camera3 \{\n(.*)\}\n", path.read_text(), re.DOTALL)
    assert body
    knobs = dict(re.findall(r"^ (\w+) (.*?)(?=^ \w|\Z)", body[1], re.DOTALL | re.MULTILINE))
    assert knobs["useMatrix"].strip() == "true"
    found = {
        name: values(knobs[name], frame) for name in ("matrix", "focal", "haperture", "win_translate", "win_scale")
    }
    focal, haperture = (np.ravel(found[name])[0] for name in ("focal", "haperture"))
    matrix = np.array(found["matrix"])
    assert matrix.shape == (4, 4)
    return NukeCamera(matrix, focal, haperture, found["win_translate"], found["win_scale"]), knobs


def read_chan(path, frame: int, size) -> NukeCamera:
    rows = {int(row[0]): row[1:] for row in (list(map(float, line.split())) for line in path.read_text().splitlines())}
    tx, ty, tz, *degrees, vertical = rows[frame]
    x, y, z = np.radians(degrees)
    turn_x = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    turn_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    turn_z = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3] = turn_y @ turn_x @ turn_z  # ZXY: Z is applied first
    matrix[:3, 3] = tx, ty, tz
    haperture = 24.576
    vaperture = haperture * size[0] / size[1]
    return NukeCamera(matrix, vaperture / 2 / math.tan(math.radians(vertical) / 2), haperture)


def to_nuke(point):
    """+Z up becomes +Y up."""
    return np.array([point[0], point[2], -point[1]])


def assert_sees_the_same(ours: Camera, theirs: NukeCamera):
    points = torch.tensor(RANDOM.uniform(-0.7, 0.7, (40, 3)))
    pixels, _, _ = ours.project(points)
    for point, pixel in zip(points.numpy(), pixels.numpy(), strict=True):
        np.testing.assert_allclose(theirs.project(to_nuke(point), ours.image_size), pixel, atol=1e-3)


LENSES = {
    "plain": {},
    "principal point off the middle": {"cx": 251.3, "cy": 120.7},
    "pixels not square": {"fx": 410.0, "fy": 380.0},
    "both": {"fx": 380.0, "fy": 420.0, "cx": 199.0, "cy": 150.5},
}


@pytest.mark.parametrize("lens", LENSES.values(), ids=LENSES)
def test_a_script_projects_as_our_cameras_do(tmp_path, lens):
    cameras = orbit(7, **lens)
    write_nuke_cameras(tmp_path / "c.nk", cameras, first_frame=1001)
    for frame, camera in enumerate(cameras, start=1001):
        assert_sees_the_same(camera, read_nk(tmp_path / "c.nk", frame)[0])


def test_a_script_follows_a_zoom(tmp_path):
    cameras = [looking([3, 1, 1], [0, 0, 0], fx=f, fy=f, cx=200 + f / 10) for f in (300.0, 350.0, 500.0)]
    write_nuke_cameras(tmp_path / "c.nk", cameras)
    for frame, camera in enumerate(cameras, start=1):
        assert_sees_the_same(camera, read_nk(tmp_path / "c.nk", frame)[0])


def test_a_single_camera_has_no_curves_and_a_label_that_tells_the_format(tmp_path):
    (camera,) = orbit(1)
    write_nuke_cameras(tmp_path / "c.nk", [camera], name="the fox's camera}")
    text = (tmp_path / "c.nk").read_text()
    assert "curve" not in text and text.isascii() and text.count("{") == text.count("}")
    theirs, knobs = read_nk(tmp_path / "c.nk", 1)
    assert_sees_the_same(camera, theirs)
    assert knobs["name"].strip() == "the_fox_s_camera"
    assert "480 x 270, frames 1 to 1" in knobs["label"]
    assert float(knobs["vaperture"]) == pytest.approx(float(knobs["haperture"]) * 270 / 480)
    assert knobs["focal"].strip() == "20.48"
    assert knobs["win_translate"].strip() == "{0 0}" and knobs["win_scale"].strip() == "{1 1}"


def test_a_channel_file_projects_as_our_cameras_do(tmp_path):
    cameras = orbit(9)
    write_chan(tmp_path / "c.chan", cameras, first_frame=0)
    for frame, camera in enumerate(cameras):
        assert_sees_the_same(camera, read_chan(tmp_path / "c.chan", frame, SIZE))


def test_angles_go_on_without_jumps(tmp_path):
    write_chan(tmp_path / "c.chan", orbit(50) * 2)
    angles = np.loadtxt(tmp_path / "c.chan")[:, 4:7]
    assert np.abs(np.diff(angles, axis=0)).max() < 20
    assert angles[:, 1].max() - angles[:, 1].min() > 360


@pytest.mark.parametrize("pitch", [-90.0, 90.0, 89.999, 0.0])
@pytest.mark.parametrize("yaw", [-170.0, 0.0, 33.0])
def test_angles_of_a_camera_that_looks_straight_up_or_down(pitch, yaw):
    x, y = math.radians(pitch), math.radians(yaw)
    turn_x = np.array([[1, 0, 0], [0, math.cos(x), -math.sin(x)], [0, math.sin(x), math.cos(x)]])
    turn_y = np.array([[math.cos(y), 0, math.sin(y)], [0, 1, 0], [-math.sin(y), 0, math.cos(y)]])
    np.testing.assert_allclose(zxy_angles(turn_y @ turn_x), (pitch, yaw, 0), atol=1e-6)


def test_up_in_our_world_is_up_in_nukes():
    camera = looking([2.0, 0.0, 5.0], [0.0, 0.0, 5.0])
    pose = nuke_pose(camera)
    np.testing.assert_allclose(pose[:3, 3], [2, 5, 0], atol=1e-12)
    np.testing.assert_allclose(pose[:3, 1], [0, 1, 0], atol=1e-12)  # the camera stands upright in both
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1)


@pytest.mark.parametrize("lens", [LENSES["both"], LENSES["pixels not square"], {"cx": 241.0}])
def test_what_a_channel_file_cannot_say_is_refused(tmp_path, lens):
    with pytest.raises(SamNerfError, match=r"c\.chan cannot hold the camera of frame 1, .* write a \.nk file"):
        write_chan(tmp_path / "c.chan", orbit(2, **lens))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("write", [write_chan, write_nuke_cameras])
def test_cameras_of_one_size_are_needed(tmp_path, write):
    (camera,) = orbit(1)
    with pytest.raises(SamNerfError, match="got no camera at all"):
        write(tmp_path / "c", [])
    with pytest.raises(SamNerfError, match="got 100 x 50, 480 x 270"):
        write(tmp_path / "c", [camera, camera.scaled(50, 100)])


@pytest.mark.parametrize("size", [(1, 1), (2160, 4096)])
def test_small_and_large_images(tmp_path, size):
    camera = orbit(1)[0].scaled(*size)
    write_nuke_cameras(tmp_path / "c.nk", [camera])
    assert_sees_the_same(camera, read_nk(tmp_path / "c.nk", 1)[0])
    square = Camera(camera.camera_to_world, camera.fx, camera.fx, camera.cx, camera.cy, *size)
    write_chan(tmp_path / "c.chan", [square])
    assert_sees_the_same(square, read_chan(tmp_path / "c.chan", 1, size))
