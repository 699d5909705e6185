"""Measures of alpha against values worked out by hand, and against slow references that follow the definitions."""

import math

import numpy as np
import pytest

from samnerf.evaluation.matting_metrics import (
    connectivity_error,
    gaussian_derivative_kernels,
    gradient_error,
    matting_scores,
    mean_difference,
    mean_scores,
    mean_square,
    sum_of_differences,
    temporal_error,
)

TRUE = np.array([[0.0, 0.5], [1.0, 1.0]])
FOUND = np.array([[0.0, 0.25], [1.0, 0.5]])


def random_pair(seed, size=(13, 11)):
    random = np.random.default_rng(seed)
    true = np.clip(random.normal(0.5, 0.5, size), 0, 1)
    return np.clip(true + random.normal(0, 0.3, size), 0, 1), true


def test_sums_and_means_by_hand():
    assert sum_of_differences(FOUND, TRUE) == pytest.approx(0.75 / 1e3)
    assert mean_difference(FOUND, TRUE) == pytest.approx(1e3 * 0.75 / 4)
    assert mean_square(FOUND, TRUE) == pytest.approx(1e3 * (0.0625 + 0.25) / 4)


def test_the_kernels_have_length_one_and_see_no_even_ground():
    x, y = gaussian_derivative_kernels()
    assert x.shape == (9, 9)
    assert np.square(x).sum() == pytest.approx(1)
    assert x.sum() == pytest.approx(0, abs=1e-12)
    np.testing.assert_array_equal(y, x.T)
    g = [math.exp(-(k**2) / (2 * 1.4**2)) for k in range(-4, 5)]
    values = [g[i] * -(j - 4) * g[j] for i in range(9) for j in range(9)]
    norm = math.sqrt(sum(value**2 for value in values))
    assert x[4, 3] == pytest.approx(values[4 * 9 + 3] / norm)


def test_the_gradient_of_a_ramp_is_the_same_everywhere():
    ramp = np.tile(np.arange(30) / 100, (30, 1))
    x, _ = gaussian_derivative_kernels()
    slope = abs(sum(x[i, j] * (j - 4) / 100 for i in range(9) for j in range(9)))
    middle = gradient_error(np.zeros((30, 30)), ramp)
    assert middle == pytest.approx(slow_gradient_error(np.zeros((30, 30)), ramp))
    assert middle >= 30 * 22 * slope**2 / 1e3


def test_connectivity_by_hand():
    """A row of three: at 0.1 and 0.2 one region; from 0.3 on the left pixel alone stays.

    The middle is 0.2 against 0.6: it leaves at 0.3, so its level is 0.2 and its excess 0 against 0.4, which counts. The
    right is 0.6 in both: cut off at 0.3, its excess is 0.4 in both. The left is 1 in both.
    """
    found, true = np.array([[1.0, 0.2, 0.6]]), np.array([[1.0, 0.6, 0.6]])
    assert connectivity_error(found, true) == pytest.approx(0.4 / 1e3)


def test_a_small_excess_over_the_level_counts_as_none():
    assert connectivity_error(np.array([[1.0, 0.5]]), np.array([[1.0, 0.6]])) == 0
    assert connectivity_error(np.array([[1.0, 0.4]]), np.array([[1.0, 0.6]])) == pytest.approx(0.2 / 1e3)


def test_corners_do_not_connect():
    true = np.array([[1.0, 0.0], [0.0, 1.0]])
    found = np.array([[1.0, 0.0], [0.0, 0.5]])
    assert connectivity_error(found, true) == pytest.approx(0.5 / 1e3)


@pytest.mark.parametrize("seed", range(4))
def test_slow_references_agree(seed):
    found, true = random_pair(seed)
    scores = matting_scores(found, true)
    assert scores.grad == pytest.approx(slow_gradient_error(found, true))
    assert scores.conn == pytest.approx(slow_connectivity_error(found, true))


def test_what_is_right_costs_nothing_and_single_precision_does():
    alpha = random_pair(0)[1].astype(np.float32)
    assert set(matting_scores(alpha, alpha).as_dict().values()) == {0.0}


def test_changes_over_time_by_hand():
    true = [np.zeros((1, 2)), np.array([[0.0, 1.0]]), np.array([[1.0, 1.0]])]
    assert temporal_error(true, true) == 0
    steady_fault = [np.clip(frame * 0.5 + 0.25, 0, 1) for frame in true]
    assert temporal_error([np.full((1, 2), 0.3)] * 2, [np.full((1, 2), 0.9)] * 2) == 0
    assert temporal_error(steady_fault, true) == pytest.approx(100 * math.sqrt(0.5**2 / 2))


def test_means_are_taken_measure_by_measure():
    one, other = matting_scores(FOUND, TRUE), matting_scores(TRUE, TRUE)
    assert mean_scores([one, other]).mad == pytest.approx(one.mad / 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: matting_scores(np.zeros((2, 2)), np.zeros((2, 3))), r"\(2, 2\) is held against one of \(2, 3\)"),
        (lambda: matting_scores(np.zeros((0, 2)), np.zeros((0, 2))), "not empty"),
        (lambda: matting_scores(np.full((1, 1), 1.5), np.zeros((1, 1))), "the found alpha runs from 1.5 to 1.5"),
        (lambda: matting_scores(np.full((1, 1), np.nan), np.zeros((1, 1))), "must be 0 to 1"),
        (lambda: temporal_error([np.zeros((1, 1))], [np.zeros((1, 1))]), "at least two"),
        (lambda: mean_scores([]), "no scores"),
    ],
)
def test_what_cannot_be_measured_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def slow_gradient_error(found, true):
    """Pixel by pixel, the border repeated."""
    sigma, reach = 1.4, 4
    g = {k: math.exp(-(k**2) / (2 * sigma**2)) for k in range(-reach, reach + 1)}
    kernel = {(i, j): -j * g[i] * g[j] for i in g for j in g}
    norm = math.sqrt(sum(value**2 for value in kernel.values()))

    def slope(alpha, row, column):
        x = y = 0.0
        for (i, j), value in kernel.items():
            r = min(max(row - i, 0), alpha.shape[0] - 1)
            c = min(max(column - j, 0), alpha.shape[1] - 1)
            x += value / norm * alpha[r, c]
            y += kernel[j, i] / norm * alpha[r, c]
        return math.hypot(x, y)

    places = [(row, column) for row in range(true.shape[0]) for column in range(true.shape[1])]
    return sum((slope(true, *place) - slope(found, *place)) ** 2 for place in places) / 1e3


def slow_connectivity_error(found, true):
    """Regions by flooding, pixel by pixel."""
    rows, columns = true.shape
    places = [(row, column) for row in range(rows) for column in range(columns)]
    level = {}
    for tenths in range(1, 11):
        inside = {place for place in places if found[place] >= tenths / 10 and true[place] >= tenths / 10}
        largest = set()
        left = set(inside)
        for place in places:
            if place not in left:
                continue
            region, front = {place}, [place]
            left.discard(place)
            while front:
                row, column = front.pop()
                for beside in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
                    if beside in left:
                        left.discard(beside)
                        region.add(beside)
                        front.append(beside)
            if len(region) > len(largest):
                largest = region
        for place in places:
            if place not in level and place not in largest:
                level[place] = (tenths - 1) / 10
    total = 0.0
    for place in places:
        held = []
        for alpha in (found[place], true[place]):
            above = alpha - level.get(place, 1.0)
            held.append(1 - (above if above >= 0.15 else 0))
        total += abs(held[0] - held[1])
    return total / 1e3
