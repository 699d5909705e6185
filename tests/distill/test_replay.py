"""Batches come again, all of them before any comes twice."""

import pytest

from samnerf.distill.replay import Replay


def test_as_many_as_asked_for_are_drawn_and_then_come_again_in_epochs():
    drawn = iter(range(100))
    replay = Replay[int](5)
    given = [replay.next(lambda: next(drawn)) for _ in range(20)]
    assert given[:5] == [0, 1, 2, 3, 4]
    epochs = [given[start : start + 5] for start in (5, 10, 15)]
    assert all(sorted(epoch) == [0, 1, 2, 3, 4] for epoch in epochs)
    assert next(drawn) == 5


def test_epochs_have_an_order_of_their_own():
    drawn = iter(range(100))
    replay = Replay[int](30)
    given = [replay.next(lambda: next(drawn)) for _ in range(90)]
    assert given[30:60] != given[60:]


def test_none_is_too_few():
    with pytest.raises(ValueError, match="at least 1"):
        Replay(0)
