"""An object keeps its colour."""

import pytest

from samnerf.objects.palette import object_colour


def test_colours_of_a_hundred_objects_differ():
    assert len({object_colour(i) for i in range(1, 101)}) == 100


def test_the_background_is_black():
    assert object_colour(0) == (0, 0, 0)


def test_a_negative_id_is_a_mistake():
    with pytest.raises(ValueError, match="-1 but must not be negative"):
        object_colour(-1)
