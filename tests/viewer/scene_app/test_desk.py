"""What was said, and what becomes of it in this view and in others."""

import pytest

from samnerf.errors import SamNerfError
from samnerf.prompts import Box, Phrase, Point, WorldPoint
from samnerf.viewer.scene_app.desk import Click, Desk, DrawnBox, Settings

ON, OFF = WorldPoint(1.0, 2.0, 3.0), WorldPoint(0.0, 0.0, 0.0, 0)
FIRST = Click(ON, Point(5.0, 6.0), "view 1")
SECOND = Click(OFF, Point(7.0, 8.0, 0), "view 2")
DRAWN = DrawnBox(Box(1.0, 2.0, 3.0, 4.0), "view 1", (WorldPoint(4.0, 4.0, 4.0),))


def test_a_click_is_a_pixel_where_it_was_made_and_a_world_point_elsewhere():
    said = Desk().click(FIRST).click(SECOND).said
    here, elsewhere = said.prompts("view 1"), said.prompts("view 3")
    assert (here.points, here.world_points) == ((FIRST.pixel,), (OFF,))
    assert (elsewhere.points, elsewhere.world_points) == ((), (ON, OFF))


def test_a_box_is_a_box_where_it_was_drawn_and_points_elsewhere():
    said = Desk().draw(DRAWN).said
    assert said.prompts("view 1").boxes == (DRAWN.box,)
    assert said.prompts("view 1").world_points == ()
    assert said.prompts("view 2").boxes == ()
    assert said.prompts("view 2").world_points == DRAWN.inside
    assert said.everywhere("cup").world_points == DRAWN.inside


def test_taking_back_goes_step_by_step_and_refuses_at_the_start():
    desk = Desk().click(FIRST).ask(" red cube ")
    assert desk.said.phrase == Phrase("red cube")
    assert desk.take_back().said.clicks == (FIRST,)
    assert desk.take_back().take_back().said.empty
    with pytest.raises(SamNerfError, match="no prompt to take back"):
        Desk().take_back()
    assert desk.clear() == Desk()


def test_blank_words_are_refused():
    with pytest.raises(SamNerfError, match="say what you look for"):
        Desk().ask("  ")


def test_sliders_change_the_words_that_were_said_without_a_step():
    desk = Desk().ask("cube")
    adjusted = desk.adjust(Settings(text_threshold=0.7, top_k=3))
    assert adjusted.said.phrase == Phrase("cube", 0.7, 3)
    assert len(adjusted.history) == len(desk.history)
    assert Desk().adjust(Settings(top_k=3)).said.empty


@pytest.mark.parametrize("wrong", [{"opacity": 1.5}, {"threshold": -0.1}, {"text_threshold": 2.0}, {"top_k": 0}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(SamNerfError, match=next(iter(wrong))):
        Settings(**wrong)


def test_an_object_is_either_alone_or_removed():
    desk = Desk().isolate(3)
    assert desk.isolated == {3}
    assert desk.remove(3).isolated == frozenset()
    assert desk.remove(3).removed == {3}
    assert desk.remove(3).remove(3).removed == frozenset()
    assert desk.isolate(3).isolated == frozenset()


def test_words_alone_are_told_from_words_beside_clicks():
    desk = Desk().ask("cube")
    assert desk.said.words_alone
    assert desk.click(SECOND).said.words_alone
    assert not desk.click(FIRST).said.words_alone
    assert not desk.draw(DRAWN).said.words_alone
