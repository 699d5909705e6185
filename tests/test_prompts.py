"""Prompts survive their file, and a malformed file says what is wrong with which object."""

import json

import numpy as np
import pytest

from samnerf.errors import SamNerfError
from samnerf.prompts import Box, Phrase, Point, PromptFile, PromptSet, Scribble, WorldPoint

EVERYTHING = PromptSet(
    "fox",
    points=(Point(120.5, 80.0), Point(3.0, 4.0, 0)),
    world_points=(WorldPoint(0.1, -0.2, 0.3, 0),),
    boxes=(Box(40.0, 30.0, 200.0, 180.0),),
    scribbles=(Scribble(((60.0, 60.0), (90.0, 70.0)), 0),),
    phrase=Phrase("red cube", 0.25, 3),
    view="frame_0003",
)
WORDS = PromptSet("Füchslein", phrase=Phrase("ein roter Würfel"))


def written(tmp_path, entry=None, **document):
    """A prompt file with one object, sound but for what is given."""
    objects = [{"name": "fox", "points": [{"xy": [1, 2]}]} | (entry or {})]
    path = tmp_path / "prompts.json"
    path.write_text(json.dumps({"format": "samnerf-prompts", "version": 1, "objects": objects} | document))
    return path


def test_loading_inverts_saving(tmp_path):
    prompts = PromptFile((EVERYTHING, WORDS))
    prompts.save(tmp_path / "prompts.json")
    assert PromptFile.load(tmp_path / "prompts.json") == prompts


