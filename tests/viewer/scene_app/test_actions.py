"""All that can be done, on the toy world, where every mask is exact."""

from dataclasses import replace

import numpy as np
import pytest

from samnerf.errors import SamNerfError
from samnerf.prompts import PromptFile
from samnerf.viewer.scene_app.actions import save_prompts
from samnerf.viewer.scene_app.desk import Settings
from samnerf.viewer.scene_app.work import CancelledError, Work


def test_a_click_gives_the_object_and_renders_nothing_again(world):
    frame = world.frame()
    frame.view.feature_map("sam")
    renders = world.field.colour_renders, world.field.feature_renders
    desk = world.actions.click(world.desk, frame, world.place(1))
    desk = world.actions.click(desk, frame, world.place(2))
    answer = world.actions.answer(desk, frame)
    assert np.array_equal(answer.mask, world.mask(1) | world.mask(2))
    assert (world.field.colour_renders, world.field.feature_renders) == renders


def test_a_click_lies_on_the_object_in_the_world(world):
    desk = world.actions.click(world.desk, world.frame(), world.place(1))
    (point,) = desk.said.world_points
    assert (point.x, point.y, point.z) == pytest.approx((-0.6, 0.0, 0.1), abs=0.02)


def test_prompts_stay_on_the_object_when_the_camera_moves(world, toy):
    desk = world.actions.click(world.desk, world.frame(), world.place(1))
    moved = toy.look_down(x=0.2, y=-0.1)
    answer = world.actions.answer(desk, world.frame("view 2", camera=moved))
    assert np.array_equal(answer.mask, world.mask(1, moved))


def test_prompts_are_hidden_where_they_are_out_of_sight(world, toy):
    desk = world.actions.click(world.desk, world.frame(), world.place(1))
    answer = world.actions.answer(desk, world.frame("view 2", camera=toy.look_down(x=5.0)))
    assert not answer.mask.any()
    assert "none of its positive points is visible" in answer.reason


def test_taking_away_is_a_click_of_its_own_tool(world):
    frame = world.frame()
    desk = world.actions.click(world.desk, frame, world.place(1))
    desk = world.actions.click(desk, frame, world.place(2))
    desk = world.actions.click(replace(desk, tool="Take away"), frame, world.place(2))
    assert [one.pixel.label for one in desk.said.clicks] == [1, 1, 0]
    assert np.array_equal(world.actions.answer(desk, frame).mask, world.mask(1))


def corners(world, object_id):
    rows, columns = np.nonzero(world.mask(object_id))
    height, width = world.camera.image_size
    return (columns.min() / width, rows.min() / height), ((columns.max() + 1) / width, (rows.max() + 1) / height)


def test_a_box_holds_here_and_in_other_views(world, toy):
    first, second = corners(world, 2)
    desk = world.actions.draw_box(world.desk, world.frame(), second, first)
    assert np.array_equal(world.actions.answer(desk, world.frame()).mask, world.mask(2))
    moved = toy.look_down(x=0.1)
    assert np.array_equal(world.actions.answer(desk, world.frame("view 2", camera=moved)).mask, world.mask(2, moved))


def test_a_box_without_area_is_refused(world):
    with pytest.raises(SamNerfError, match="no area"):
        world.actions.draw_box(world.desk, world.frame(), (0.5, 0.5), (0.5, 0.9))


def test_words_find_and_say_where_they_fit(world):
    answer = world.actions.answer(world.desk.ask("green square"), world.frame())
    assert np.array_equal(answer.mask, world.mask(2))
    assert answer.relevancy[world.mask(2)].min() > answer.relevancy[~world.mask(2)].mean()


def test_words_that_find_nothing_say_so(world):
    answer = world.actions.answer(world.desk.ask("violet"), world.frame())
    assert not answer.mask.any()
    assert "nothing reaches the relevancy" in answer.reason


def test_the_candidate_is_chosen_by_its_size(world):
    frame = world.frame()
    desk = world.actions.click(world.desk, frame, world.place(1))
    areas = [
        world.actions.answer(desk.adjust(Settings(granularity=size)), frame).mask.sum()
        for size in ("Small", "Medium", "Large")
    ]
    assert areas == [0, world.mask(1).sum(), world.mask(1).size]


