"""Clicks become points of the world once, whatever happens meanwhile."""

import pytest
from nerfstudio.viewer_legacy.server.viewer_utils import IOChangeException

from samnerf.prompts import Phrase, PromptSet, WorldPoint
from samnerf.viewer.nerfstudio_panel.shared_prompts import ClickedRay, SharedPrompts


def meet(ray):
    return WorldPoint(*ray.direction, label=ray.label)


def fail(error):
    def failing(_ray):
        raise error

    return failing


@pytest.fixture
def prompts():
    shared = SharedPrompts()
    shared.click(ClickedRay((0.0, 0.0, 0.0), (1.0, 2.0, 3.0)))
    shared.click(ClickedRay((0.0, 0.0, 0.0), (4.0, 5.0, 6.0), 0))
    return shared


def test_clicks_settle_in_order_and_once(prompts):
    said = PromptSet(world_points=(WorldPoint(1.0, 2.0, 3.0), WorldPoint(4.0, 5.0, 6.0, 0)))
    assert prompts.settled(meet) == said
    assert prompts.settled(fail(AssertionError("asked again"))) == said


def test_an_interrupt_keeps_the_click_and_another_error_forgets_it(prompts):
    with pytest.raises(IOChangeException):
        prompts.settled(fail(IOChangeException()))
    with pytest.raises(RuntimeError, match="tripped"):
        prompts.settled(fail(RuntimeError("tripped")))
    assert prompts.settled(meet).world_points == (WorldPoint(4.0, 5.0, 6.0, 0),)


def test_what_is_cleared_while_it_settles_stays_cleared(prompts):
    def clearing(ray):
        prompts.clear()
        return meet(ray)

    assert prompts.settled(clearing).empty
    assert prompts.empty


def test_words_replace_words_and_blank_ones_take_them_back():
    prompts = SharedPrompts()
    prompts.find(" red cube ", 0.4)
    prompts.adjust(0.6)
    assert prompts.settled(meet).phrase == Phrase("red cube", 0.6)
    prompts.find(" ", 0.4)
    prompts.adjust(0.1)
    assert prompts.empty
    assert not prompts.has_phrase
