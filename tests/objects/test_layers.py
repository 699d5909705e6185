"""Laws of layers."""

import dataclasses

import pytest
import torch

from samnerf.errors import SamNerfError
from samnerf.objects.layers import ObjectLayers, exclusive
from samnerf.objects.palette import object_colour
from samnerf.objects.probability_grid import ProbabilityGrid
from samnerf.objects.scene_object import MOST_ID, SceneObject
from samnerf.prompts import PromptSet, WorldPoint


@pytest.fixture
def layers(toy):
    return toy.layers()


@pytest.fixture
def two_blocks():
    """A grid of two blocks apart from each other, the second the larger."""
    values = torch.zeros(24, 8, 8)
    values[2:5, 2:6, 2:6] = 1.0
    values[12:22, 2:6, 2:6] = 1.0
    values[11, 2:6, 2:6] = 0.3
    return ProbabilityGrid(values, torch.zeros(3), 0.1)


def names(layers):
    return [one.name for one in layers.objects]


def ids(layers):
    return [one.object_id for one in layers.objects]


def somewhere(count=500):
    return torch.rand(count, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([2.4, 0.8, 0.8])


def test_ids_and_colours_come_in_the_order_of_adding(layers):
    assert ids(layers) == [1, 2, 3]
    assert [one.colour for one in layers.objects] == [object_colour(i) for i in (1, 2, 3)]


def test_an_id_is_never_given_twice(toy, layers):
    layers = layers.delete("blue square").add(toy.lock(3), "another")
    assert ids(layers) == [1, 2, 4]
    layers = layers.merge(["red square", "another"]).add(toy.lock(3), "a third")
    assert ids(layers) == [1, 2, 5]


def test_a_lock_anew_keeps_name_colour_and_id(toy, layers):
    before = layers.recolour("red square", (1, 2, 3)).named("red square")
    after = layers.recolour("red square", (1, 2, 3)).put("red square", toy.lock(2, (("c", 0.5),))).objects[0]
    assert (after.object_id, after.name, after.colour) == (before.object_id, before.name, before.colour)
    assert after.view_scores == {"c": 0.5}
    assert torch.equal(after.grid.values, toy.grid(2).values)


def test_put_adds_what_is_new(toy, layers):
    assert names(layers.put("fox", toy.lock(1))) == [*names(layers), "fox"]


def test_nothing_changes_what_was(toy, layers):
    before = names(layers)
    layers.rename("red square", "fox")
    layers.delete("red square")
    layers.merge(["red square", "blue square"])
    assert names(layers) == before


@pytest.mark.parametrize("name", ["красный куб", "红色立方体", "قطعة حمراء", "می‌خواهم", "लाल घन", "🦊", "a/b [bold]"])
def test_names_in_any_script(toy, name):
    layers = ObjectLayers().add(toy.lock(1), f"  {name} ")
    assert layers.named(name).name == name


def test_names_that_look_the_same_are_the_same(toy):
    layers = ObjectLayers().add(toy.lock(1), "café")
    assert layers.find("café") is layers.objects[0]
    with pytest.raises(SamNerfError, match="another object is called"):
        layers.add(toy.lock(2), "café")


@pytest.mark.parametrize(
    ("name", "message"),
    [("  ", "an object needs a name"), ("a\nb", "line breaks or other control"), ("\ud800", "control characters")],
)
def test_names_that_are_none(toy, layers, name, message):
    with pytest.raises(SamNerfError, match=message):
        layers.add(toy.lock(1), name)
    with pytest.raises(SamNerfError, match=message):
        layers.rename("red square", name)


def test_a_name_may_be_kept_but_not_taken_from_another(layers):
    assert names(layers.rename("red square", "red square")) == names(layers)
    with pytest.raises(SamNerfError, match="another object is called 'blue square'"):
        layers.rename("red square", "blue square")


def test_what_does_not_exist_is_named_with_what_does(layers):
    with pytest.raises(SamNerfError, match="no object is called 'fox'; there is 'red square', 'green square'"):
        layers.delete("fox")
    with pytest.raises(SamNerfError, match="there is none"):
        ObjectLayers().named("fox")


@pytest.mark.parametrize("colour", [(0, 0, 256), (0, -1, 0), (0, 0, 1000)])
def test_a_colour_is_three_whole_numbers(layers, colour):
    with pytest.raises(SamNerfError, match="colour of 'red square' is .* three whole numbers 0 to 255"):
        layers.recolour("red square", colour)


def test_hiding_is_remembered(layers):
    assert [one.visible for one in layers.show("green square", False).objects] == [True, False, True]


def test_a_merger_is_wherever_its_parts_were_and_takes_the_first_ones_place(layers, toy):
    merged = layers.merge(["green square", "red square"], "both")
    assert ids(merged) == [2, 3]
    assert names(merged) == ["both", "blue square"]
    both = merged.named("both")
    for object_id in (1, 2):
        assert float(both.grid.at(toy.grid(object_id).centres[1:-1, 1:-1, 1]).min()) > 0.99
    assert float(both.grid.at(torch.tensor([0.0, 0.1, 0.1]))) == 0.0
    assert len(both.said.world_points) == 2
    assert both.view_scores == {}


def test_what_a_part_was_not_may_be_its_partner(toy):
    red, green = toy.lock(1), toy.lock(2)
    no_green = PromptSet(
        "red", world_points=(*red.said.world_points, WorldPoint(0.5, 0.3, 0.1, 0), WorldPoint(9.0, 9.0, 9.0, 0))
    )
    layers = ObjectLayers().add(dataclasses.replace(red, said=no_green), "red").add(green, "green")
    said = layers.merge(["red", "green"]).objects[0].said
    assert [point.label for point in said.world_points] == [1, 0, 1]
    assert said.world_points[1] == WorldPoint(9.0, 9.0, 9.0, 0)


@pytest.mark.parametrize("chosen", [[], ["red square"], ["red square", "red square"]])
def test_a_merger_needs_two(layers, chosen):
    with pytest.raises(SamNerfError, match="merge needs two objects"):
        layers.merge(chosen)


def test_a_merger_may_have_the_name_of_a_part_but_of_no_other(layers):
    assert names(layers.merge(["red square", "green square"], "green square")) == ["green square", "blue square"]
    with pytest.raises(SamNerfError, match="another object is called 'blue square'"):
        layers.merge(["red square", "green square"], "blue square")


def test_an_uncertain_part_makes_an_uncertain_whole(toy):
    layers = ObjectLayers().add(toy.lock(1), "sure").add(toy.lock(2, (("a", 0.1),)), "guess")
    assert layers.merge(["sure", "guess"]).objects[0].uncertain == "fewer than two views show it"


def test_a_difference_is_nowhere_where_the_others_are(toy, layers):
    whole = layers.merge(["red square", "green square"], "both").add(toy.lock(2), "green square")
    left = whole.subtract("both", ["green square"]).named("both").grid
    assert float(left.at(toy.grid(2).centres[1:-1, 1:-1, 1]).max()) < 0.01
    assert float(left.at(toy.grid(1).centres[1:-1, 1:-1, 1]).min()) > 0.99


def test_nothing_may_not_be_left(layers):
    with pytest.raises(SamNerfError, match="nothing is left of 'red square' without 'red square'"):
        layers.subtract("red square", ["red square"])


def test_a_split_gives_the_largest_part_the_old_id_and_others_new_ones(toy, layers, two_blocks):
    said = PromptSet(
        "pair", world_points=(WorldPoint(0.3, 0.4, 0.4), WorldPoint(1.5, 0.4, 0.4), WorldPoint(5.0, 5.0, 5.0, 0))
    )
    layers = layers.add(dataclasses.replace(toy.lock(1), grid=two_blocks, said=said), "pair")
    split = layers.split("pair")
    assert list(zip(ids(split), names(split), strict=True))[3:] == [(4, "pair"), (5, "pair 2")]
    large, small = split.objects[3:]
    assert float(large.grid.at(torch.tensor([1.5, 0.4, 0.4]))) == pytest.approx(1)
    assert float(small.grid.at(torch.tensor([0.3, 0.4, 0.4]))) == pytest.approx(1)
    assert [point.x for point in large.said.world_points] == [1.5, 5]
    assert [point.x for point in small.said.world_points] == [0.3, 5]
    places = somewhere()
    torch.testing.assert_close(large.grid.at(places) + small.grid.at(places), two_blocks.at(places), atol=1e-5, rtol=0)


def test_parts_are_numbered_past_names_that_are_taken(toy, two_blocks):
    pair = dataclasses.replace(toy.lock(1), grid=two_blocks)
    layers = ObjectLayers().add(pair, "pair").add(toy.lock(1), "pair 2").split("pair")
    assert names(layers) == ["pair", "pair 2", "pair 3"]


def test_one_piece_cannot_be_split(layers):
    with pytest.raises(SamNerfError, match="'red square' is in one piece"):
        layers.split("red square")


def test_ids_end(toy):
    full = ObjectLayers(next_id=MOST_ID).add(toy.lock(1), "last")
    assert ids(full) == [MOST_ID]
    with pytest.raises(SamNerfError, match="no ID left for 'one more'"):
        full.add(toy.lock(1), "one more")


@pytest.mark.parametrize(
    ("numbers", "called", "next_id", "message"),
    [
        ((1, 1), ("a", "b"), 2, "objects 'a' and 'b' share the ID 1"),
        ((1, 2), ("a", "a"), 3, "two objects are called 'a'"),
        ((1, 2), ("a", "b"), 2, "'b' has ID 2, but the next to be given is 2"),
    ],
)
def test_layers_that_contradict_themselves(toy, numbers, called, next_id, message):
    objects = tuple(SceneObject(i, name, (0, 0, 0), toy.grid()) for i, name in zip(numbers, called, strict=True))
    with pytest.raises(SamNerfError, match=message):
        ObjectLayers(objects, next_id)


def test_an_id_out_of_range(toy):
    with pytest.raises(SamNerfError, match="ID 65536 but IDs are 1 to 65535"):
        SceneObject(65536, "a", (0, 0, 0), toy.grid())


def test_exclusive_probabilities_sum_to_one_at_most_and_keep_their_proportions():
    probabilities = torch.rand(4, 50, generator=torch.Generator().manual_seed(0))
    shared = exclusive(probabilities)
    sums = probabilities.sum(dim=0)
    torch.testing.assert_close(shared.sum(dim=0), sums.clamp_max(1))
    torch.testing.assert_close(shared * sums.clamp_min(1), probabilities)
