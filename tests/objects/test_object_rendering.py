"""Rendered objects: exact on the toy world, exclusive everywhere, and the same however they are cut into pieces."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from samnerf.objects import object_rendering
from samnerf.objects.layers import ObjectLayers, exclusive
from samnerf.objects.object_rendering import object_alphas, render_objects, rendered_alphas
from samnerf.objects.probability_grid import ProbabilityGrid
from samnerf.objects.scene_object import SceneObject
from samnerf.objects.support import object_alpha
from samnerf.surface_samples import SurfaceSamples


def overlapping(toy, count=4, seed=0):
    """Soft objects that claim the same places."""
    random = torch.Generator().manual_seed(seed)
    return [
        SceneObject(
            i + 1,
            str(i),
            (0, 0, 0),
            ProbabilityGrid(torch.rand(6, 6, 6, generator=random), torch.rand(3, generator=random) * 0.3, 0.1),
        )
        for i in range(count)
    ]


@pytest.fixture
def cloud(toy):
    """Rays with several samples in and around the soft objects; weights of a ray sum to less than 1."""
    random = torch.Generator().manual_seed(1)
    weights = torch.rand(24 * 32, 5, generator=random)
    positions = torch.rand(24 * 32, 5, 3, generator=random) * 1.4 - 0.2
    return SurfaceSamples(
        toy.look_down(height=24, width=32), positions, weights / weights.sum(dim=1, keepdim=True) * 0.9
    )


@pytest.mark.parametrize("camera", [{}, {"x": -0.4, "y": 0.2, "z": 2.2}, {"height": 33, "width": 17}])
def test_alphas_are_the_objects_of_the_toy_world(toy, camera):
    field, camera = toy.Field(), toy.look_down(**camera)
    alphas = render_objects(field.render_samples(camera), toy.layers().objects)
    for object_id, alpha in enumerate(alphas, start=1):
        assert np.array_equal(alpha.numpy() > 0.5, field.ids(camera) == object_id)
        torch.testing.assert_close(alpha, alpha.round())


def test_one_object_alone_is_what_locking_sees(cloud, toy):
    (one,) = overlapping(toy, 1)
    torch.testing.assert_close(render_objects(cloud, [one])[0], object_alpha(cloud, one.grid))


def test_alphas_share_probabilities_before_they_are_weighted(cloud, toy):
    objects = overlapping(toy)
    shared = exclusive(torch.stack([one.grid.at(cloud.positions) for one in objects]))
    expected = (shared * cloud.weights).sum(dim=-1).reshape(len(objects), 24, 32)
    torch.testing.assert_close(render_objects(cloud, objects), expected, atol=1e-6, rtol=0)


def test_alphas_sum_to_no_more_than_the_opacity(cloud, toy):
    total = render_objects(cloud, overlapping(toy, 12)).sum(dim=0)
    assert float(total.max()) <= 0.9 + 1e-5


def test_chunks_change_nothing(cloud, toy, monkeypatch):
    whole = render_objects(cloud, overlapping(toy))
    monkeypatch.setattr(object_rendering, "RAYS_AT_ONCE", 7)
    torch.testing.assert_close(render_objects(cloud, overlapping(toy)), whole)


def test_bands_change_nothing(toy, monkeypatch):
    field, camera = toy.Field(), toy.look_down(x=-0.1)
    objects = toy.layers().objects
    whole = object_alphas(field.render_samples(camera), objects)
    monkeypatch.setattr(object_rendering, "BAND", 5 * camera.width)
    banded = rendered_alphas(camera, field.render_samples, objects)
    assert banded.image_size == camera.image_size
    for index in range(len(objects)):
        assert torch.equal(banded.rays[index], whole.rays[index])
        torch.testing.assert_close(banded.alphas[index], whole.alphas[index])


def test_the_id_map_says_who_fills_more_than_half(toy):
    field, camera = toy.Field(), toy.look_down()
    alphas = object_alphas(field.render_samples(camera), toy.layers().objects)
    assert np.array_equal(alphas.id_map([1, 2, 3]), field.ids(camera))
    assert alphas.id_map([1, 2, 65535]).max() == 65535


def test_no_object_and_no_ray_that_meets_one(toy):
    field, camera = toy.Field(), toy.look_down()
    assert render_objects(field.render_samples(camera), []).shape == (0, 96, 128)
    far = replace(toy.layers().objects[0], grid=replace(toy.grid(), lower=torch.full((3,), 50.0)))
    assert not render_objects(field.render_samples(camera), [far]).any()


def test_an_object_that_no_ray_comes_near_is_not_looked_at(toy, monkeypatch):
    field, camera = toy.Field(), toy.look_down()
    far = replace(toy.layers().objects[0], grid=replace(toy.grid(), lower=torch.full((3,), 50.0)))
    monkeypatch.setattr(ProbabilityGrid, "holds", lambda *_: pytest.fail("looked at"))
    render_objects(field.render_samples(camera), [far])


def test_a_camera_inside_an_object_sees_nothing_else(toy):
    camera = toy.look_down(z=0.12)
    around = SceneObject(
        1, "cave", (0, 0, 0), ProbabilityGrid(torch.ones(5, 5, 5), torch.tensor([-2.0, -2.0, -2.0]), 1.0)
    )
    (alpha,) = render_objects(toy.Field().render_samples(camera), [around])
    torch.testing.assert_close(alpha, torch.ones(96, 128))


def test_a_picture_of_one_pixel(toy):
    camera = toy.look_down(x=-0.6, height=1, width=1)
    alphas = rendered_alphas(camera, toy.Field().render_samples, toy.layers().objects)
    assert alphas.id_map([1, 2, 3]).tolist() == [[1]]


def test_a_large_picture_of_many_objects_keeps_only_what_it_shows(toy):
    camera = toy.look_down(height=540, width=1024, focal=950.0)
    layers = ObjectLayers()
    for number in range(300):
        object_id = number % 3 + 1
        grid = (
            toy.grid(object_id) if number < 3 else replace(toy.grid(object_id), lower=torch.tensor([3.0, number, 0.0]))
        )
        layers = layers.add(replace(toy.lock(object_id), grid=grid), str(number))
    alphas = rendered_alphas(camera, toy.Field().render_samples, layers.objects)
    assert np.array_equal(alphas.id_map([one.object_id for one in layers.objects]), toy.Field().ids(camera))
    assert sum(map(len, alphas.rays)) == int((toy.Field().ids(camera) > 0).sum())
