"""Camera paths as nerfstudio's viewer exports them."""

import json
import math

import pytest
import torch

from samnerf.camera_path import load_camera_path, save_camera_path
from samnerf.errors import SamNerfError


def document(**changes):
    pose = [1, 0, 0, 0.5, 0, 1, 0, -0.25, 0, 0, 1, 2, 0, 0, 0, 1]
    path = {
        "camera_type": "perspective",
        "render_height": 100,
        "render_width": 150,
        "camera_path": [{"camera_to_world": pose, "fov": 90.0, "aspect": 1.5}],
    }
    return {**path, **changes}


def write(tmp_path, value):
    file = tmp_path / "path.json"
    file.write_text(json.dumps(value))
    return file


def test_a_right_angle_of_view_has_a_focal_length_of_half_the_height(tmp_path):
    ((name, camera),) = load_camera_path(write(tmp_path, document()))
    assert name == "path_0001"
    assert camera.fx == camera.fy == pytest.approx(50)
    assert (camera.cx, camera.cy, camera.height, camera.width) == (75, 50, 100, 150)
    assert camera.position.tolist() == [0.5, -0.25, 2.0]


def test_what_was_saved_is_loaded(tmp_path, toy):
    cameras = [toy.look_down(x=x, focal=77.0) for x in (0.0, 0.5)]
    save_camera_path(tmp_path / "path.json", cameras)
    loaded = [camera for _, camera in load_camera_path(tmp_path / "path.json")]
    for before, after in zip(cameras, loaded, strict=True):
        torch.testing.assert_close(before.camera_to_world, after.camera_to_world)
        assert after.fx == pytest.approx(before.fx)
        assert after.image_size == before.image_size


def test_a_camera_that_the_format_cannot_hold_is_not_saved(tmp_path, toy):
    from dataclasses import replace

    with pytest.raises(ValueError, match="square pixels"):
        save_camera_path(tmp_path / "path.json", [replace(toy.look_down(), fx=10.0)])
    assert not (tmp_path / "path.json").exists()


NAN_POSE = [{"camera_to_world": [math.nan] * 16, "fov": 50}]
SKEWED = [{"camera_to_world": [2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1], "fov": 50}]
SHORT = [{"camera_to_world": [1, 0, 0], "fov": 50}]
NO_FOV = [{"camera_to_world": [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]}]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"camera_type": "equirectangular"}, "only perspective"),
        ({"render_height": 0}, "render_height is 0 but must be"),
        ({"render_width": "wide"}, "render_width is 'wide'"),
        ({"camera_path": []}, "has no cameras"),
        ({"camera_path": NAN_POSE}, "camera 1: camera_to_world must be 16 finite numbers"),
        ({"camera_path": SHORT}, "16 finite numbers"),
        ({"camera_path": SKEWED}, "does not begin with a rotation"),
        ({"camera_path": NO_FOV}, "fov is None but must lie between"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, changes, message):
    with pytest.raises(SamNerfError, match=message):
        load_camera_path(write(tmp_path, document(**changes)))


def test_a_missing_path_is_named(tmp_path):
    with pytest.raises(SamNerfError, match="does not exist"):
        load_camera_path(tmp_path / "none.json")
