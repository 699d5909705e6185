"""Agreement of two views on one click, in a world whose geometry is exact."""

import pytest
import torch

from samnerf.evaluation.consistency import neighbours, view_consistency
from samnerf.evaluation.sequences import Frame
from samnerf.session import Session

SEED = 7


@pytest.fixture
def session(toy):
    return Session(toy.MaskDecoder())


def seen(toy, name, field=None, **camera):
    """A view, which may show another field than the true one, and what is true there."""
    view = toy.view(name, field=field, **camera)
    ids, depth = toy.Field().ids(view.camera), toy.Field().render_colour(view.camera)[1].numpy()
    return view, Frame(view.camera, ids, depth)


def test_views_of_one_world_agree_as_far_as_pixels_allow(session, toy):
    rows = view_consistency(session, seen(toy, "a"), seen(toy, "b", x=0.2), toy.names, SEED)
    assert [(row.name, row.view, row.into) for row in rows] == [(name, "a", "b") for name in toy.names.values()]
    assert all(row.true_iou > 0.9 for row in rows)
    assert all(row.iou > 0.7 for row in rows)


def test_a_view_that_shows_something_else_disagrees(session, toy):
    moved = [toy.Square(s.id, s.x, s.y + 0.4, s.z, s.half) for s in toy.squares]
    other = seen(toy, "b", field=toy.Field(moved), x=0.2)
    rows = view_consistency(session, seen(toy, "a"), other, toy.names, SEED)
    assert max(row.iou for row in rows) < 0.3
    assert min(row.true_iou for row in rows) > 0.9


def test_what_the_other_view_does_not_show_is_not_compared(session, toy):
    rows = view_consistency(session, seen(toy, "a"), seen(toy, "b", x=1.6), toy.names, SEED)
    assert "red square" not in {row.name for row in rows}


def test_the_same_seed_gives_the_same_rows(session, toy):
    def rows(seed):
        return view_consistency(session, seen(toy, "a"), seen(toy, "b", x=0.2), toy.names, seed)

    assert rows(7) == rows(7)


def test_neighbours_are_the_nearest_others(toy):
    cameras = [(name, toy.look_down(x=x)) for name, x in (("a", 0.0), ("b", 0.3), ("c", 0.5), ("d", 2.0))]
    assert neighbours(cameras) == [("a", "b"), ("b", "c"), ("c", "b"), ("d", "c")]
    assert neighbours(cameras[:1]) == []
    assert torch.equal(cameras[0][1].position, torch.tensor([0.0, 0.0, 3.0]))
