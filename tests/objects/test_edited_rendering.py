"""Edits of a volume: the squares of the toy world as densities, rendered by nerfacto's own sampler."""

import pytest
import torch
from nerfstudio.data.scene_box import SceneBox
from nerfstudio.field_components.field_heads import FieldHeadNames
from nerfstudio.fields.base_field import Field
from scipy import ndimage

from samnerf.distill.colour_model import ColourModelConfig
from samnerf.objects.edited_rendering import composited, render_edited, render_world
from samnerf.objects.editing import Edits, Tint
from samnerf.objects.object_rendering import render_objects

pytestmark = pytest.mark.filterwarnings("ignore:Using a non-tuple sequence for multidimensional indexing")

HALF_THICKNESS = 0.04
FLOOR_COLOUR = (0.2, 0.2, 0.2)


class Squares(Field):
    """Thin solid squares over a solid floor; the colour of a square is that of its ID in the toy world."""

    def __init__(self, squares):
        super().__init__()
        self.squares = squares

    def ids(self, positions):
        """ID at world positions, 0 for the floor and -1 for air."""
        ids = torch.where(positions[..., 2] < 0, 0, -1)
        for square in self.squares:
            beside = (positions[..., 0] - square.x).abs().maximum((positions[..., 1] - square.y).abs())
            on = (beside < square.half) & ((positions[..., 2] - square.z).abs() < HALF_THICKNESS)
            ids = torch.where(on, square.id, ids)
        return ids

    def density_fn(self, positions, times=None):
        return torch.where(self.ids(positions) >= 0, 1000.0, 0.0)[..., None]

    def get_density(self, ray_samples):  # pyright: ignore[reportIncompatibleMethodOverride]
        return self.density_fn(ray_samples.frustums.get_positions()), None

    def get_outputs(self, ray_samples, density_embedding=None):
        colours = torch.tensor([FLOOR_COLOUR, (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)])
        return {FieldHeadNames.RGB: colours[self.ids(ray_samples.frustums.get_positions()).clamp_min(0)]}


@pytest.fixture
def volume(toy):
    """`volume(squares)`: a model of them; all that the toy world has by default."""

    def make(squares=toy.squares):
        model = ColourModelConfig(
            encoding="planes",
            plane_resolutions=(4,),
            near_plane=1.0,
            far_plane=4.0,
            num_proposal_samples_per_ray=(128,),
            num_proposal_iterations=1,
            num_nerf_samples_per_ray=64,
        ).setup(scene_box=SceneBox(torch.tensor([[-1.0] * 3, [1.0] * 3])), num_train_data=1)
        model.field = Squares(squares)
        model.density_fns = [model.field.density_fn]
        return model

    return make


@pytest.fixture
def camera(toy):
    return toy.look_down(height=48, width=64, focal=60.0)


@pytest.fixture
def layers(toy):
    return toy.layers()


def test_no_edits_give_what_is_rendered(volume, camera, layers):
    model = volume()
    picture = render_edited(model, camera, layers, Edits())
    colour, depth = model.render_colour(camera)
    assert torch.equal(picture.colour, colour)
    assert torch.equal(picture.depth, depth)
    assert (picture.alpha == 1).all()


@pytest.mark.parametrize("gone", [(1,), (2, 3)])
def test_what_is_behind_a_removed_object_appears(toy, volume, camera, layers, gone):
    removed = render_edited(volume(), camera, layers, Edits(remove=gone))
    without = volume([square for square in toy.squares if square.id not in gone])
    colour, depth = without.render_colour(camera)
    assert torch.equal(removed.colour, colour)
    assert torch.equal(removed.depth, depth)
    assert (volume().render_colour(camera)[0] != colour).any()


