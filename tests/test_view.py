"""A view is what can be prompted, whatever its source."""

import numpy as np
import torch

from samnerf.view import DistilledView, ImageView, RenderedView


def test_a_distilled_view_gives_features_without_rendering_colour(toy):
    field = toy.Field()
    view = DistilledView("a", toy.look_down(), field)
    assert view.feature_map("sam").teacher == "toy-sam"
    assert field.colour_renders == 0


def test_one_pass_gives_the_maps_of_all_kinds(toy):
    field = toy.Field()
    view = DistilledView("a", toy.look_down(), field)
    view.feature_map("sam")
    view.feature_map("clipseg")
    view.feature_map("sam")
    assert field.feature_renders == 1


def test_colour_and_depth_are_rendered_once_and_together(toy):
    field = toy.Field()
    view = DistilledView("a", toy.look_down(), field)
    assert view.rgb.shape == (96, 128, 3)
    assert view.depth.shape == (96, 128)
    assert field.colour_renders == 1


def test_the_three_sources_agree_on_a_world_that_is_rendered_exactly(toy):
    field, camera = toy.Field(), toy.look_down(x=0.1)
    encoders = {kind: toy.Encoder(kind) for kind in ("sam", "clipseg")}
    distilled = DistilledView("a", camera, field)
    rendered = RenderedView("a", camera, field, lambda kind, image: encoders[kind].encode(image))
    image = ImageView("a", distilled.rgb, lambda kind, image: encoders[kind].encode(image))
    # Cell centres fall on corners of pixels, so borders may differ by a cell.
    same = rendered.feature_map("sam").values.argmax(0) == distilled.feature_map("sam").values.argmax(0)
    assert same.float().mean() > 0.95
    torch.testing.assert_close(image.feature_map("sam").values, rendered.feature_map("sam").values)
    assert np.array_equal(image.rgb, rendered.rgb)


def test_an_encoder_runs_once_per_kind(toy):
    encoders = {kind: toy.Encoder(kind) for kind in ("sam", "clipseg")}
    view = ImageView("a", np.zeros((20, 30, 3), np.uint8), lambda kind, image: encoders[kind].encode(image))
    for _ in range(3):
        view.feature_map("sam")
    assert encoders["sam"].encoded == 1
    assert encoders["clipseg"].encoded == 0


def test_a_photograph_has_no_depth_of_its_own(toy):
    view = ImageView("a", np.zeros((20, 30, 3), np.uint8), lambda kind, image: toy.Encoder(kind).encode(image))
    assert view.image_size == (20, 30)
    assert view.depth is None
    assert view.camera is None
