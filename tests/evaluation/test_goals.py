"""Goals say whether they are reached."""

import math

from samnerf.evaluation.goals import HELD_OUT, Goal


def test_more_is_better_unless_it_is_said():
    assert Goal("x", "x", goal=0.5).reached({"x": 0.5}) is True
    assert Goal("x", "x", goal=0.5).reached({"x": 0.4}) is False
    assert Goal("x", "x", goal=0.5, more=False).reached({"x": 0.4}) is True
    assert Goal("x", "x").reached({"x": 0.4}) is None


def test_what_was_not_measured_is_a_dash_and_not_reached():
    goal = Goal("x", "x", goal=0.5)
    assert goal.said(math.nan) == "-"
    assert goal.reached({"x": math.nan}) is False
    assert (goal.said(0.25), goal.wanted) == ("0.250", "≥ 0.500")
    assert Goal("x", "x").wanted == ""


def test_the_demo_and_reports_have_the_same_goals():
    goals = {one.key: one.goal for one in HELD_OUT}
    assert goals["single_click_miou"] == 0.85
    assert goals["teacher_parity"] == 1.0
    assert goals["psnr"] == 29
