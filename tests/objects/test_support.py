"""Support views: what they see, and which of them are asked."""

import pytest
import torch

from samnerf.objects.support import RAYS, SupportView, grid_mask, object_alpha
from samnerf.surface_samples import SurfaceSamples


@pytest.fixture
def one(toy):
    field = toy.Field()
    return SupportView(toy.view("a", field, height=192, width=256, focal=240.0), field.render_samples)


def test_rays_lie_on_a_grid_over_the_view_no_finer_than_needed(one):
    assert one.grid_size == (96, RAYS)
    assert one.samples is one.samples


def test_a_small_view_has_a_ray_for_each_pixel(toy):
    field = toy.Field()
    assert SupportView(toy.view("a", field, height=1, width=1), field.render_samples).grid_size == (1, 1)
    assert SupportView(toy.view("a", field, height=30, width=20), field.render_samples).grid_size == (30, 20)


def test_a_mask_on_the_grid_is_how_much_of_each_ray_it_covers(one):
    mask = torch.zeros(192, 256, dtype=torch.bool)
    mask[:, :129] = True
    covered = one.on_grid(mask).reshape(96, 128)
    torch.testing.assert_close(covered[0, 62:66], torch.tensor([1.0, 1.0, 0.5, 0.0]))


def test_a_place_on_the_grid_is_a_place_in_the_view(one):
    assert one.to_view(0.5, 0.5) == (1.0, 1.0)
    assert one.to_view(96.0, 128.0) == (256, 192)


def test_alpha_is_the_weight_of_the_samples_inside(toy):
    camera = toy.look_down(height=1, width=2)
    positions = torch.tensor([[[-0.6, 0.0, 0.1], [0.0, 0.0, 9.0]], [[-0.6, 0.1, 0.1], [-0.5, 0.0, 0.1]]])
    samples = SurfaceSamples(camera, positions, torch.tensor([[0.25, 0.75], [0.5, 0.25]]))
    torch.testing.assert_close(object_alpha(samples, toy.grid(1)), torch.tensor([[0.25, 0.75]]))
    assert grid_mask(torch.tensor([[0.5, 0.51]])).tolist() == [[False, True]]


def test_the_alpha_of_a_square_is_the_square(toy, one):
    ids = torch.from_numpy(toy.Field().ids(one.samples.camera))
    assert torch.equal(one.alpha(toy.grid(2)) > 0.5, ids == 2)


def test_a_view_of_the_support_is_found_by_name(toy):
    support = toy.support()
    assert support.of(support.views[3].view) is support.views[3]
    stranger = toy.view("elsewhere")
    assert support.of(stranger).view is stranger


def test_chosen_views_look_from_all_sides_and_never_twice(toy):
    support = toy.support()
    chosen = support.chosen(support.views[0].view, toy.grid(1).centres.reshape(-1, 3), 4)
    assert chosen[0].name == "view_8"
    assert len({one.name for one in chosen}) == 4
    assert "view_0" not in {one.name for one in chosen}


def test_as_many_are_chosen_as_the_support_asks(toy):
    from samnerf.objects.support import Support

    all_views = [one.view for one in toy.support().views]
    few = Support(all_views, toy.Field().render_samples, most_views=3)
    points = toy.grid(1).centres.reshape(-1, 3)
    assert len(few.chosen(all_views[0], points)) == 3
    assert len(few.chosen(all_views[0], points, 5)) == 5
    assert len(few.spread()) == 3
    assert len(toy.support().chosen(all_views[0], points)) == 8


def test_what_looks_elsewhere_is_not_chosen(toy):
    support = toy.support()
    assert support.chosen(support.views[0].view, torch.full((4, 3), 50.0)) == []


def test_spread_views_begin_with_the_first_and_go_far(toy):
    names = [one.name for one in toy.support().spread(4)]
    assert names[:2] == ["view_0", "view_8"]
    assert set(names[2:]) == {"view_2", "view_6"}
    assert len(toy.support().spread(99)) == 9
