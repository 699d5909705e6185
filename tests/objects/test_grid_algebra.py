"""Probability grids as sets."""

from dataclasses import replace

import pytest
import torch

from samnerf.objects.grid_algebra import MOST_VOXELS, cropped, difference, overlap, parts, union
from samnerf.objects.probability_grid import ProbabilityGrid


def random_grid(seed, lower=(0.0, 0.0, 0.0), shape=(6, 7, 8), spacing=0.1):
    values = torch.rand(shape, generator=torch.Generator().manual_seed(seed))
    return ProbabilityGrid(values, torch.tensor(lower), spacing)


def block(lower, shape, spacing=0.1):
    """1 within, and a voxel of 0 around."""
    values = torch.nn.functional.pad(torch.ones(shape), (1, 1, 1, 1, 1, 1))
    return ProbabilityGrid(values, torch.tensor(lower) - spacing, spacing)


def places(count=2000, reach=1.5):
    return torch.rand(count, 3, generator=torch.Generator().manual_seed(9)) * 2 * reach - reach / 2


def test_a_union_of_one_lattice_takes_the_greatest_probability():
    one, other = random_grid(0), random_grid(1, lower=(0.3, 0.2, 0.1))
    both = union([one, other])
    expected = torch.maximum(one.at(both.centres), other.at(both.centres))
    torch.testing.assert_close(both.values, expected)
    assert both.values.shape == (9, 9, 9)


def test_a_union_does_not_depend_on_the_order():
    one, other = random_grid(0), random_grid(1, lower=(0.3, 0.2, 0.1))
    torch.testing.assert_close(union([one, other]).values, union([other, one]).values)


def test_a_union_of_far_parts_stays_small():
    both = union([random_grid(0), random_grid(1, lower=(1000.0, 0.0, 0.0))])
    assert max(both.values.shape) <= MOST_VOXELS + 1


def test_a_difference_is_what_one_is_and_the_others_are_not():
    one, other = random_grid(0), random_grid(1)
    torch.testing.assert_close(difference(one, [other]).values, one.values * (1 - other.values))
    assert difference(one, []) is one


def test_cropping_changes_no_probability_anywhere():
    values = torch.zeros(12, 14, 16)
    values[3:6, 4:9, 5:7] = torch.rand(3, 5, 2, generator=torch.Generator().manual_seed(0))
    grid = ProbabilityGrid(values, torch.tensor([-0.3, 0.0, 0.1]), 0.1)
    small = cropped(grid)
    assert small.values.shape == (5, 7, 4)
    torch.testing.assert_close(small.at(places()), grid.at(places()), atol=1e-5, rtol=0)


def test_an_empty_grid_and_a_full_one_are_not_cropped():
    full, empty = random_grid(0), replace(random_grid(0), values=torch.zeros(6, 7, 8))
    assert cropped(full).values.shape == full.values.shape
    assert cropped(empty) is empty


def test_parts_are_the_whole_and_share_nothing():
    two = union([block((0.0, 0.0, 0.0), (3, 3, 3)), block((0.7, 0.0, 0.0), (5, 3, 3))])
    large, small = parts(two)
    assert [int((part.values > 0.5).sum()) for part in (large, small)] == [45, 27]
    torch.testing.assert_close(large.at(two.centres) + small.at(two.centres), two.values, atol=1e-5, rtol=0)
    assert float(torch.minimum(large.at(two.centres), small.at(two.centres)).max()) == 0


def test_parts_that_touch_at_a_corner_are_one():
    values = torch.zeros(6, 6, 6)
    values[1:3, 1:3, 1:3] = values[3:5, 3:5, 3:5] = 1.0
    assert len(parts(ProbabilityGrid(values, torch.zeros(3), 0.1))) == 1


def test_a_speck_is_no_part_and_nothing_has_none():
    values = torch.zeros(20, 10, 10)
    values[1:9, 1:9, 1:9] = 1.0
    values[15, 5, 5] = 1.0
    (whole,) = parts(ProbabilityGrid(values, torch.zeros(3), 0.1))
    assert int((whole.values > 0.5).sum()) == 513
    assert parts(ProbabilityGrid(torch.zeros(4, 4, 4), torch.zeros(3), 0.1)) == []


def test_overlap_is_iou_by_volume():
    one, half = block((0.0, 0.0, 0.0), (8, 4, 4)), block((0.4, 0.0, 0.0), (8, 4, 4))
    assert overlap(one, one) == 1
    assert overlap(one, half) == pytest.approx(1 / 3, abs=0.02)
    assert overlap(one, half) == overlap(half, one)
    assert overlap(one, block((5.0, 0.0, 0.0), (2, 2, 2))) == 0


def test_overlap_of_grids_of_different_fineness():
    coarse = block((0.05, 0.05, 0.05), (8, 8, 8))
    fine = block((0.025, 0.025, 0.025), (16, 16, 16), spacing=0.05)
    assert overlap(coarse, fine) == pytest.approx(1, abs=0.15)
