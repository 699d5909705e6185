"""Paths through keyframes."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from samnerf.camera import Camera
from samnerf.errors import SamNerfError
from samnerf.viewer.scene_app.flight import Flight


def camera(x, turn=0.0, focal=100.0):
    pose = torch.cat([torch.from_numpy(Rotation.from_euler("z", turn, degrees=True).as_matrix()).float(),
                      torch.tensor([[x], [0.0], [2.0]])], dim=1)  # fmt: skip
    return Camera(pose, focal, focal, 80.0, 60.0, 120, 160)


def flight(*keyframes, seconds=1.0):
    made = Flight(seconds=seconds)
    for one in keyframes:
        made = made.add(one)
    return made


def test_a_path_begins_and_ends_at_its_keyframes_and_passes_those_between():
    keyframes = camera(0.0), camera(1.0, 40, 120.0), camera(3.0, 90, 100.0)
    path = flight(*keyframes, seconds=101 / 24).cameras((120, 160))
    assert len(path) == 101
    for (_, passed), keyframe in zip((path[0], path[50], path[100]), keyframes, strict=True):
        assert torch.allclose(passed.camera_to_world, keyframe.camera_to_world, atol=1e-5)
        assert passed.fy == pytest.approx(keyframe.fy)
        assert passed.image_size == (120, 160)


def test_frames_are_named_in_order():
    names = [name for name, _ in flight(camera(0.0), camera(1.0)).cameras((12, 16))]
    assert names == sorted(names)
    assert (names[0], names[-1]) == ("path_0001", "path_0024")


def test_between_two_keyframes_a_path_is_straight_and_even():
    xs = [float(one.position[0]) for _, one in flight(camera(0.0), camera(2.0)).cameras((12, 16), 11)]
    assert np.allclose(np.diff(xs), 0.2, atol=1e-5)


def test_a_path_turns_the_short_way_and_stays_a_rotation():
    path = flight(camera(0.0, 170), camera(0.0, -170)).cameras((12, 16))
    for _, one in path:
        rotation = one.camera_to_world[:, :3]
        assert torch.allclose(rotation @ rotation.T, torch.eye(3), atol=1e-5)
        assert rotation[0, 0] < -0.98


def test_no_jolt_at_a_keyframe():
    path = flight(camera(0.0), camera(1.0), camera(0.0), seconds=5).cameras((12, 16), 100)
    xs = np.array([float(one.position[0]) for _, one in path], dtype=np.float64)
    speed = np.diff(xs)
    assert np.abs(np.diff(speed)).max() < 0.1 * np.abs(speed).max()


def test_the_size_may_be_another_one_with_the_same_field_of_view():
    _, one = flight(camera(0.0), camera(1.0)).cameras((240, 240))[0]
    assert one.fy == pytest.approx(200)
    assert (one.cx, one.cy) == (120, 120)


def test_keyframes_are_removed_from_anywhere():
    three = flight(camera(0.0), camera(1.0), camera(2.0))
    assert [float(one.position[0]) for one in three.remove(0).keyframes] == [1.0, 2.0]
    assert [float(one.position[0]) for one in three.remove(-1).keyframes] == [0.0, 1.0]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: Flight().remove(-1), "no such keyframe"),
        (lambda: flight(camera(0.0)).remove(1), "no such keyframe"),
        (lambda: flight(camera(0.0)).cameras((12, 16)), "two keyframes or more"),
        (lambda: Flight(seconds=0), "cannot take 0 seconds"),
    ],
)
def test_what_cannot_be_is_said(wrong, said):
    with pytest.raises(SamNerfError, match=said):
        wrong()
