"""Points of locked objects on the toy world, whose surfaces are known exactly."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from samnerf.errors import SamNerfError
from samnerf.export.object_points import object_points, point_spacing
from samnerf.objects.probability_grid import ProbabilityGrid
from samnerf.surface_samples import SurfaceSamples


def cameras(toy):
    return [toy.look_down(x=x, y=y) for x in (-0.2, 0.2) for y in (-0.1, 0.1)]


def test_points_lie_on_their_object_with_its_colour_normal_and_id(toy):
    layers = toy.layers()
    cloud = object_points(toy.scene(), layers.objects, cameras(toy))
    assert set(cloud.object_ids.tolist()) == {1, 2, 3}
    for square in toy.squares:
        one = cloud.select(cloud.object_ids == square.id)
        np.testing.assert_allclose(one.positions[:, 2], square.z, atol=1e-5)
        beside = np.abs(one.positions[:, :2] - [square.x, square.y]).max()
        assert 0.9 * square.half < beside <= square.half
        assert (one.colours == np.eye(3, dtype=np.uint8)[square.id - 1] * 255).all()
        np.testing.assert_allclose(one.normals, np.broadcast_to([0, 0, 1], one.normals.shape), atol=1e-4)
        np.testing.assert_allclose(one.confidence, 1, atol=1e-6)


def test_there_is_at_most_one_point_per_cube_and_object(toy):
    layers = toy.layers(1, 2)
    cloud = object_points(toy.scene(), layers.objects, cameras(toy), spacing=0.1)
    cubes = np.column_stack([np.floor(cloud.positions / 0.1), cloud.object_ids])
    assert len(np.unique(cubes, axis=0)) == len(cloud) < 100


def test_the_spacing_is_a_hundredth_of_the_smallest_object(toy):
    layers = toy.layers()
    assert point_spacing(layers.objects[:1]) == pytest.approx(0.65 / 100)
    assert point_spacing(layers.objects) == pytest.approx(0.45 / 100)
    assert point_spacing([]) == 0.01


def test_the_background_has_the_id_0_and_all_that_belongs_to_no_object(toy):
    layers = toy.layers(1, 2)
    whole = object_points(toy.scene(), layers.objects, cameras(toy), spacing=0.02, background=True)
    rest = whole.select(whole.object_ids == 0)
    np.testing.assert_allclose(np.unique(rest.positions[:, 2].round(4)), [0, 0.1], atol=1e-5)
    blue = rest.select(rest.positions[:, 2] > 0.05)
    assert np.abs(blue.positions[:, :2] - [0.5, -0.4]).max() <= 0.2
    alone = object_points(toy.scene(), layers.objects, cameras(toy), spacing=0.02)
    np.testing.assert_array_equal(whole.select(whole.object_ids > 0).positions, alone.positions)


def test_what_no_camera_shows_has_no_points(toy):
    layers = toy.layers(1, 2)
    away = replace(layers.objects[1], grid=replace(layers.objects[1].grid, lower=torch.tensor([50.0, 0.0, 0.0])))
    cloud = object_points(toy.scene(), (layers.objects[0], away), cameras(toy))
    assert set(cloud.object_ids.tolist()) == {1}
    assert len(object_points(toy.scene(), (away,), cameras(toy))) == 0


def two_samples(camera, near, far, share):
    """Every ray meets something at two distances."""
    pixels = torch.stack(torch.meshgrid(torch.arange(camera.width), torch.arange(camera.height), indexing="xy"), dim=-1)
    directions = camera.ray_directions(pixels.reshape(-1, 2) + 0.5)
    positions = camera.position + directions[:, None] * torch.tensor([near, far])[:, None]
    return SurfaceSamples(camera, positions, torch.tensor([[share, 1 - share]]).expand(len(positions), 2))


def everywhere(toy, probability=1.0):
    grid = ProbabilityGrid(torch.full((8, 8, 8), probability), torch.tensor([-5.0, -5.0, -5.0]), 10 / 7)
    return replace(toy.layers(1).objects[0], grid=grid)


def test_the_place_of_a_point_is_the_mean_of_its_samples(toy):
    scene, camera = toy.scene(), toy.look_down()
    scene.pipeline.model.render_samples = lambda asked: two_samples(asked, 2.9, 3.0, 0.25)
    cloud = object_points(scene, [everywhere(toy)], [camera], spacing=1e-3)
    distances = np.linalg.norm(cloud.positions - camera.position.numpy(), axis=1)
    np.testing.assert_allclose(distances, 0.25 * 2.9 + 0.75 * 3.0, atol=1e-4)


def test_rays_whose_samples_lie_on_two_surfaces_are_left_out(toy):
    scene = toy.scene()
    scene.pipeline.model.render_samples = lambda asked: two_samples(asked, 2.0, 3.0, 0.5)
    assert len(object_points(scene, [everywhere(toy)], [toy.look_down()])) == 0


@pytest.mark.parametrize("probability", [0.6, 0.8, 1.0])
def test_confidence_is_the_alpha_of_the_ray(toy, probability):
    cloud = object_points(toy.scene(), [everywhere(toy, probability)], [toy.look_down()], spacing=0.05)
    np.testing.assert_allclose(cloud.confidence, probability, atol=1e-6)


def test_rays_that_show_less_than_half_of_an_object_give_no_points(toy):
    assert len(object_points(toy.scene(), [everywhere(toy, 0.4)], [toy.look_down()], spacing=0.05)) == 0


def test_a_single_pixel_and_a_camera_inside_the_object(toy):
    inside = everywhere(toy)
    assert len(object_points(toy.scene(), [inside], [toy.look_down(z=1.0, height=1, width=1)])) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], []), "there are no objects"),
        ((None, []), "at least one camera"),
        ((None, None, -1.0), "spacing of points is -1"),
    ],
)
def test_what_cannot_be_is_refused(toy, arguments, message):
    objects, views, *spacing = arguments
    layers = toy.layers(1)
    with pytest.raises(SamNerfError, match=message):
        object_points(
            toy.scene(),
            layers.objects if objects is None else objects,
            [toy.look_down()] if views is None else views,
            *spacing,
        )
