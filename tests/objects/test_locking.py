"""What is clicked in one view is found in the world."""

from dataclasses import replace

import pytest
import torch

from samnerf.errors import SamNerfError
from samnerf.objects.locking import CERTAIN, Lock, lock
from samnerf.objects.support import Support, object_alpha
from samnerf.objects.votes import overlap
from samnerf.prompts import Box, Phrase, Point, PromptSet, Scribble, WorldPoint
from samnerf.session import Session

pytestmark = pytest.mark.usefixtures("coarse_grids")
CELLS = 0.75
"""IoU that the toy decoder reaches, whose cells are four pixels wide."""


@pytest.fixture
def session(toy):
    return Session(toy.MaskDecoder(), toy.TextDecoder())


def mask_of(field, grid, camera):
    return (object_alpha(field.render_samples(camera), grid) > 0.5).numpy()


@pytest.mark.parametrize("kind", ["click", "box", "scribble", "phrase", "world"])
def test_any_prompt_locks_its_object_in_views_that_were_never_asked(toy, session, kind):
    field = toy.Field()
    support = toy.support(field, count=5)
    view = support.views[4].view
    x, y = toy.centre(view, 2)
    prompts = {
        "click": PromptSet("green", points=(Point(x, y),), view=view.name),
        "box": PromptSet("green", boxes=(Box(x - 10, y - 10, x + 10, y + 10),), view=view.name),
        "scribble": PromptSet("green", scribbles=(Scribble(((x - 3, y), (x + 3, y))),), view=view.name),
        "phrase": PromptSet("green", phrase=Phrase("green square")),
        "world": PromptSet("green", world_points=(WorldPoint(0.5, 0.3, 0.1),)),
    }[kind]
    found = lock(session, support, view, prompts)
    for camera in (toy.look_down(0.4, -0.3, 2.4), toy.look_down(-0.2, 0.1, 3.6)):
        assert overlap(mask_of(field, found.grid, camera), field.ids(camera) == 2) > CELLS
    assert found.uncertain is None
    assert found.said.name == "green"
    assert set(found.view_scores) <= {one.name for one in support.views}


def test_what_hides_an_object_is_no_part_of_it(toy, session):
    field = toy.Field((*toy.squares, toy.Square(4, -0.6, 0.0, 1.0, 0.1)))
    support = toy.support(field, count=5)
    view = support.views[4].view
    x, y = toy.centre(view, 1, field)
    found = lock(session, support, view, PromptSet("red", points=(Point(x - 8, y - 8),), view=view.name))
    assert float(found.grid.at(torch.tensor([-0.6, 0.0, 1.0]))) < 0.5
    assert float(found.grid.at(torch.tensor([-0.75, 0.0, 0.1]))) > 0.5


def test_the_same_prompts_lock_the_same_grid(toy, session):
    view = toy.support(count=5).views[4].view
    prompts = PromptSet("red", points=(Point(*toy.centre(view, 1)),), view=view.name)
    one, other = (lock(session, toy.support(count=5), view, prompts) for _ in range(2))
    assert torch.equal(one.grid.values, other.grid.values)
    assert one.view_scores == other.view_scores


def test_what_was_said_is_kept_as_world_points(toy, session):
    support = toy.support(count=5)
    view = support.views[4].view
    away = Point(*toy.centre(view, 3), label=0)
    prompts = PromptSet("red", points=(Point(*toy.centre(view, 1)), away), view=view.name)
    said = lock(session, support, view, prompts).said
    assert (said.points, said.view) == ((), None)
    assert [point.label for point in said.world_points] == [1, 0, 1, 1, 1]
    for point in said.world_points:
        square = toy.squares[0 if point.label else 2]
        assert max(abs(point.x - square.x), abs(point.y - square.y)) < square.half + 0.05
        assert point.z == pytest.approx(square.z, abs=1e-4)


def test_progress_is_told(toy, session):
    support = toy.support(count=5)
    view = support.views[4].view
    heard = []
    lock(
        session,
        support,
        view,
        PromptSet("red", points=(Point(*toy.centre(view, 1)),), view=view.name),
        lambda *what: heard.append(what),
    )
    assert {words for words, _, _ in heard} == {"asking the views", "asking again"}
    assert all(1 <= done <= count for _, done, count in heard)


def test_nothing_found_is_said_with_the_reason(toy, session):
    support = toy.support(count=5)
    with pytest.raises(
        SamNerfError, match="'fox' cannot be locked: nothing reaches the relevancy 0.5 for 'yellow fox'"
    ):
        lock(session, support, support.views[4].view, PromptSet("fox", phrase=Phrase("yellow fox")))


def test_a_prompt_that_is_not_visible_is_said_to_be_so(toy, session):
    support = toy.support(count=5)
    hidden = PromptSet("fox", world_points=(WorldPoint(0.0, 0.0, -2.0),))
    with pytest.raises(SamNerfError, match="'fox' cannot be locked: none of its positive points is visible"):
        lock(session, support, support.views[4].view, hidden)


def test_a_click_on_the_sky_is_said_to_be_one(toy, session):
    field = toy.Field()

    def render_sky(camera):
        samples = field.render_samples(camera)
        return replace(samples, weights=samples.weights * 0.01)

    support = Support([one.view for one in toy.support(field, count=5).views], render_sky)
    prompts = PromptSet("cloud", points=(Point(64.0, 2.0),), view="view_4")
    with pytest.raises(SamNerfError, match="'cloud' cannot be locked: where it was prompted in view 'view_4' .* sky"):
        lock(session, support, support.views[4].view, prompts)


def test_a_camera_inside_an_object_locks_it_from_there(toy, session):
    field = toy.Field()
    inside = toy.view("inside", field, x=-0.6, y=0.0, z=0.11)
    found = lock(
        session, toy.support(field, count=5), inside, PromptSet("red", points=(Point(64.0, 48.0),), view="inside")
    )
    camera = toy.look_down()
    assert overlap(mask_of(field, found.grid, camera), field.ids(camera) == 1) > CELLS


def test_one_view_alone_is_uncertain(toy, session):
    support = toy.support(count=1)
    view = support.views[0].view
    found = lock(session, support, view, PromptSet("red", points=(Point(*toy.centre(view, 1)),), view=view.name))
    assert found.uncertain == "fewer than two views show it"


def test_a_lock_is_uncertain_if_its_views_disagree(toy):
    agreeing = {"a": CERTAIN, "b": CERTAIN}
    assert Lock(toy.grid(), agreeing, PromptSet()).uncertain is None
    disagreeing = Lock(toy.grid(), {"a": 0.9, "b": 0.1, "c": 0.8}, PromptSet())
    assert disagreeing.consistency == pytest.approx(0.6)
    assert disagreeing.uncertain.startswith("the views agree to 60% only, and 1 of 3 see something else")
    assert Lock(toy.grid(), {}, PromptSet()).consistency == 0
