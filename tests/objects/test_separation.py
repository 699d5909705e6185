"""Two things that touch are told apart, and one thing is left whole."""

import pytest
import torch

from samnerf.objects.probability_grid import ProbabilityGrid
from samnerf.objects.separation import separated
from samnerf.prompts import PromptSet, WorldPoint
from samnerf.session import Session

pytestmark = pytest.mark.usefixtures("coarse_grids")


@pytest.fixture
def session(toy):
    return Session(toy.MaskDecoder())


@pytest.fixture
def pair(toy):
    """Two squares side by side as one grid, and views of them."""
    squares = (toy.Square(1, -0.3, 0.0, 0.1, 0.3), toy.Square(2, 0.3, 0.0, 0.1, 0.3))
    whole = ProbabilityGrid(torch.ones(25, 13, 3), torch.tensor([-0.6, -0.3, 0.05]), 0.05)
    return toy.support(toy.Field(squares), count=5).views, whole


def clicked(x):
    return PromptSet("one", world_points=(WorldPoint(x, 0.0, 0.1),))


@pytest.mark.parametrize("x", [-0.3, 0.3])
def test_the_clicked_one_of_two_comes_first(session, pair, x):
    views, whole = pair
    mine, theirs = separated(session, views, whole, clicked(x), lambda *_: None)
    assert float(mine.at(torch.tensor([x, 0.0, 0.1]))) > 0.5
    assert float(theirs.at(torch.tensor([x, 0.0, 0.1]))) < 0.5
    assert float(theirs.at(torch.tensor([-x, 0.0, 0.1]))) > 0.5


def test_without_a_click_two_are_two_all_the_same(session, pair):
    views, whole = pair
    assert separated(session, views, whole, PromptSet("one"), lambda *_: None) is not None


def test_one_thing_is_one(toy, session):
    field = toy.Field((toy.Square(1, 0.0, 0.0, 0.1, 0.4),))
    whole = ProbabilityGrid(torch.ones(17, 17, 3), torch.tensor([-0.4, -0.4, 0.05]), 0.05)
    assert separated(session, toy.support(field, count=5).views, whole, clicked(0.2), lambda *_: None) is None


def test_too_little_is_not_cut_and_nobody_is_asked(session, pair):
    views, whole = pair
    few = ProbabilityGrid(whole.values[:4, :4, :3], whole.lower, whole.spacing)
    assert separated(session, views, few, clicked(0.3), lambda *_: None) is None
    assert session.mask_decoder.decoded == []