def test_masks_are_cut_by_depth_unless_the_desk_says_no(room):
    cuts = []
    for index in room.large:
        cut, whole = (
            room.actions.answer(room.clicked(index, Settings(by_depth=by_depth)), room.frame).mask
            for by_depth in (True, False)
        )
        said = room.clicked(index).said.prompts(room.frame.view.name)
        decoders_own = room.actions.session.answer(room.frame.view, said).uncut
        assert np.array_equal(whole, decoders_own.mask().cpu().numpy())
        assert not (cut & ~whole).any()
        cuts.append((whole & ~cut).sum())
    assert max(cuts) > 0


def test_a_lock_keeps_what_is_shown_and_every_view_shows_it(world, toy):
    frame = world.frame()
    desk = world.actions.click(world.desk, frame, world.place(1))
    assert world.actions.lock(desk, frame, world.objects, "fox", Work("lock")) == ["fox"]
    moved = toy.look_down(x=0.15, y=0.1)
    alpha = world.frame("view 9", camera=moved).alphas(world.objects.layers).alpha(0).numpy() > 0.5
    truth = world.field.ids(moved) == 1
    assert (alpha & truth).sum() / (alpha | truth).sum() > 0.85


def test_a_name_that_is_taken_gets_a_number(world):
    frame = world.frame()
    for object_id, expected in ((1, "fox"), (2, "fox 2")):
        desk = world.actions.click(world.desk, frame, world.place(object_id))
        assert world.actions.lock(desk, frame, world.objects, "fox", Work("lock")) == [expected]


def test_words_lock_each_thing_that_they_find(world):
    desk = world.desk.ask("square").adjust(Settings(top_k=64))
    names = world.actions.lock(desk, world.frame(), world.objects, "", Work("lock"))
    assert names == ["square", "square 2", "square 3"]


def test_nothing_is_locked_without_prompts(world):
    with pytest.raises(SamNerfError, match="nothing to lock"):
        world.actions.lock(world.desk, world.frame(), world.objects, "fox", Work("lock"))
    with pytest.raises(SamNerfError, match="nothing reaches"):
        world.actions.lock(world.desk.ask("violet"), world.frame(), world.objects, "", Work("lock"))


def test_a_cancelled_lock_leaves_everything_as_it_was(world):
    frame = world.frame()
    desk = world.actions.click(world.desk, frame, world.place(1))
    work = Work("lock")
    work.cancel()
    with pytest.raises(CancelledError):
        world.actions.lock(desk, frame, world.objects, "fox", work)
    assert world.objects.layers.objects == ()


def test_progress_is_told(world):
    told = []
    frame = world.frame()
    desk = world.actions.click(world.desk, frame, world.place(1))
    world.actions.lock(desk, frame, world.objects, "fox", Work("lock", lambda what, part: told.append((what, part))))
    assert told
    assert all(0 <= part <= 1 for _, part in told)


def test_what_is_saved_can_be_loaded_and_loading_undone(world, toy, tmp_path):
    world.objects.change("add", lambda _: toy.layers(1, 2))
    world.actions.save(world.objects, tmp_path / "objects.json")
    world.objects.change("delete", lambda layers: layers.delete("red square"))
    world.actions.load(world.objects, tmp_path / "objects.json")
    assert [one.name for one in world.objects.layers.objects] == ["red square", "green square"]
    world.objects.undo()
    assert [one.name for one in world.objects.layers.objects] == ["green square"]


def test_a_broken_objects_file_is_refused_and_nothing_changes(world, tmp_path):
    (tmp_path / "objects.json").write_text("{")
    with pytest.raises(SamNerfError, match="not JSON"):
        world.actions.load(world.objects, tmp_path / "objects.json")
    assert world.objects.history.past == ()


def test_a_prompt_file_has_what_was_said_of_objects_and_of_now(world, toy, tmp_path):
    world.objects.change("add", lambda _: toy.layers(1))
    desk = world.actions.click(world.desk, world.frame(), world.place(2))
    save_prompts(tmp_path / "prompts.json", desk, world.objects)
    sets = PromptFile.load(tmp_path / "prompts.json").objects
    assert [one.name for one in sets] == ["red square", "prompted"]
    assert sets[1].world_points == desk.said.world_points


def test_no_prompt_file_of_nothing(world, tmp_path):
    with pytest.raises(SamNerfError, match="nothing was said"):
        save_prompts(tmp_path / "prompts.json", world.desk, world.objects)


def test_examples_need_a_decoder_that_takes_many(world):
    with pytest.raises(SamNerfError):
        world.actions.examples(world.frame())
