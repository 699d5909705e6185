"""Random scenes: named apart, standing on the floor, never through one another."""

import numpy as np
import pytest

from samnerf.preprocessing.synthetic.scene import COLOURS, MATERIALS, SHAPES, random_scene

SCENES = [random_scene(seed) for seed in range(40)]


def test_a_scene_is_a_function_of_its_seed():
    assert random_scene((3, 5)) == random_scene((3, 5))
    assert random_scene((3, 5)) != random_scene((3, 6))


def test_ids_count_from_one_and_full_names_are_unique():
    for scene in SCENES:
        assert [thing.id for thing in scene.objects] == list(range(1, len(scene.objects) + 1))
        assert len({thing.name for thing in scene.objects}) == len(scene.objects)
        assert 5 <= len(scene.objects) <= 9


def test_every_word_occurs_and_words_are_often_shared():
    things = [thing for scene in SCENES for thing in scene.objects]
    assert {thing.shape for thing in things} == set(SHAPES)
    assert {thing.colour for thing in things} == set(COLOURS)
    assert {thing.material for thing in things} == set(MATERIALS)
    shared = sum(
        len({thing.shape for thing in scene.objects}) < len(scene.objects)
        and len({thing.colour for thing in scene.objects}) < len(scene.objects)
        for scene in SCENES
    )
    assert shared > len(SCENES) / 2


def test_objects_stand_on_the_floor():
    for scene in SCENES:
        for thing in scene.objects:
            down = thing.rotation.T @ np.float32([0, 0, -1])
            assert thing.centre[2] == pytest.approx(thing.solid.extent(down), abs=1e-5)
            assert thing.size[2] == pytest.approx(thing.solid.extent(down) + thing.solid.extent(-down), abs=1e-5)


def test_a_vertical_plane_between_their_centres_separates_any_two_objects():
    for scene in SCENES:
        for first in scene.objects:
            for second in scene.objects[: first.id - 1]:
                between = np.subtract(second.centre, first.centre) * [1, 1, 0]
                direction = (between / np.linalg.norm(between)).astype(np.float32)
                reach = first.solid.extent(first.rotation.T @ direction)
                reach += second.solid.extent(-second.rotation.T @ direction)
                assert reach < between @ direction


def test_the_number_of_objects_can_be_set():
    assert len(random_scene(1, (2, 2)).objects) == 2
    assert len(random_scene(1, (12, 12)).objects) == 12
    with pytest.raises(ValueError, match="objects is \\(3, 13\\) but must be two numbers"):
        random_scene(1, (3, 13))
