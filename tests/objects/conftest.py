"""Locks in the toy world, on grids that are coarse enough for tests."""

from functools import partial

import pytest

from samnerf.objects.probability_grid import vote_grid


@pytest.fixture
def coarse_grids(monkeypatch):
    """Votes are counted on grids of half the usual fineness, which takes an eighth of the time."""
    monkeypatch.setattr("samnerf.objects.votes.vote_grid", partial(vote_grid, voxels=32))