def test_an_object_shows_up_behind_a_removed_one(toy, volume, camera):
    below = toy.Square(2, -0.6, 0.0, 0.3, 0.2)
    layers = toy.layers(1)
    # The red square of the layers lies at z 0.1; this green one hides its middle.
    model = volume([toy.squares[0], below])
    hidden = render_edited(model, camera, layers, Edits(isolate=(1,)))
    whole = render_edited(model, camera, layers, Edits(isolate=(1,), whole=True))
    alone = volume(toy.squares[:1])
    matte = render_objects(alone.render_samples(camera), layers.objects)[0]
    assert (whole.alpha[matte > 0.99] > 0.99).all()
    assert hidden.alpha.sum() < 0.7 * whole.alpha.sum()
    red = whole.colour[matte > 0.99]
    torch.testing.assert_close(red, torch.tensor([1.0, 0.0, 0.0]).expand_as(red), atol=1e-3, rtol=0)


def test_the_alpha_of_an_isolated_object_is_the_objects(volume, camera, layers):
    model = volume()
    mattes = render_objects(model.render_samples(camera), layers.objects)
    one = render_edited(model, camera, layers, Edits(isolate=("green square",)))
    torch.testing.assert_close(one.alpha, mattes[1])
    two = render_edited(model, camera, layers, Edits(isolate=(1, 3)))
    torch.testing.assert_close(two.alpha, mattes[0] + mattes[2])
    assert torch.equal(two.colour, model.render_colour(camera)[0])


def test_an_isolated_object_before_a_background_is_opaque(volume, camera, layers):
    for whole in (False, True):
        picture = render_edited(volume(), camera, layers, Edits(isolate=(2,), whole=whole, background=(255, 255, 255)))
        matte = render_objects(volume().render_samples(camera), layers.objects)[1]
        assert (picture.alpha == 1).all()
        assert (picture.colour[matte == 0] > 0.999).all()
        # Rays that graze the side of the square meet it with one sample or none.
        inner = torch.from_numpy(ndimage.binary_erosion((matte > 0.999).numpy()))
        green = picture.colour[inner]
        torch.testing.assert_close(green, torch.tensor([0.0, 1.0, 0.0]).expand_as(green), atol=2e-3, rtol=0)


def test_tints_leave_everything_else_bit_for_bit(volume, camera, layers):
    model = volume()
    before, _ = model.render_colour(camera)
    mattes = render_objects(model.render_samples(camera), layers.objects)
    tinted = render_edited(model, camera, layers, Edits(tint={"red square": Tint((0, 0, 0), 1.0)}))
    assert torch.equal(tinted.colour[mattes[0] == 0], before[mattes[0] == 0])
    assert (tinted.colour[mattes[0] > 0.999] < 1e-2).all()


def test_a_tint_without_a_colour_takes_the_objects(volume, camera, layers):
    model = volume()
    own = render_edited(model, camera, layers, Edits(tint={2: Tint()}))
    named = render_edited(model, camera, layers, Edits(tint={2: Tint(layers.objects[1].colour)}))
    assert torch.equal(own.colour, named.colour)


def test_outlines_lie_inside_of_their_object(volume, camera, layers):
    model = volume()
    before, _ = model.render_colour(camera)
    matte = render_objects(model.render_samples(camera), layers.objects)[2]
    after = render_edited(model, camera, layers, Edits(outline=("blue square",), outline_width=1.0)).colour
    changed = (after != before).any(dim=-1)
    assert changed.any()
    assert (matte[changed] > 0.5).all()
    rows, columns = (matte > 0.5).nonzero().float().mean(dim=0).long().tolist()
    assert not changed[rows, columns]


def test_the_picture_can_change_without_rendering_again(volume, camera, layers):
    model = volume()
    world = render_world(model, camera, layers, Edits(remove=(1,)))
    edits = Edits(remove=(1,), tint={2: Tint((9, 9, 9))}, outline=(3,))
    assert torch.equal(composited(world, layers, edits).colour, render_edited(model, camera, layers, edits).colour)


def test_an_edit_leaves_no_trace(volume, camera, layers):
    model = volume()
    before = model.render_colour(camera)
    render_edited(model, camera, layers, Edits(isolate=(2,), whole=True, remove=(1,)))
    assert all(torch.equal(*pair) for pair in zip(before, model.render_colour(camera), strict=True))
