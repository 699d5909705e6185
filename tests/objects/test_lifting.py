"""Laws of carrying prompts from one view to the others."""

import numpy as np
import pytest
import torch

from samnerf.errors import SamNerfError
from samnerf.objects.lifting import interior_points, lift, lift_point
from samnerf.prompts import Box, Phrase, Point, PromptSet, Scribble, WorldPoint
from samnerf.session import Session


@pytest.fixture
def session(toy):
    return Session(toy.MaskDecoder(), toy.TextDecoder())


def prompts_for(kind, x, y):
    return {
        "click": PromptSet(points=(Point(x, y),)),
        "box": PromptSet(boxes=(Box(x - 12, y - 12, x + 12, y + 12),)),
        "scribble": PromptSet(scribbles=(Scribble(((x - 3, y), (x + 3, y))),)),
        "phrase": PromptSet(phrase=Phrase("red square")),
    }[kind]


@pytest.mark.parametrize("kind", ["click", "box", "scribble", "phrase"])
def test_any_prompt_finds_its_object_from_elsewhere(session, toy, kind):
    here, elsewhere = toy.view("a"), toy.view("b", x=-0.4, y=0.2, z=2.5)
    prompts = prompts_for(kind, *toy.centre(here, 1))
    lifted = lift(here, prompts, session.segment(here, prompts))
    mask = session.segment(elsewhere, lifted).mask().numpy()
    truth = toy.Field().ids(elsewhere.camera) == 1
    assert (mask & truth).sum() / (mask | truth).sum() > 0.75


def test_what_is_lifted_lies_on_the_object(session, toy):
    view = toy.view()
    prompts = PromptSet("red", points=(Point(*toy.centre(view, 1)),), view="a")
    lifted = lift(view, prompts, session.segment(view, prompts))
    assert lifted.name == "red"
    assert lifted.view is None
    square = toy.squares[0]
    for point in lifted.world_points:
        assert point.z == pytest.approx(square.z, abs=1e-3)
        assert max(abs(point.x - square.x), abs(point.y - square.y)) < square.half


def test_labels_and_world_points_are_kept(session, toy):
    view = toy.view()
    away = Point(*toy.centre(view, 2), label=0)
    prompts = PromptSet(points=(Point(*toy.centre(view, 1)), away), world_points=(WorldPoint(9.0, 9.0, 9.0),))
    lifted = lift(view, prompts, session.segment(view, prompts))
    assert lifted.world_points[0] == WorldPoint(9.0, 9.0, 9.0)
    (negative,) = [point for point in lifted.world_points if point.label == 0]
    assert (negative.x, negative.y) == pytest.approx((0.5, 0.3), abs=0.05)


def test_an_empty_mask_lifts_nothing_of_its_own(session, toy):
    view = toy.view()
    prompts = PromptSet(phrase=Phrase("yellow banana"))
    assert lift(view, prompts, session.segment(view, prompts)).empty


def test_a_view_without_depth_cannot_lift(session, toy):
    view = toy.image_view()
    prompts = PromptSet("fox", points=(Point(64.0, 48.0),))
    with pytest.raises(SamNerfError, match="the prompts of 'fox' cannot be carried"):
        lift(view, prompts, session.segment(view, prompts))


def test_depth_at_an_edge_is_that_of_the_object(toy):
    camera = toy.look_down()
    depth = torch.full((96, 128), 3.0)
    depth[:, :64] = 1.0
    mask = np.zeros((96, 128), bool)
    mask[:, :64] = True
    on_the_edge = Point(64.0, 48.0)
    assert lift_point(camera, depth, on_the_edge, mask).z == pytest.approx(2.0, abs=1e-3)


def test_lifting_then_projecting_returns_the_point(toy):
    camera = toy.look_down(x=0.2)
    point = Point(17.25, 80.5)
    world = lift_point(camera, torch.full((96, 128), 2.0), point)
    pixel, distance, inside = camera.project(torch.tensor([[world.x, world.y, world.z]]))
    assert bool(inside[0])
    assert float(distance[0]) == pytest.approx(2.0)
    assert pixel[0].tolist() == pytest.approx([17.25, 80.5], abs=1e-3)


def test_the_first_interior_point_is_furthest_inside_and_all_are_inside():
    mask = np.zeros((40, 60), bool)
    mask[5:26, 10:31] = True
    mask[12:18, 31:55] = True
    points = interior_points(mask, 4)
    assert points[0] == (15, 20)
    assert len(points) == 4
    assert all(mask[point] for point in points)


def test_a_small_mask_gives_fewer_points():
    mask = np.zeros((9, 9), bool)
    mask[4, 4] = True
    assert interior_points(mask, 5) == [(4, 4)]
    assert interior_points(np.zeros((9, 9), bool), 5) == []
