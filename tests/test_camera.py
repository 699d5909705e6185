"""The pinhole camera, held against itself and against nerfstudio's."""

import pytest
import torch
from nerfstudio.cameras.cameras import Cameras

from samnerf.camera import Camera


def random_camera(seed=0, height=48, width=27):
    generator = torch.Generator().manual_seed(seed)
    rotation = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))[0]
    rotation *= torch.linalg.det(rotation)
    position = torch.randn(3, 1, generator=generator, dtype=torch.float64)
    return Camera(torch.cat([rotation, position], dim=1), 30.0, 33.0, 13.1, 24.7, height, width)


def random_pixels(camera, count=100):
    generator = torch.Generator().manual_seed(1)
    return torch.rand(count, 2, generator=generator, dtype=torch.float64) * torch.tensor([camera.width, camera.height])


@pytest.mark.parametrize("seed", range(3))
def test_project_inverts_unproject(seed):
    camera = random_camera(seed)
    pixels, distances = random_pixels(camera), torch.linspace(0.01, 50, 100, dtype=torch.float64)
    projected, back, inside = camera.project(camera.unproject(pixels, distances))
    torch.testing.assert_close(projected, pixels)
    torch.testing.assert_close(back, distances)
    assert inside.all()


@pytest.mark.filterwarnings("ignore:Using a non-tuple sequence:UserWarning")  # inside nerfstudio 1.1.5
def test_ray_directions_are_those_of_nerfstudio():
    camera = random_camera()
    theirs = Cameras(
        camera.camera_to_world[None].float(), camera.fx, camera.fy, camera.cx, camera.cy, camera.width, camera.height
    ).generate_rays(camera_indices=0)
    y, x = torch.meshgrid(torch.arange(camera.height) + 0.5, torch.arange(camera.width) + 0.5, indexing="ij")
    ours = camera.ray_directions(torch.stack([x, y], dim=-1).double()).float()
    torch.testing.assert_close(ours, theirs.directions, atol=1e-5, rtol=0)
    torch.testing.assert_close(camera.position.float().expand_as(ours), theirs.origins)


def test_ray_directions_have_unit_length():
    camera = random_camera()
    lengths = camera.ray_directions(random_pixels(camera)).norm(dim=-1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths))


def test_the_principal_point_looks_along_minus_z_and_up_is_plus_y():
    camera = Camera(torch.eye(4)[:3], 10.0, 10.0, 8.0, 6.0, 12, 16)
    ahead, above = camera.ray_directions(torch.tensor([[8.0, 6.0], [8.0, 0.0]]))
    torch.testing.assert_close(ahead, torch.tensor([0.0, 0.0, -1.0]))
    assert above[1] > 0


def test_points_behind_or_beside_are_not_inside():
    camera = Camera(torch.eye(4)[:3], 10.0, 10.0, 8.0, 6.0, 12, 16)
    points = torch.tensor([[0.0, 0.0, -1.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0], [5.0, 0.0, -1.0], [0.0, -5.0, -1.0]])
    projected, distances, inside = camera.project(points)
    assert inside.tolist() == [True, False, False, False, False]
    assert projected.isfinite().all()
    torch.testing.assert_close(distances, points.norm(dim=-1))


def test_a_scaled_camera_sees_the_same_rays_at_scaled_pixels():
    camera = random_camera()
    scaled = camera.scaled(height=96, width=81)
    pixels = random_pixels(camera)
    torch.testing.assert_close(scaled.ray_directions(pixels * torch.tensor([3.0, 2.0])), camera.ray_directions(pixels))
    assert scaled.image_size == (96, 81)
