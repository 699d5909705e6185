"""A prompt file on many views, as files."""

import json

import numpy as np
import pytest
from PIL import Image

from samnerf.errors import SamNerfError
from samnerf.export.mask_files import ObjectMask, id_map
from samnerf.export.segmentation import segment_image, segment_scene
from samnerf.prompts import Box, Phrase, Point, PromptFile, PromptSet
from samnerf.session import Session


@pytest.fixture
def session(toy):
    return Session(toy.MaskDecoder(), toy.TextDecoder())


@pytest.fixture
def prompt_file(toy):
    view = toy.view("frame_2", x=0.2)
    x, y = toy.centre(view, 3)
    return PromptFile(
        (
            PromptSet("left", points=(Point(*toy.centre(view, 1)),), view="frame_2"),
            PromptSet("green square", phrase=Phrase("green square")),
            PromptSet("boxed", boxes=(Box(x - 8, y - 8, x + 8, y + 8),), view="frame_2"),
        )
    )


def read(path):
    return np.asarray(Image.open(path))


def files_of(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_every_object_is_found_in_every_view(toy, session, prompt_file, tmp_path):
    scene = toy.scene()
    index = json.loads(segment_scene(scene, session, prompt_file, scene.cameras(), tmp_path).read_text())
    assert [entry["view"] for entry in index["views"]] == ["frame_2", "frame_3", "frame_4"]
    assert len(index["masks"]) == 9
    truths = {"left": 1, "green square": 2, "boxed": 3}
    for entry in index["masks"]:
        mask = read(tmp_path / entry["file"])
        assert set(np.unique(mask)) == {0, 255}
        truth = toy.Field().ids(scene.camera(entry["view"])) == truths[entry["object"]]
        assert ((mask > 0) & truth).sum() / ((mask > 0) | truth).sum() > 0.7
        assert entry["area"] == (mask > 0).sum()
        x1, y1, x2, y2 = entry["bbox"]
        assert (mask > 0)[y1:y2, x1:x2].sum() == entry["area"]


def test_the_id_map_says_who_is_where(toy, session, prompt_file, tmp_path):
    scene = toy.scene()
    index = json.loads(segment_scene(scene, session, prompt_file, scene.cameras(), tmp_path).read_text())
    ids = read(tmp_path / "ids" / "frame_3.png")
    for entry in index["masks"]:
        if entry["view"] == "frame_3":
            assert ((ids == entry["id"]) == (read(tmp_path / entry["file"]) > 0)).mean() > 0.99


def test_heat_maps_are_written_for_what_was_said_in_words(toy, session, prompt_file, tmp_path):
    scene = toy.scene()
    segment_scene(scene, session, prompt_file, scene.cameras(), tmp_path)
    relevancy = np.load(tmp_path / "relevancy" / "green_square" / "frame_4.npy")
    truth = toy.Field().ids(scene.camera("frame_4")) == 2
    assert relevancy.shape == truth.shape
    assert relevancy[truth].mean() > relevancy[~truth].mean() + 0.3
    assert (tmp_path / "relevancy" / "green_square" / "frame_4.png").exists()


def test_replay_gives_the_same_files(toy, prompt_file, tmp_path):
    scene = toy.scene()
    for run in ("first", "second"):
        session = Session(toy.MaskDecoder(), toy.TextDecoder())
        segment_scene(scene, session, prompt_file, scene.cameras(), tmp_path / run)
    assert files_of(tmp_path / "first") == files_of(tmp_path / "second")


def test_a_second_run_renders_nothing(toy, session, prompt_file, tmp_path):
    scene = toy.scene()
    segment_scene(scene, session, prompt_file, scene.cameras(), tmp_path)
    before, renders = files_of(tmp_path), scene.pipeline.model.feature_renders
    segment_scene(scene, session, prompt_file, scene.cameras(), tmp_path)
    assert scene.pipeline.model.feature_renders == renders
    assert files_of(tmp_path) == before


def test_an_interrupted_run_goes_on_and_ends_as_if_it_had_not_been(toy, session, prompt_file, tmp_path):
    scene = toy.scene()
    segment_scene(scene, session, prompt_file, scene.cameras(), tmp_path / "whole")

    def interrupt(view):
        if view == "frame_3":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        segment_scene(scene, session, prompt_file, scene.cameras(), tmp_path / "cut", done=interrupt)
    index = json.loads((tmp_path / "cut" / "masks.json").read_text())
    assert [entry["view"] for entry in index["views"]] == ["frame_2", "frame_3"]
    segment_scene(scene, session, prompt_file, scene.cameras(), tmp_path / "cut")
    assert files_of(tmp_path / "cut") == files_of(tmp_path / "whole")


def test_other_prompts_or_another_checkpoint_make_everything_anew(toy, session, prompt_file, tmp_path):
    segment_scene(toy.scene(), session, prompt_file, toy.scene().cameras(), tmp_path)
    retrained = toy.scene(checkpoint_hash="decade")
    segment_scene(retrained, session, prompt_file, retrained.cameras(), tmp_path)
    assert retrained.pipeline.model.feature_renders > 0
    fewer = toy.scene()
    segment_scene(fewer, session, prompt_file.select(["left"]), fewer.cameras(), tmp_path)
    index = json.loads((tmp_path / "masks.json").read_text())
    assert {entry["object"] for entry in index["masks"]} == {"left"}


def test_an_object_that_a_view_does_not_show_has_an_empty_mask_and_a_reason(toy, session, tmp_path):
    scene = toy.scene()
    prompts = PromptFile((PromptSet("left", points=(Point(*toy.centre(toy.view(x=0.2), 1)),), view="frame_2"),))
    away = [("away", toy.look_down(x=9.0)), ("frame_2", scene.camera("frame_2"))]
    index = json.loads(segment_scene(scene, session, prompts, away, tmp_path).read_text())
    (entry,) = [entry for entry in index["masks"] if entry["view"] == "away"]
    assert (entry["area"], entry["score"], entry["bbox"]) == (0, 0, None)
    assert "visible" in entry["reason"]


def test_words_that_found_nothing_where_they_were_said_find_nothing_elsewhere(toy, session, tmp_path):
    scene = toy.scene()
    prompts = PromptFile((PromptSet("x", phrase=Phrase("yellow banana"), view="frame_2"),))
    index = json.loads(segment_scene(scene, session, prompts, scene.cameras(), tmp_path).read_text())
    assert [entry["area"] for entry in index["masks"]] == [0, 0, 0]
    assert "nothing was found in view 'frame_2'" in index["masks"][1]["reason"]


def test_a_view_that_does_not_exist_is_named_before_anything_is_written(toy, session, tmp_path):
    scene = toy.scene()
    prompts = PromptFile((PromptSet("x", points=(Point(1.0, 1.0),), view="frame_77"),))
    with pytest.raises(SamNerfError, match="no view called 'frame_77'"):
        segment_scene(scene, session, prompts, scene.cameras(), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_photograph_is_segmented_like_a_view(toy, session, tmp_path):
    view = toy.image_view("photo")
    prompts = PromptFile((PromptSet("left", points=(Point(*toy.centre(toy.view(), 1)),)),))
    index = json.loads(segment_image(view, session, prompts, tmp_path).read_text())
    assert index["masks"][0]["area"] == (read(tmp_path / "masks" / "left" / "photo.png") > 0).sum() > 0
    with pytest.raises(SamNerfError, match="the photograph is 'photo'"):
        segment_image(view, session, PromptFile((PromptSet("l", points=(Point(1.0, 1.0),), view="b"),)), tmp_path)


def test_names_that_files_cannot_have_stay_apart(toy, session, tmp_path):
    scene = toy.scene()
    point = (Point(*toy.centre(toy.view(x=0.2), 1)),)
    names = ["a/b", "a b", "../up", "A_B", "."]
    prompts = PromptFile(tuple(PromptSet(name, points=point, view="frame_2") for name in names))
    index = json.loads(segment_scene(scene, session, prompts, scene.cameras()[:1], tmp_path / "out").read_text())
    folders = [entry["folder"].casefold() for entry in index["objects"]]
    assert len(set(folders)) == len(names)
    assert {p.name for p in tmp_path.iterdir()} == {"out"}


def test_where_masks_overlap_the_highest_score_wins_and_ids_beyond_bytes_are_kept(toy):
    session, view = Session(toy.MaskDecoder()), toy.view()
    one = session.answer(view, PromptSet(points=(Point(*toy.centre(view, 1)),)))
    weak = Session(toy.MaskDecoder(), refinements=0).answer(
        view, PromptSet(points=(Point(*toy.centre(view, 1)), Point(*toy.centre(view, 2))))
    )
    ids = id_map([ObjectMask(300, "a", one), ObjectMask(2, "b", weak)], view.image_size)
    assert ids.dtype == np.uint16
    assert set(np.unique(ids)) == {0, 2, 300}
    assert (ids == 300).sum() == one.prediction.mask().sum()
