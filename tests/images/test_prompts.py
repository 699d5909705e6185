"""What may be said of a picture, in which forms, and what is refused."""

import numpy as np
import pytest

from samnerf.errors import SamNerfError
from samnerf.images.prompts import ImagePrompts
from samnerf.prompts import Box, Phrase, Point


@pytest.mark.parametrize("points", ["[[3, 4]]", "[3, 4]", [[3, 4]], [3, 4], (3.0, 4.0), np.array([3, 4]), [np.ones(2)]])
def test_one_point_in_any_form(points):
    (said,) = ImagePrompts(points=points).objects
    assert said.points in ((Point(3.0, 4.0),), (Point(1.0, 1.0),))
    assert all(isinstance(value, float) for value in (said.points[0].x, said.points[0].y))


@pytest.mark.parametrize("boxes", ["[[1, 2, 3, 4]]", "[1, 2, 3, 4]", [1, 2, 3, 4], np.array([[1, 2, 3, 4]])])
def test_one_box_in_any_form(boxes):
    (said,) = ImagePrompts(boxes=boxes).objects
    assert said.boxes == (Box(1.0, 2.0, 3.0, 4.0),)


@pytest.mark.parametrize("nothing", [None, "", "  ", "[]", [], ()])
def test_nothing_said_is_empty(nothing):
    assert ImagePrompts(points=nothing, labels=nothing, boxes=nothing).empty
    assert not ImagePrompts(text="cube").empty


def test_labels_left_out_are_all_1_and_those_given_are_kept():
    assert [p.label for p in ImagePrompts(points=[[1, 2], [3, 4]]).objects[0].points] == [1, 1]
    (said,) = ImagePrompts(points="[[1, 2], [3, 4]]", labels="[0, 1]").objects
    assert set(said.points) == {Point(1.0, 2.0, 0), Point(3.0, 4.0, 1)}
    assert [p.label for p in ImagePrompts(points=[1, 2], labels=0).objects[0].points] == [0]


def test_points_and_one_box_are_one_object_that_keeps_the_labels():
    (said,) = ImagePrompts(points=[[1, 2], [9, 9]], labels=[0, 1], boxes=[0, 0, 5, 5]).objects
    assert [p.label for p in said.points] == [0, 1]
    assert len(said.boxes) == 1


def test_several_boxes_are_as_many_objects_each_with_its_points():
    first, second, third = ImagePrompts(
        points=[[2, 2], [12, 2], [30, 30], [4, 4]],
        labels=[1, 1, 1, 0],
        boxes=[[0, 0, 5, 5], [10, 0, 15, 5]],
        text="cube",
    ).objects
    assert first.points == (Point(2.0, 2.0), Point(4.0, 4.0, 0))
    assert second.points == (Point(12.0, 2.0), Point(4.0, 4.0, 0))
    assert third.points == (Point(30.0, 30.0), Point(4.0, 4.0, 0)) and not third.boxes
    assert {one.phrase for one in (first, second, third)} == {Phrase("cube")}
    assert [one.name for one in (first, second, third)] == ["object 1", "object 2", "object 3"]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"points": [[1, 2], [3, 4]], "labels": [1]}, "there are 1 labels for 2 points"),
        ({"labels": [1]}, "there are 1 labels for 0 points"),
        ({"points": [1, 2], "labels": [2]}, "labels: 2 is neither 1 (adds) nor 0"),
        ({"points": [1, 2], "labels": [[1]]}, "labels: [1] is neither 1"),
        ({"points": "[[1, 2"}, "points '[[1, 2' is not JSON"),
        ({"points": '{"x": 1}'}, "points is {'x': 1}; expected [[x, y], ...]"),
        ({"points": [[1, 2, 3]]}, "points: [1, 2, 3] is not 2 finite numbers"),
        ({"points": [[1, 2], 3]}, "points: 3 is not 2 finite numbers"),
        ({"points": "[[1, NaN]]"}, "points: [1, nan] is not 2 finite numbers"),
        ({"points": [["1", 2]]}, "points: ['1', 2] is not 2 finite numbers"),
        ({"boxes": [[1, 2, 3]]}, "boxes: [1, 2, 3] is not 4 finite numbers"),
        ({"boxes": [5, 5, 5, 9]}, "box [5, 5, 5, 9] has no area"),
        ({"text": " "}, "text is blank"),
        ({"text": "cube", "threshold": 1.5}, "threshold is 1.5 but must lie between 0 and 1"),
        ({"text": "cube", "top_k": -31}, "top_k is -31 but must lie between -30 and 30"),
        ({"text": "cube", "seed": -1}, "seed is -1 but must not be negative"),
    ],
)
def test_what_is_malformed_is_named(said, message):
    with pytest.raises(SamNerfError) as error:
        ImagePrompts(**said)
    assert message in str(error.value)
