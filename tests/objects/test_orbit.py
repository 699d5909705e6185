"""Orbits: equally far, equally high, looking in, upright."""

import math

import pytest
import torch

from samnerf.camera import Camera
from samnerf.errors import SamNerfError
from samnerf.objects.orbit import looked_at, middle_of, orbit_cameras


def looking_at(target, position):
    back = torch.nn.functional.normalize(torch.tensor(position) - torch.tensor(target), dim=0)
    right = torch.nn.functional.normalize(torch.linalg.cross(torch.tensor([0.0, 0.0, 1.0]), back), dim=0)
    pose = torch.stack([right, torch.linalg.cross(back, right), back, torch.tensor(position)], dim=1)
    return Camera(pose, 70.0, 72.0, 30.0, 25.0, 48, 64)


TARGET = (0.3, -0.2, 0.1)
TRAINING = [looking_at(TARGET, place) for place in [(1.3, -0.2, 0.6), (0.3, 1.8, 1.1), (-0.7, -0.2, 0.6)]]


@pytest.mark.parametrize("count", [1, 2, 7, 120])
def test_every_camera_looks_at_the_centre_from_the_mean_distance_and_elevation(count):
    centre = torch.tensor(TARGET)
    offsets = torch.stack([camera.position for camera in TRAINING]) - centre
    distance = float(offsets.norm(dim=1).mean())
    elevation = float(torch.atan2(offsets[:, 2], offsets[:, :2].norm(dim=1)).mean())
    cameras = orbit_cameras(TRAINING, count, centre)
    assert len(cameras) == count
    for camera in cameras:
        offset = camera.position - centre
        assert float(offset.norm()) == pytest.approx(distance, abs=1e-5)
        assert math.asin(float(offset[2]) / distance) == pytest.approx(elevation, abs=1e-5)
        pixel, _, inside = camera.project(centre)
        assert bool(inside) and pixel.tolist() == pytest.approx([32, 24], abs=1e-3)
        above = camera.project(centre + torch.tensor([0.0, 0.0, 0.1]))[0]
        assert float(above[0]) == pytest.approx(32, abs=1e-3) and float(above[1]) < 24
        rotation = camera.camera_to_world[:, :3]
        torch.testing.assert_close(rotation.T @ rotation, torch.eye(3), atol=1e-6, rtol=0)
        assert float(torch.linalg.det(rotation)) == pytest.approx(1, abs=1e-6)


def test_steps_are_equal_and_the_first_camera_is_on_the_side_of_the_first_photograph():
    centre = torch.tensor(TARGET)
    azimuths = [math.atan2(*(c.position - centre)[[1, 0]].tolist()) for c in orbit_cameras(TRAINING, 8, centre)]
    steps = [(after - before) % math.tau for before, after in zip(azimuths, azimuths[1:] + azimuths[:1], strict=True)]
    assert steps == pytest.approx([math.tau / 8] * 8, abs=1e-5)
    assert azimuths[0] == pytest.approx(0, abs=1e-6)


def test_size_and_vertical_field_of_view_are_those_of_the_photographs_and_a_camera_path_can_hold_them(tmp_path):
    from samnerf.camera_path import load_camera_path, save_camera_path

    cameras = orbit_cameras(TRAINING, 3)
    assert [(c.image_size, c.fx, c.fy, c.cx, c.cy) for c in cameras] == [((48, 64), 72.0, 72.0, 32.0, 24.0)] * 3
    save_camera_path(tmp_path / "orbit.json", cameras)
    for before, (_, after) in zip(cameras, load_camera_path(tmp_path / "orbit.json"), strict=True):
        torch.testing.assert_close(before.camera_to_world, after.camera_to_world)


def test_the_default_centre_is_what_the_photographs_look_at():
    torch.testing.assert_close(looked_at(TRAINING), torch.tensor(TARGET), atol=1e-5, rtol=0)
    by_default, by_hand = orbit_cameras(TRAINING, 2), orbit_cameras(TRAINING, 2, torch.tensor(TARGET))
    for one, other in zip(by_default, by_hand, strict=True):
        torch.testing.assert_close(one.camera_to_world, other.camera_to_world, atol=1e-5, rtol=0)


def test_photographs_from_straight_above_give_an_orbit_that_is_not_a_point(toy):
    cameras = orbit_cameras([toy.look_down(x=0.1), toy.look_down(x=-0.1)], 4)
    assert all(torch.isfinite(camera.camera_to_world).all() for camera in cameras)
    places = torch.stack([camera.position for camera in cameras])
    assert float((places - places[:1]).norm(dim=1)[1:].min()) > 0.5
    assert float(places[:, 2].min()) > 2


def test_the_middle_of_objects_is_that_of_their_voxels(toy):
    layers = toy.layers(1, 2)
    torch.testing.assert_close(middle_of(layers.objects[:1]), torch.tensor([-0.6, 0.0, 0.1]), atol=1e-5, rtol=0)
    torch.testing.assert_close(middle_of(layers.objects), torch.tensor([-0.075, 0.125, 0.1]), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("training", "count", "message"),
    [(TRAINING, 0, "orbit of 0 cameras"), ([], 4, "there are none")],
)
def test_orbits_that_cannot_be_are_refused(training, count, message):
    with pytest.raises(SamNerfError, match=message):
        orbit_cameras(training, count)


def test_nothing_has_no_middle():
    with pytest.raises(SamNerfError, match="no objects"):
        middle_of([])
