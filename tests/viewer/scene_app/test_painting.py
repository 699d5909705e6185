"""What is laid over a frame, and where nothing is."""

from dataclasses import replace

import numpy as np
import pytest

from samnerf.objects.palette import object_colour
from samnerf.viewer.scene_app.desk import MODES
from samnerf.viewer.scene_app.painting import BACKDROP, feature_picture, paint


def test_colour_is_the_scene_as_it_is(world, toy):
    frame = world.frame()
    assert np.array_equal(paint(frame, replace(world.desk, mode="Colour"), toy.layers()), frame.view.rgb)


def test_masks_tint_their_objects_and_nothing_else(world, toy):
    frame = world.frame()
    changed = (paint(frame, world.desk, toy.layers(1, 2)) != frame.view.rgb).any(-1)
    ids = world.field.ids(world.camera)
    assert np.array_equal(changed, (ids == 1) | (ids == 2))


def test_hidden_and_removed_objects_are_not_tinted(world, toy):
    frame = world.frame()
    layers = toy.layers(1, 2).show("red square", False)
    desk = world.desk.remove(2)
    assert np.array_equal(paint(frame, desk, layers), frame.view.rgb)


def test_full_opacity_gives_the_flat_colour(world, toy):
    desk = world.desk.adjust(replace(world.desk.settings, opacity=1.0))
    picture = paint(world.frame(), desk, toy.layers(1))
    rows, columns = np.nonzero(world.field.ids(world.camera) == 1)
    inner = picture[rows.mean().astype(int), columns.mean().astype(int)]
    assert tuple(inner) == object_colour(1)


def test_isolated_objects_stand_before_nothing(world, toy):
    picture = paint(world.frame(), world.desk.isolate(1), toy.layers(1, 2))
    assert (picture[world.field.ids(world.camera) != 1] == BACKDROP).all()
    assert (picture[world.field.ids(world.camera) == 1] != BACKDROP).any(-1).all()


def test_what_is_prompted_has_the_colour_of_the_next_object(world, toy):
    frame = world.frame()
    desk = world.actions.click(world.desk, frame, world.place(2))
    desk = desk.adjust(replace(desk.settings, opacity=1.0))
    answer = world.actions.answer(desk, frame)
    picture = paint(frame, desk, toy.layers(1), answer)
    assert tuple(picture[tuple(np.argwhere(answer.mask).mean(axis=0).astype(int))]) == object_colour(2)


def test_outlines_leave_the_inside_alone(world, toy):
    frame = world.frame()
    changed = (paint(frame, replace(world.desk, mode="Outlines"), toy.layers(1)) != frame.view.rgb).any(-1)
    inside = world.field.ids(world.camera) == 1
    assert 0 < changed[inside].mean() < 0.6
    assert not changed[~inside].any()


def test_heat_is_where_words_fit(world, toy):
    frame = world.frame()
    desk = replace(world.desk.ask("green square"), mode="Relevancy")
    answer = world.actions.answer(desk, frame)
    light = paint(frame, desk, toy.layers(1), answer).astype(int).sum(-1)
    assert light[world.mask(2)].mean() > light[world.field.ids(world.camera) == 0][:200].mean()


def test_heat_without_words_is_the_scene(world, toy):
    frame = world.frame()
    assert np.array_equal(paint(frame, replace(world.desk, mode="Relevancy"), toy.layers(1)), frame.view.rgb)


def test_near_is_told_from_far_in_depth(world, toy):
    picture = paint(world.frame(), replace(world.desk, mode="Depth"), toy.layers())
    square, floor = picture[world.field.ids(world.camera) == 3], picture[:8].reshape(-1, 3)
    assert square.astype(int).sum(-1).min() > floor.astype(int).sum(-1).max()


def test_features_that_agree_have_one_colour_and_others_another(world):
    picture = feature_picture(world.frame())
    ids = world.field.ids(world.camera)
    middles = [picture[tuple(np.argwhere(ids == i).mean(axis=0).astype(int))].astype(int) for i in (1, 2, 3)]
    assert all(np.abs(a - b).sum() > 30 for i, a in enumerate(middles) for b in middles[:i])


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_gives_a_picture_of_the_frame(world, toy, mode):
    frame = world.frame()
    desk = replace(world.desk.ask("red"), mode=mode)
    picture = paint(frame, desk, toy.layers(1), world.actions.answer(desk, frame))
    assert picture.shape == (96, 128, 3)
    assert picture.dtype == np.uint8
