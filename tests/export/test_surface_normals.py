"""Normals against surfaces whose distance is known exactly."""

import numpy as np
import pytest
import torch

from samnerf.camera import Camera
from samnerf.export.surface_normals import normals_from_depth


def camera_at(position, target, height=96, width=128, focal=150.0):
    """Looks at a target, its top up; focal lengths and centre are odd on purpose."""
    position, target = torch.tensor(position, dtype=torch.float64), torch.tensor(target, dtype=torch.float64)
    back = (position - target) / (position - target).norm()
    right = torch.linalg.cross(torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64), back)
    right = right / right.norm()
    pose = torch.stack([right, torch.linalg.cross(back, right), back, position], dim=1)
    return Camera(pose, focal, focal * 1.1, width / 2 + 3, height / 2 - 2, height, width)


def rays(camera):
    y, x = torch.meshgrid(torch.arange(camera.height) + 0.5, torch.arange(camera.width) + 0.5, indexing="ij")
    return camera.ray_directions(torch.stack([x, y], dim=-1).double()).numpy(), camera.position.numpy()


def plane_distance(camera, normal, offset):
    directions, origin = rays(camera)
    return (offset - origin @ normal) / (directions @ normal)


def sphere_distance(camera, centre, radius):
    """Distances, infinite beside the sphere, and exact normals."""
    directions, origin = rays(camera)
    toward = directions @ (centre - origin)
    inside = radius**2 - ((centre - origin) @ (centre - origin) - toward**2)
    distance = np.where(inside > 0, toward - np.sqrt(np.maximum(inside, 0)), np.inf)
    return distance, (origin + np.where(inside > 0, distance, 0)[..., None] * directions - centre) / radius


def degrees(a, b):
    return np.degrees(np.arccos(np.clip((a * b).sum(axis=-1), -1, 1)))


@pytest.mark.parametrize(
    ("normal", "offset"),
    [((0, 0, 1), 0.0), ((0.6, 0, 0.8), 0.1), ((0.48, -0.6, 0.64), -0.2), ((0.05, -0.9987492, 0), 1.5)],
)
def test_a_plane_has_its_own_normal_in_every_pixel(normal, offset):
    camera = camera_at((2.0, -1.5, 2.5), (0.1, 0.2, 0.0))
    normal = np.array(normal) / np.linalg.norm(normal)
    distance = plane_distance(camera, normal, offset)
    assert (distance > 0).all()
    facing = normal if rays(camera)[0][40, 60] @ normal < 0 else -normal
    np.testing.assert_allclose(normals_from_depth(distance, camera), np.broadcast_to(facing, (96, 128, 3)), atol=1e-5)


def test_a_grazing_floor_stays_a_floor():
    camera = camera_at((0.0, -3.0, 0.3), (0.0, 0.0, 0.0), focal=300.0)
    distance = plane_distance(camera, np.array([0.0, 0.0, 1.0]), 0.0)
    seen = (distance > 0) & (distance < 20)
    assert seen.mean() > 0.5
    assert degrees(normals_from_depth(distance, camera)[seen], np.array([0, 0, 1.0])).max() < 0.05


def test_a_sphere_has_radial_normals():
    camera = camera_at((3.0, 1.0, 2.0), (0.0, 0.0, 0.5), height=192, width=256, focal=500.0)
    distance, exact = sphere_distance(camera, np.array([0.0, 0.0, 0.5]), 0.6)
    seen = np.isfinite(distance)
    assert seen.mean() > 0.2
    normals = normals_from_depth(distance, camera)
    error = degrees(normals, exact)[seen]
    assert np.median(error) < 0.1
    # Towards the silhouette a pixel covers ever more of the sphere.
    steep = -(rays(camera)[0] * exact).sum(axis=-1)
    assert degrees(normals, exact)[seen & (steep > 0.3)].max() < 2


def test_the_edge_of_an_object_does_not_lean_to_what_is_behind():
    camera = camera_at((0.0, -0.5, 3.0), (0.0, 0.0, 0.0))
    up = np.array([0.0, 0.0, 1.0])
    top, floor = plane_distance(camera, up, 0.5), plane_distance(camera, up, 0.0)
    points = rays(camera)[1] + top[..., None] * rays(camera)[0]
    distance = np.where((np.abs(points[..., :2]) < 0.4).all(axis=-1), top, floor)
    assert degrees(normals_from_depth(distance, camera), up).max() < 1


def test_every_normal_is_unit_and_faces_the_camera_whatever_the_depth():
    camera = camera_at((1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    distance = np.random.default_rng(0).uniform(0.1, 10, (96, 128))
    distance[::7, ::5] = np.nan
    distance[3:9] = np.inf
    distance[20:24, 8:60] = 0
    distance[50:52] = -1
    normals = normals_from_depth(distance.astype(np.float32), camera)
    assert normals.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(normals, axis=-1), 1, atol=1e-5)
    assert ((normals * rays(camera)[0]).sum(axis=-1) < 1e-6).all()


def test_noise_is_averaged():
    camera = camera_at((0.0, -2.0, 2.0), (0.0, 0.0, 0.0), height=48, width=64, focal=60.0)
    distance = plane_distance(camera, np.array([0.0, 0.0, 1.0]), 0.0)
    noisy = distance * np.random.default_rng(0).normal(1, 0.002, distance.shape)
    assert np.median(degrees(normals_from_depth(noisy, camera), np.array([0, 0, 1.0]))) < 3


def test_another_size_is_a_mistake():
    with pytest.raises(ValueError, match=r"distances are \[4, 5\] but the camera sees \[96, 128\]"):
        normals_from_depth(np.ones((4, 5)), camera_at((1.0, 1.0, 1.0), (0.0, 0.0, 0.0)))
