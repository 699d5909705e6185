"""From which view a prompt set is locked, and how many objects it gives."""

import itertools

import pytest
import torch

from samnerf.errors import SamNerfError
from samnerf.objects.prompt_locking import instance_names, lock_prompts, locking_view
from samnerf.prompts import Box, Phrase, Point, PromptSet, Scribble, WorldPoint
from samnerf.session import Session

pytestmark = pytest.mark.usefixtures("coarse_grids")


@pytest.fixture
def session(toy):
    return Session(toy.MaskDecoder(), toy.TextDecoder())


def never(name):
    pytest.fail(f"view {name} was asked for")


def view_of(session, support, prompts, view_named=never):
    return locking_view(session, support, prompts, view_named).name


def test_prompts_are_locked_from_the_view_that_they_name(toy, session):
    prompts = PromptSet("a", phrase=Phrase("red square"), points=(Point(1.0, 1.0),), view="mine")
    assert view_of(session, toy.support(count=5), prompts, lambda name: toy.view(name)) == "mine"


def test_words_are_locked_from_where_they_fit_best(toy, session):
    support = toy.support(focal=400.0)
    fits = {one.name: (toy.Field().ids(one.view.camera) == 3).sum() for one in support.views}
    chosen = view_of(session, support, PromptSet("a", phrase=Phrase("blue square", threshold=0.9)))
    assert fits[chosen] > 0
    assert min(fits.values()) == 0


def test_world_points_are_locked_from_the_view_that_sees_most_of_them(toy, session):
    support = toy.support(focal=400.0)
    points = tuple(WorldPoint(x, y, 0.1) for x in (0.4, 0.6) for y in (-0.5, -0.3))
    seen = {
        one.name: int(one.view.camera.project(torch.tensor([[p.x, p.y, p.z] for p in points]))[2].sum())
        for one in support.views
    }
    assert seen[view_of(session, support, PromptSet("a", world_points=points))] == max(seen.values())
    assert min(seen.values()) == 0


def test_world_points_that_no_view_sees(toy, session):
    nowhere = PromptSet("a", world_points=(WorldPoint(0.0, 0.0, -5.0),))
    with pytest.raises(SamNerfError, match="'a' cannot be locked: none of its positive points is visible in any of 5"):
        view_of(session, toy.support(count=5), nowhere)


@pytest.mark.parametrize(
    "prompts",
    [
        PromptSet("a", points=(Point(1.0, 1.0),)),
        PromptSet("a", boxes=(Box(1.0, 1.0, 2.0, 2.0),), phrase=Phrase("red")),
        PromptSet("a", scribbles=(Scribble(((1.0, 1.0),)),)),
    ],
)
def test_clicks_and_boxes_need_a_view(toy, session, prompts):
    with pytest.raises(SamNerfError, match="'a' cannot be locked: it does not say in which view"):
        view_of(session, toy.support(count=5), prompts)


def test_negative_points_alone_are_no_prompt(toy, session):
    with pytest.raises(SamNerfError, match="'a' cannot be locked: it has no positive prompt"):
        view_of(session, toy.support(count=5), PromptSet("a", world_points=(WorldPoint(0.5, 0.3, 0.1, 0),)))


def contents(toy, locks):
    """Which squares' middles each lock holds."""
    middles = torch.tensor([[s.x, s.y, s.z] for s in toy.squares])
    return [{i + 1 for i, inside in enumerate(one.grid.at(middles) > 0.5) if inside} for one in locks]


def test_words_lock_every_thing_that_they_name_as_an_object_of_its_own(toy, session):
    squares = PromptSet("square", phrase=Phrase("square", top_k=60))
    found = lock_prompts(session, toy.support(count=5), squares, never)
    assert sorted(map(sorted, contents(toy, found.locks))) == [[1], [2], [3]]
    assert found.failures == ()
    assert {one.said.name for one in found.locks} == {"square"}


def test_words_lock_the_best_alone_on_request(toy, session):
    squares = PromptSet("square", phrase=Phrase("square", top_k=60))
    (first, *_), (best,) = (
        lock_prompts(session, toy.support(count=5), squares, never, instances).locks for instances in ("all", "best")
    )
    assert torch.equal(first.grid.values, best.grid.values)


def test_a_negative_point_strikes_out_what_it_hits(toy, session):
    support = toy.support(count=5)
    no_blue = PromptSet("square", phrase=Phrase("square", top_k=60), world_points=(WorldPoint(0.5, -0.4, 0.1, 0),))
    found = contents(toy, lock_prompts(session, support, no_blue, never).locks)
    assert sorted(map(sorted, found)) == [[1], [2]]


def test_words_beside_a_click_help_it_and_give_one_object(toy, session):
    support = toy.support(count=5)
    view = support.views[4].view
    prompts = PromptSet("it", points=(Point(*toy.centre(view, 1)),), phrase=Phrase("red square"), view=view.name)
    found = lock_prompts(session, support, prompts, lambda _: view)
    assert contents(toy, found.locks) == [{1}]


def test_words_that_fit_nowhere(toy, session):
    with pytest.raises(
        SamNerfError, match="'fox' cannot be locked: nothing reaches the relevancy 0.5 for 'yellow fox' in"
    ):
        lock_prompts(session, toy.support(count=5), PromptSet("fox", phrase=Phrase("yellow fox")), never)


def test_an_instance_that_fails_does_not_take_the_others_with_it(toy, session, monkeypatch):
    from samnerf.objects import prompt_locking

    def lock(session, support, view, prompts, progress):
        if (prompts.points[0].x > 64) == (prompts.points[0].y > 48):
            raise SamNerfError(f"object {prompts.name!r} cannot be locked: there is no surface")
        return true_lock(session, support, view, prompts, progress)

    true_lock = prompt_locking.lock
    monkeypatch.setattr(prompt_locking, "lock", lock)
    squares = PromptSet("square", phrase=Phrase("square", top_k=60))
    found = lock_prompts(session, toy.support(count=5), squares, never)
    assert len(found.locks) + len(found.failures) == 3
    assert set(found.failures) == {"object 'square' cannot be locked: there is no surface"}


def test_instances_are_numbered_past_names_that_others_have():
    names = itertools.islice(instance_names("cube", {"cube", "cube 3", "fox"}), 4)
    assert list(names) == ["cube", "cube 2", "cube 4", "cube 5"]
