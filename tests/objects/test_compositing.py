"""Laws of tints, outlines and backgrounds."""

import pytest
import torch
from scipy import ndimage

from samnerf.objects.compositing import id_picture, objects_picture, outlined, over, rim, tinted
from samnerf.objects.object_rendering import object_alphas


@pytest.fixture
def picture():
    return torch.rand(40, 50, 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def disc():
    """A soft disc, and the corner of another thing at the border of the picture."""
    y, x = torch.meshgrid(torch.arange(40.0), torch.arange(50.0), indexing="ij")
    alpha = (12.5 - ((y - 20) ** 2 + (x - 30) ** 2).sqrt()).clamp(0, 1)
    alpha[:10, :8] = 1.0
    return alpha


def test_a_tint_of_no_strength_changes_nothing_and_a_full_one_everything(picture, disc):
    assert torch.equal(tinted(picture, disc, (255, 0, 51), 0.0), picture)
    full = tinted(picture, disc, (255, 0, 51), 1.0)
    torch.testing.assert_close(full[disc == 1], torch.tensor([1.0, 0.0, 0.2]).expand(int((disc == 1).sum()), 3))


@pytest.mark.parametrize(
    "edit", [lambda p, a: tinted(p, a, (9, 200, 3), 0.7), lambda p, a: outlined(p, a, (9, 200, 3), 3.0)]
)
def test_pixels_outside_of_the_object_stay_bit_for_bit(picture, disc, edit):
    after = edit(picture, disc)
    assert torch.equal(after[disc == 0], picture[disc == 0])
    assert not torch.equal(after[disc > 0.5], picture[disc > 0.5])
    assert ((after >= 0) & (after <= 1)).all()


@pytest.mark.parametrize("place", [(0, 0), (12, 20), (30, 38)])
def test_small_and_large_objects_are_laid_over_by_the_same_formula(picture, disc, place):
    """Also where the object is small, lies at the border, or is not there at all."""
    alpha = torch.zeros_like(disc)
    assert torch.equal(tinted(picture, alpha, (9, 200, 3), 0.7), picture)
    assert torch.equal(outlined(picture, alpha, (9, 200, 3), 3.0), picture)
    alpha[place[0] : place[0] + 10, place[1] : place[1] + 12] = disc[10:20, 20:32]
    tone = torch.tensor([9.0, 200.0, 3.0]) / 255
    expected = picture + 0.7 * alpha[..., None] * (tone - picture)
    torch.testing.assert_close(tinted(picture, alpha, (9, 200, 3), 0.7), expected)
    expected = picture + rim(alpha, 3.0)[..., None] * (0.8 * tone + 0.2 - picture)
    torch.testing.assert_close(outlined(picture, alpha, (9, 200, 3), 3.0), expected)


@pytest.mark.parametrize("width", [1.0, 2.5, 4.0])
def test_an_outline_lies_on_the_rim_only(disc, width):
    line, inside = rim(disc, width), (disc > 0.5).numpy()
    depths = torch.from_numpy(ndimage.distance_transform_edt(inside))
    assert (line[depths > width + 1] == 0).all()
    assert (line[~torch.from_numpy(inside)] == 0).all()
    whole = (depths > 0) & (depths <= width)
    torch.testing.assert_close(line[whole], disc[whole])


def test_the_border_of_the_picture_is_no_rim(disc):
    assert (rim(disc, 2.0)[:5, :4] == 0).all()
    assert (rim(torch.ones(5, 6), 2.0) == 0).all()
    assert (rim(torch.zeros(5, 6), 2.0) == 0).all()


def test_a_background_shows_where_the_matte_does_not(picture, disc):
    whole = over(picture, disc, (255, 255, 255))
    assert torch.equal(whole[disc == 1], picture[disc == 1])
    assert (whole[disc == 0] == 1).all()


def test_the_picture_of_ids_has_the_colours_of_visible_objects_and_no_other(toy):
    layers = toy.layers().show("green square", False)
    view = toy.view()
    shown = object_alphas(toy.Field().render_samples(view.camera), layers.objects)
    ids = torch.from_numpy(toy.Field().ids(view.camera)).long()
    colours = torch.tensor([(0, 0, 0), *(one.colour for one in layers.objects)]) / 255
    colours[2] = 0
    assert torch.equal(id_picture(shown, layers.objects), colours[ids])


def test_the_picture_of_objects_changes_visible_ones_alone(toy):
    layers = toy.layers().show("green square", False)
    view = toy.view()
    colour, _ = toy.Field().render_colour(view.camera)
    shown = object_alphas(toy.Field().render_samples(view.camera), layers.objects)
    after = objects_picture(colour, shown, layers.objects)
    ids = torch.from_numpy(toy.Field().ids(view.camera))
    changed = (after != colour).any(dim=-1)
    assert torch.equal(changed, (ids == 1) | (ids == 3))
