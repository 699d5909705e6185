"""The protocol measures what it says."""

import math

import numpy as np
import pytest

from samnerf.evaluation.protocol import Case, evaluate, interior_clicks, measured_objects, tight_box
from samnerf.objects.lifting import depth_inside
from samnerf.session import Session


@pytest.fixture
def session(toy):
    return Session(toy.MaskDecoder(), toy.TextDecoder())


def case(toy, name="a", **camera):
    view = toy.view(name, **camera)
    return Case(view, toy.image_view(name, **camera), toy.Field().ids(view.camera), toy.names)


def test_a_perfect_field_scores_like_its_teacher(session, toy):
    scores = evaluate(session, [case(toy), case(toy, "b", x=0.2)], seed=7).scores()
    assert scores["single_click_miou"] > 0.75
    assert scores["box_miou"] > 0.75
    assert scores["text_miou"] > 0.75
    assert scores["text_localization"] == 1
    assert scores["teacher_parity"] == pytest.approx(1, abs=0.1)
    assert scores["psnr"] > 45


def test_every_object_gets_three_clicks_a_box_and_its_name(session, toy):
    (first, second, third) = evaluate(session, [case(toy)], seed=7).rows
    assert [row.name for row in (first, second, third)] == list(toy.names.values())
    assert all(len(row.click_ious) == len(row.teacher_click_ious) == 3 for row in (first, second, third))


def test_the_same_seed_draws_the_same_clicks_and_another_others(session, toy):
    def clicks(seed):
        return [row.clicks for row in evaluate(session, [case(toy)], seed).rows]

    assert clicks(7) == clicks(7)
    assert clicks(7) != clicks(8)


def test_clicks_do_not_depend_on_which_other_views_are_measured(session, toy):
    alone = evaluate(session, [case(toy, "b", x=0.2)], seed=7).rows
    together = evaluate(session, [case(toy), case(toy, "b", x=0.2)], seed=7).rows
    assert [row.clicks for row in alone] == [row.clicks for row in together if row.view == "b"]


def test_clicks_lie_inside():
    mask = np.zeros((50, 50), bool)
    mask[10:30, 0:12] = True
    depths = depth_inside(mask)
    for seed in range(20):
        for click in interior_clicks(mask, seed, "a", 1):
            assert depths[int(click.y), int(click.x)] >= 3


def test_a_thin_object_is_clicked_at_least_half_as_deep_as_possible():
    mask = np.zeros((50, 50), bool)
    mask[10:12, 5:40] = True
    assert len(interior_clicks(mask, 0, "a", 1)) == 3
    single = np.zeros((50, 50), bool)
    single[4, 4] = True
    assert {(c.x, c.y) for c in interior_clicks(single, 0, "a", 1)} == {(4.5, 4.5)}


def test_objects_below_half_a_percent_are_not_measured():
    ids = np.zeros((100, 100), np.uint8)
    ids[0, :50] = 1
    ids[1, :49] = 2
    assert measured_objects(ids) == [1]


def test_the_tight_box_has_the_masks_extent():
    mask = np.zeros((10, 10), bool)
    mask[2:5, 3:9] = True
    box = tight_box(mask)
    assert (box.x1, box.y1, box.x2, box.y2) == (3, 2, 9, 5)


def test_a_blind_field_scores_low_and_parity_says_so(session, toy):
    sighted = case(toy)
    blind = Case(toy.view("a", field=toy.Field(())), sighted.teacher_view, sighted.ids, sighted.names)
    scores = evaluate(session, [blind], seed=7).scores()
    assert scores["teacher_parity"] < 0.2
    assert scores["text_localization"] < 1
    assert scores["teacher_single_click_miou"] > 0.75


def test_nothing_measured_is_no_score(session):
    assert all(math.isnan(value) for value in evaluate(session, [], seed=7).scores().values())
