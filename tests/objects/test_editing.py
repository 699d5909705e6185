"""Edits say what they mean, or what is wrong with them."""

import pytest
import torch

from samnerf.errors import SamNerfError
from samnerf.objects.editing import Edits, Tint, objects_of, share_of


@pytest.fixture
def layers(toy):
    return toy.layers()


def test_objects_are_found_by_name_and_by_id(layers):
    red, green, blue = layers.objects
    assert objects_of(layers, ("blue square", 1, "green square")) == (blue, red, green)


def test_every_kind_of_edit_finds_its_objects(layers):
    red, green, blue = layers.objects
    strong = Tint((1, 2, 3), 0.9)
    chosen = Edits(isolate=(1,), remove=("green square",), tint={"blue square": strong}, outline=(3, 1)).of(layers)
    assert (chosen.isolated, chosen.removed, chosen.tinted) == ((red,), (green,), ((blue, strong),))
    assert chosen.outlined == (blue, red)


@pytest.mark.parametrize("kind", ["isolate", "remove", "outline"])
def test_unknown_objects_are_named_with_those_that_exist(layers, kind):
    with pytest.raises(SamNerfError, match="'sphere'; there is 'red square', 'green square', 'blue square'"):
        Edits(**{kind: ("sphere",)}).of(layers)
    with pytest.raises(SamNerfError, match=r"ID 7; there is 1 \('red square'\), 2"):
        Edits(**{kind: (7,)}).of(layers)


def test_an_unknown_object_to_tint_is_named(layers):
    with pytest.raises(SamNerfError, match="'sphere'"):
        Edits(tint={"sphere": Tint()}).of(layers)


@pytest.mark.parametrize("shown", [{"isolate": (1,)}, {"tint": {1: Tint()}}, {"outline": ("red square",)}])
def test_what_is_removed_cannot_be_shown(layers, shown):
    with pytest.raises(SamNerfError, match="'red square' is to be removed and to be shown"):
        Edits(remove=("red square",), **shown).of(layers)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Edits(background=(0, 0, 0)), "say which to isolate"),
        (lambda: Edits(whole=True), "say which to isolate"),
        (lambda: Edits(isolate=(1,), background=(0, 0, 256)), "colour of the background"),
        (lambda: Edits(outline_width=0.0), "width of outlines is 0.0"),
        (lambda: Edits(outline_width=float("nan")), "width of outlines is nan"),
        (lambda: Tint(strength=1.1), "between 0 and 1"),
        (lambda: Tint(strength=float("nan")), "between 0 and 1"),
        (lambda: Tint((0, 0, -1)), "colour of the tint"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(SamNerfError, match=message):
        make()


def test_the_share_of_an_object_is_all_in_it_and_nothing_beyond(toy, layers):
    square = toy.squares[0]
    inside = torch.tensor([square.x, square.y, square.z])
    share = share_of(layers.objects[:1], layers)
    far = torch.tensor([[square.x, square.y, 1.0], [toy.squares[1].x, toy.squares[1].y, toy.squares[1].z]])
    assert share(inside) == 1
    assert (share(far) == 0).all()
    assert share(torch.rand(2, 3, 4, 3)).shape == (2, 3, 4)


def test_objects_that_touch_share_every_place_once(toy):
    # Two grids over the same square, which say 0.5 and 0.7 of it.
    layers = toy.layers(1).add(toy.lock(1), "rival")
    for one, probability in zip(layers.objects, (0.5, 0.7), strict=True):
        one.grid.values.fill_(probability)
    square = toy.squares[0]
    place = torch.tensor([square.x, square.y, square.z])
    weaker, stronger = (share_of((one,), layers)(place) for one in layers.objects)
    assert (weaker, stronger) == (0, 1)
    assert share_of(layers.objects, layers)(place) == 1
