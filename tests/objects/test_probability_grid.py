"""Laws of probability grids and of the votes that make them."""

import pytest
import torch

from samnerf.objects.probability_grid import MARGIN, ProbabilityGrid, seen_extent, vote_grid


def random_points(count, seed=0):
    return torch.rand(count, 3, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def grid():
    values = torch.rand(5, 6, 7, generator=torch.Generator().manual_seed(0))
    return ProbabilityGrid(values, torch.tensor([-1.0, 0.5, 2.0]), 0.25)


def test_probabilities_at_the_centres_are_the_values(grid):
    torch.testing.assert_close(grid.at(grid.centres), grid.values, atol=1e-5, rtol=0)


def test_a_linear_field_is_interpolated_exactly(grid):
    slope = torch.tensor([0.1, -0.05, 0.2])
    linear = ProbabilityGrid((grid.centres * slope).sum(dim=-1) + 0.3, grid.lower, grid.spacing)
    places = grid.lower + random_points(100) * (grid.upper - grid.lower)
    torch.testing.assert_close(linear.at(places), places @ slope + 0.3, atol=1e-5, rtol=0)


def test_beyond_the_grid_is_nothing(grid):
    beyond = torch.stack([grid.upper + 1e-3, grid.lower - 1e-3, grid.upper + 100])
    assert not grid.holds(beyond).any()
    assert not grid.at(beyond).any()
    assert bool(grid.holds(torch.stack([grid.lower, (grid.lower + grid.upper) / 2])).all())


def test_the_last_centre_is_the_upper_corner(grid):
    torch.testing.assert_close(grid.centres[-1, -1, -1], grid.upper)
    torch.testing.assert_close(grid.centres[0, 0, 0], grid.lower)


def voted(points, inside, weights=None, voxels=16):
    extent = torch.zeros(3), torch.ones(3)
    weights = torch.ones(len(points)) if weights is None else weights
    return vote_grid([(points[:, None], weights[:, None], inside)], extent, voxels)


@pytest.mark.parametrize("answer", [0.0, 0.25, 1.0])
def test_where_all_rays_agree_the_grid_says_so(answer):
    points = random_points(20000)
    grid = voted(points, torch.full((20000,), answer))
    torch.testing.assert_close(grid.at(points), torch.full((20000,), answer), atol=2e-3, rtol=0)


def test_rays_weigh_as_much_as_they_meet():
    points = random_points(4000).repeat(2, 1)
    inside = torch.cat([torch.ones(4000), torch.zeros(4000)])
    grid = voted(points, inside, torch.cat([torch.full((4000,), 3.0), torch.ones(4000)]))
    torch.testing.assert_close(grid.at(points), torch.full((8000,), 0.75), atol=0.01, rtol=0)


def test_a_vote_given_twice_counts_no_more_than_all_votes_twice():
    points, inside = random_points(3000), (random_points(3000)[:, 0] > 0.4).float()
    once = voted(points, inside)
    twice = voted(points.repeat(2, 1), inside.repeat(2))
    solid = (once.values - 0.5).abs() > 0.1
    assert bool(((once.values > 0.5) == (twice.values > 0.5))[solid].all())


def test_what_no_ray_met_is_what_is_said_around_it_and_far_from_all_is_nothing():
    shell = torch.nn.functional.normalize(random_points(5000) - 0.5, dim=1) * 0.4 + 0.5
    grid = voted(shell, torch.ones(5000), voxels=24)
    assert float(grid.at(torch.tensor([0.5, 0.5, 0.5]))) > 0.5
    assert float(voted(torch.full((50, 3), 0.9), torch.ones(50), voxels=64).at(torch.tensor([0.1, 0.1, 0.1]))) == 0


def test_the_grid_reaches_a_margin_beyond_what_was_seen():
    grid = vote_grid([], (torch.zeros(3), torch.tensor([2.0, 1.0, 0.5])), 33)
    torch.testing.assert_close(grid.lower, torch.full((3,), -MARGIN * 2))
    assert grid.values.shape[0] == 33
    assert bool((grid.upper >= torch.tensor([2.0, 1.0, 0.5]) + MARGIN * 2 - 1e-5).all())
    assert not grid.values.any()


def test_one_point_is_extent_enough():
    grid = vote_grid([(torch.zeros(1, 1, 3), torch.ones(1, 1), torch.ones(1))], (torch.zeros(3), torch.zeros(3)))
    assert bool(grid.values.isfinite().all())


def test_the_extent_leaves_out_what_floats_about():
    points = torch.cat([random_points(1000), torch.full((5, 3), 90.0), torch.full((5, 3), -90.0)])
    lower, upper = seen_extent(points)
    assert bool((lower >= 0).all() and (lower < 0.05).all())
    assert bool((upper <= 1).all() and (upper > 0.95).all())
