"""Worked numbers and laws of the chamfer distance."""

import numpy as np
import pytest

from samnerf.errors import SamNerfError
from samnerf.evaluation.chamfer import chamfer_distance, diagonal

LINE = np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0]])
TWO = np.array([[0.0, 3, 0], [2, 0, 4]])


def test_worked_by_hand():
    # From the line: 3, sqrt 10 (not sqrt 17), sqrt 13 (not 4); to the line: 3 and 4.
    found = chamfer_distance(LINE, TWO)
    assert found.to_second == pytest.approx((3 + 10**0.5 + 13**0.5) / 3)
    assert found.to_first == pytest.approx(3.5)
    assert found.symmetric == pytest.approx(((3 + 10**0.5 + 13**0.5) / 3 + 3.5) / 2)


def test_the_symmetric_one_is_and_the_sides_change_places():
    there, back = chamfer_distance(LINE, TWO), chamfer_distance(TWO, LINE)
    assert there.symmetric == back.symmetric
    assert (there.to_second, there.to_first) == (back.to_first, back.to_second)


def test_equal_sets_have_none_in_any_order():
    points = np.random.default_rng(0).random((100, 3)).astype(np.float32)
    assert chamfer_distance(points, points[::-1]).symmetric == 0


def test_a_part_is_accurate_and_not_complete():
    found = chamfer_distance(LINE[:1], LINE)
    assert (found.to_second, found.to_first) == (0, 1)


def test_a_diameter_makes_scenes_of_any_size_compare():
    assert diagonal(np.array([[0.0, 0, 0], [1, 2, 2]])) == 3
    small = chamfer_distance(LINE, TWO, diagonal(TWO))
    large = chamfer_distance(10 * LINE, 10 * TWO, diagonal(10 * TWO))
    assert small.symmetric == pytest.approx(large.symmetric)
    assert small.to_first == pytest.approx(3.5 / 29**0.5)


@pytest.mark.parametrize(
    ("first", "second", "diameter", "message"),
    [
        (LINE[:0], TWO, None, "the first of two point sets is empty"),
        (LINE, TWO[:0], None, "the second of two point sets is empty"),
        (LINE, TWO * np.nan, None, "the second of two point sets holds NaN"),
        (LINE, TWO, 0.0, "divided by the diameter 0, which must be positive"),
    ],
)
def test_what_has_no_distance_is_refused(first, second, diameter, message):
    with pytest.raises(SamNerfError, match=message):
        chamfer_distance(first, second, diameter)