def test_saving_twice_writes_the_same_bytes(tmp_path):
    PromptFile((EVERYTHING, WORDS)).save(tmp_path / "a.json")
    PromptFile.load(tmp_path / "a.json").save(tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_defaults_are_filled_in(tmp_path):
    (prompts,) = PromptFile.load(written(tmp_path, {"phrase": " red cube "})).objects
    assert prompts.points == (Point(1.0, 2.0, 1),)
    assert prompts.phrase == Phrase("red cube", 0.5, 1)
    assert prompts.view is None


def test_random_cells_and_their_seed_survive_the_file(tmp_path):
    said = PromptFile((PromptSet("fox", phrase=Phrase("red cube", 0.25, -3, 7)),))
    said.save(tmp_path / "prompts.json")
    assert PromptFile.load(tmp_path / "prompts.json") == said


def test_objects_are_selected_in_the_order_asked_for():
    prompts = PromptFile((EVERYTHING, WORDS))
    assert prompts.select(["Füchslein", "fox"]).objects == (WORDS, EVERYTHING)
    with pytest.raises(SamNerfError, match=r"no object is called 'cat'; the prompt file has fox, Füchslein"):
        prompts.select(["cat"])


def test_empty_means_that_nothing_was_said():
    assert PromptSet("a", view="b").empty
    assert not EVERYTHING.empty
    assert not WORDS.empty


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"format": "photos"}, 'does not say "format": "samnerf-prompts"'),
        ({"version": 2}, "is of version 2; this program reads version 1"),
        ({"version": None}, "is of version None; this program reads version 1"),
        ({"objects": []}, 'has no "objects": expected a list with at least one object'),
        ({"objects": {}}, 'has no "objects"'),
        ({"objects": ["fox"]}, 'object 1: expected an object with a "name"'),
        ({"objects": [{"name": " ", "phrase": "x"}]}, 'object 1: expected an object with a "name"'),
        (
            {"objects": [{"name": "a", "phrase": "x"}, {"name": "a", "phrase": "y"}]},
            "two objects called 'a'; names must",
        ),
    ],
)
def test_a_malformed_document_is_named(tmp_path, document, message):
    with pytest.raises(SamNerfError, match=message) as caught:
        PromptFile.load(written(tmp_path, **document))
    assert "prompt file" in str(caught.value)
    assert "prompts.json" in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"box": []}, "unknown field 'box'; known are boxes, name"),
        ({"view": 3}, '"view" is 3 but must be the name of a view'),
        ({"points": {}}, r"'points' is \{\} but must be a list"),
        ({"points": [[1, 2]]}, r"\[1, 2\] must be an object such as"),
        ({"points": [{}]}, "xy is None but must be 2 finite numbers"),
        ({"points": [{"xy": [1]}]}, r"xy is \[1\] but must be 2 finite numbers"),
        ({"points": [{"xy": [1, True]}]}, "but must be 2 finite numbers"),
        ({"points": [{"xy": [1, float("nan")]}]}, "but must be 2 finite numbers"),
        ({"points": [{"xy": ["1", "2"]}]}, "but must be 2 finite numbers"),
        ({"points": [{"xyz": [1, 2]}]}, r"xyz is \[1, 2\] but must be 3 finite numbers"),
        ({"points": [{"xy": [1, 2], "label": 2}]}, r"label is 2 but must be 1 \(add\) or 0 \(take away\)"),
        ({"points": [{"xy": [1, 2], "label": True}]}, "label is True but must be"),
        ({"points": [{"xy": [1, 2], "label": "add"}]}, "label is 'add' but must be"),
        ({"boxes": [[1, 2, 3]]}, r"box is \[1, 2, 3\] but must be 4 finite numbers"),
        ({"boxes": [[5, 5, 5, 9]]}, "has no area; expected x1 < x2 and y1 < y2"),
        ({"boxes": [[9, 5, 5, 9]]}, "has no area"),
        ({"scribbles": [{"path": []}]}, "a scribble has no points in its path"),
        ({"scribbles": [{"path": [[1, 2, 3]]}]}, "scribble path is .* but must be 2 finite numbers"),
        ({"phrase": ""}, 'the phrase is empty; expected words such as "red cube"'),
        ({"phrase": {"text": "  "}}, "the phrase is empty"),
        ({"phrase": {"text": "x", "threshold": 1.5}}, "threshold is 1.5 but must lie between 0 and 1"),
        ({"phrase": {"text": "x", "threshold": "high"}}, "threshold is 'high' but must lie"),
        ({"phrase": {"text": "x", "top_k": 0}}, "top_k is 0 but must be a whole number from 1"),
        ({"phrase": {"text": "x", "top_k": 1.5}}, "top_k is 1.5 but must be a whole number from 1"),
        ({"phrase": {"text": "x", "seed": -1}}, "seed is -1 but must be a whole number from 0"),
        ({"points": []}, "nothing is said of it; give points, boxes, scribbles or a phrase"),
    ],
)
def test_a_malformed_object_is_named(tmp_path, entry, message):
    with pytest.raises(SamNerfError, match=message) as caught:
        PromptFile.load(written(tmp_path, entry))
    assert "object 1 ('fox')" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist"),
        (b"", "is empty"),
        (b"{", "is not JSON"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"[]", "say"),
    ],
)
def test_a_file_that_is_no_prompt_file_is_named(tmp_path, content, message):
    path = tmp_path / "prompts.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SamNerfError, match=rf"prompt file .*prompts.json .*{message}"):
        PromptFile.load(path)


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        (
            PromptSet("fox", points=(Point(300.0, 5.0),)),
            r"'fox': point \(300, 5\) lies outside the image of 270 x 480 pixels",
        ),
        (PromptSet("fox", points=(Point(5.0, -1.0),)), r"point \(5, -1\) lies outside"),
        (PromptSet("fox", scribbles=(Scribble(((1.0, 1.0), (1.0, 481.0))),)), r"point \(1, 481\) lies outside"),
        (PromptSet("fox", boxes=(Box(270.0, 0.0, 280.0, 10.0),)), r"box \(270, 0, 280, 10\) lies outside the image"),
        (PromptSet("fox", boxes=(Box(-9.0, 0.0, 0.0, 10.0),)), r"box \(-9, 0, 0, 10\) lies outside the image"),
    ],
)
def test_prompts_outside_the_image_are_named(prompts, message):
    with pytest.raises(SamNerfError, match=message):
        prompts.check((480, 270))


def test_prompts_on_the_image_pass():
    EVERYTHING.check((480, 270))
    PromptSet("edges", points=(Point(0.0, 0.0), Point(270.0, 480.0)), boxes=(Box(-5.0, -5.0, 5.0, 5.0),)).check(
        (480, 270)
    )


def test_a_scribble_is_sampled_at_equal_steps_from_end_to_end():
    points = Scribble(((0.0, 0.0), (3.0, 0.0), (3.0, 0.0), (3.0, 4.0)), label=0).clicks
    assert (points[0].x, points[0].y) == (0, 0)
    assert (points[-1].x, points[-1].y) == pytest.approx((3, 4))
    walked = [point.x + point.y for point in points]
    assert np.diff(walked) == pytest.approx(np.full(len(points) - 1, 7 / (len(points) - 1)))
    assert {point.label for point in points} == {0}


def test_a_scribble_of_one_place_is_one_point():
    assert Scribble(((2.0, 3.0), (2.0, 3.0))).clicks == (Point(2.0, 3.0),)


def test_a_misspelt_field_of_a_point_is_named(tmp_path):
    path = tmp_path / "prompts.json"
    entry = {"name": "fox", "points": [{"xy": [1, 2], "lable": 0}]}
    path.write_text(json.dumps({"format": "samnerf-prompts", "version": 1, "objects": [entry]}))
    with pytest.raises(SamNerfError, match="unknown field 'lable'"):
        PromptFile.load(path)
