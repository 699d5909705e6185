"""Boxes before a wall: what is rendered is what the table says."""

import pytest
from cost_of_objects import _objects, _wall

from samnerf.objects.object_rendering import object_alphas

SIDE = 64


@pytest.mark.parametrize("count", [1, 2, 8, 32])
def test_together_the_objects_fill_the_picture_evenly(count):
    found = object_alphas(_wall(SIDE), _objects(count, count))
    shares = [alphas.sum().item() / SIDE**2 for alphas in found.alphas]
    assert shares == pytest.approx([0.9 / count] * count, rel=0.1)


def test_the_first_of_many_objects_keep_their_size_and_place():
    few, many = (object_alphas(_wall(SIDE), _objects(count, 32)) for count in (4, 32))
    assert sum(alphas.sum().item() for alphas in few.alphas) / SIDE**2 == pytest.approx(0.9 * 4 / 32, rel=0.1)
    assert [rays.tolist() for rays in few.rays] == [rays.tolist() for rays in many.rays[:4]]
