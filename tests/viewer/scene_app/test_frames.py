"""Frames: rendered once, in bands, without what is removed."""

import numpy as np
import torch

from samnerf.viewer.scene_app import frames


def test_bands_make_the_same_picture_as_one_pass(world, monkeypatch):
    whole = world.frame().rendering
    monkeypatch.setattr(frames, "BAND", 1000)
    banded = world.frame().rendering
    assert torch.equal(banded.colour, whole.colour)
    torch.testing.assert_close(banded.depth, whole.depth)
    torch.testing.assert_close(banded.samples.positions, whole.samples.positions)


def test_a_picture_that_nobody_wants_is_left_unfinished(world, monkeypatch):
    monkeypatch.setattr(frames, "BAND", 1000)
    asked = iter([True, True, False])
    assert world.frame(wanted=lambda: next(asked)) is None
    assert world.field.colour_renders == 2


def test_what_is_removed_is_not_rendered_and_comes_back(world, toy):
    layers = toy.layers(1, 2)
    red = world.frame(layers=layers).rendering.colour[..., 0]
    without = world.frame(layers=layers, removed=frozenset({1})).rendering.colour[..., 0]
    assert red.max() == 1
    assert without.max() == 0
    assert torch.equal(world.frame(layers=layers).rendering.colour[..., 0], red)


def test_an_id_that_is_gone_removes_nothing(world, toy):
    layers = toy.layers(1)
    assert torch.equal(
        world.frame(layers=layers, removed=frozenset({9})).rendering.colour, world.frame(layers=layers).rendering.colour
    )


def test_alphas_are_kept_until_the_objects_change(world, toy):
    frame, layers = world.frame(), toy.layers(1)
    first = frame.alphas(layers)
    assert frame.alphas(layers) is first
    changed = layers.rename("red square", "fox")
    assert frame.alphas(changed) is not first
    assert np.array_equal(first.alpha(0).numpy() > 0.5, world.field.ids(world.camera) == 1)


def test_depth_for_the_browser_is_along_the_axis(world):
    depth = world.frame().planar_depth
    assert np.allclose(depth[world.field.ids(world.camera) == 0], 3.0, atol=1e-4)
    assert np.allclose(depth[world.field.ids(world.camera) == 1], 2.9, atol=1e-4)


def test_the_view_of_a_frame_renders_features_and_no_colour(world):
    frame = world.frame()
    renders = world.field.colour_renders
    assert frame.view.feature_map("sam").teacher == "toy-sam"
    assert frame.view.rgb.shape == (96, 128, 3)
    assert world.field.colour_renders == renders
