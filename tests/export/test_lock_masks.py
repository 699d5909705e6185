"""Locked objects on many views, as files."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from samnerf.errors import SamNerfError
from samnerf.export.lock_masks import objects_key, segment_locks
from samnerf.objects.layers import ObjectLayers


def read(path):
    return np.asarray(Image.open(path))


def test_masks_are_the_objects_at_the_full_size_of_the_view(toy, tmp_path):
    scene = toy.scene()
    index = json.loads(segment_locks(scene, toy.layers(), scene.cameras(), tmp_path).read_text())
    assert [view["view"] for view in index["views"]] == ["frame_2", "frame_3", "frame_4"]
    assert len(index["masks"]) == 9
    for entry in index["masks"]:
        truth = toy.Field().ids(scene.camera(entry["view"])) == entry["id"]
        assert np.array_equal(read(tmp_path / entry["file"]) > 0, truth)
        assert entry["score"] == pytest.approx(0.85)
    for view in ("frame_2", "frame_4"):
        assert np.array_equal(read(tmp_path / "ids" / f"{view}.png"), toy.Field().ids(scene.camera(view)))


def test_objects_have_their_own_ids_and_colours(toy, tmp_path):
    scene = toy.scene()
    layers = toy.layers().delete("red square").recolour("blue square", (10, 20, 250))
    index = json.loads(segment_locks(scene, layers, scene.cameras(), tmp_path).read_text())
    assert [(one["id"], one["name"]) for one in index["objects"]] == [(2, "green square"), (3, "blue square")]
    assert index["objects"][1]["colour"] == [10, 20, 250]
    inside = read(tmp_path / "masks" / "blue_square" / "frame_2.png") > 0
    assert read(tmp_path / "overlays" / "frame_2.png")[inside][:, 2].mean() > 100


def test_masks_do_not_overlap_where_objects_claim_the_same_place(toy, tmp_path):
    scene = toy.scene()
    layers = toy.layers().add(toy.lock(1), "red square again")
    index = json.loads(segment_locks(scene, layers, scene.cameras(), tmp_path).read_text())
    shown = sum((read(tmp_path / e["file"]) > 0).astype(int) for e in index["masks"] if e["view"] == "frame_2")
    assert shown.max() == 1
    (red,) = [e for e in index["masks"] if e["view"] == "frame_2" and e["object"] == "red square"]
    assert red["area"] == 0
    assert red["reason"] == "it is hidden here, or lies outside of the view"


def test_others_still_hide_what_is_written_alone(toy, tmp_path):
    scene = toy.scene()
    layers = toy.layers().add(toy.lock(1), "red square again")
    index = json.loads(
        segment_locks(scene, layers, scene.cameras(), tmp_path, ["red square", "blue square"]).read_text()
    )
    assert [one["name"] for one in index["objects"]] == ["red square", "blue square"]
    assert {e["area"] > 0 for e in index["masks"] if e["object"] == "red square"} == {False}
    assert set(np.unique(read(tmp_path / "ids" / "frame_2.png"))) == {0, 3}


def test_a_hidden_object_is_left_out_unless_it_is_asked_for(toy, tmp_path):
    scene = toy.scene()
    layers = toy.layers().show("red square", False)
    index = json.loads(segment_locks(scene, layers, scene.cameras(), tmp_path / "a").read_text())
    assert [one["name"] for one in index["objects"]] == ["green square", "blue square"]
    index = json.loads(segment_locks(scene, layers, scene.cameras(), tmp_path / "b", ["red square"]).read_text())
    assert all(entry["area"] > 0 for entry in index["masks"])


def test_what_is_done_is_kept_and_what_changed_is_made_again(toy, tmp_path):
    field = toy.Field()
    scene = toy.scene(field)
    segment_locks(scene, toy.layers(), scene.cameras(), tmp_path)
    before = field.colour_renders
    segment_locks(scene, toy.layers(), scene.cameras(), tmp_path)
    assert field.colour_renders == before
    segment_locks(scene, toy.layers().rename("red square", "fox"), scene.cameras(), tmp_path)
    assert field.colour_renders == before + 3


def test_an_interruption_leaves_an_index_of_what_is_done(toy, tmp_path):
    scene = toy.scene()

    def interrupt(view):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        segment_locks(scene, toy.layers(), scene.cameras(), tmp_path, done=interrupt)
    assert [view["view"] for view in json.loads((tmp_path / "masks.json").read_text())["views"]] == ["frame_2"]


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (270, 512)])
def test_any_size_of_frame(toy, tmp_path, size):
    scene = toy.scene()
    camera = toy.look_down(x=-0.6, height=size[0], width=size[1])
    index = json.loads(segment_locks(scene, toy.layers(), [("one", camera)], tmp_path).read_text())
    assert index["views"][0]["height"], index["views"][0]["width"] == size
    ids = read(tmp_path / "ids" / "one.png")
    assert ids.shape == size
    assert np.array_equal(ids, toy.Field().ids(camera))


def test_three_hundred_objects_and_ids_beyond_a_byte(toy, tmp_path):
    scene = toy.scene()
    layers = ObjectLayers(next_id=40000)
    for number in range(300):
        found = toy.lock(number % 3 + 1)
        moved = replace(found.grid, lower=found.grid.lower + (0.0 if number < 3 else 9.0))
        layers = layers.add(replace(found, grid=moved), f"дом {number}")
    index = json.loads(segment_locks(scene, layers, scene.cameras()[:1], tmp_path).read_text())
    assert len(index["masks"]) == 300
    ids = read(tmp_path / "ids" / "frame_2.png").astype(int)
    assert np.array_equal(np.where(ids > 0, ids - 39999, 0), toy.Field().ids(scene.camera("frame_2")))


def test_nothing_to_segment_is_said(toy, tmp_path):
    scene = toy.scene()
    with pytest.raises(SamNerfError, match="no object is locked yet; run samnerf lock first"):
        segment_locks(scene, ObjectLayers(), scene.cameras(), tmp_path)
    hidden = toy.layers(1).show("red square", False)
    with pytest.raises(SamNerfError, match="all objects are hidden"):
        segment_locks(scene, hidden, scene.cameras(), tmp_path)
    with pytest.raises(SamNerfError, match="no object is called 'fox'"):
        segment_locks(scene, toy.layers(), scene.cameras(), tmp_path, ["fox"])
    assert not list(tmp_path.iterdir())


def test_the_key_depends_on_all_that_is_shown(toy):
    objects = toy.layers(1).objects
    (one,) = objects
    changed = [
        replace(one, name="fox"),
        replace(one, colour=(0, 0, 0)),
        replace(one, object_id=2),
        replace(one, grid=replace(one.grid, values=one.grid.values * 0.9)),
        replace(one, grid=replace(one.grid, lower=one.grid.lower + 0.1)),
    ]
    keys = {objects_key(objects), objects_key(objects, "other"), *(objects_key([other]) for other in changed)}
    assert len(keys) == 7
    assert objects_key(objects) == objects_key(toy.layers(1).objects)
