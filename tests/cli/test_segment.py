"""`samnerf segment` from the command line."""

import json

import numpy as np
import pytest
from PIL import Image

from samnerf.cli.main import main
from samnerf.prompts import Phrase, Point, PromptFile, PromptSet
from samnerf.scene import TrainedScene


@pytest.fixture(autouse=True)
def _toy_world(toy, monkeypatch):
    monkeypatch.setattr(TrainedScene, "load", staticmethod(lambda config, device="cpu": toy.scene()))
    pairs = "samnerf.teachers.pairs"
    monkeypatch.setattr(f"{pairs}.load_mask_decoder", lambda pair, device="cpu": toy.MaskDecoder())
    monkeypatch.setattr(f"{pairs}.load_text_decoder", lambda pair, device="cpu": toy.TextDecoder())
    monkeypatch.setattr(f"{pairs}.load_encoder", lambda pair, kind, device="cpu": toy.Encoder(kind))


@pytest.fixture
def prompts(toy, tmp_path):
    click = PromptSet("left", points=(Point(*toy.centre(toy.view(x=0.2), 1)),), view="frame_2")
    path = tmp_path / "prompts.json"
    PromptFile((click, PromptSet("green square", phrase=Phrase("green square")))).save(path)
    return path


def segment(prompts, tmp_path, *options):
    output = tmp_path / "out"
    return main(["segment", "--prompts", str(prompts), "--output", str(output), *options]), output


def test_the_test_split_is_segmented(prompts, tmp_path):
    status, output = segment(prompts, tmp_path, "--config", "config.yml")
    index = json.loads((output / "masks.json").read_text())
    assert status == 0
    assert [view["view"] for view in index["views"]] == ["frame_2", "frame_3", "frame_4"]
    assert len(index["masks"]) == 6


def test_an_object_keeps_its_id_when_it_is_segmented_alone(prompts, tmp_path):
    status, output = segment(prompts, tmp_path, "--config", "config.yml", "--objects", "green square")
    assert status == 0
    assert [(o["id"], o["name"]) for o in json.loads((output / "masks.json").read_text())["objects"]] == [
        (2, "green square")
    ]


def test_a_camera_path_is_segmented(toy, prompts, tmp_path):
    from samnerf.camera_path import save_camera_path

    save_camera_path(tmp_path / "path.json", [toy.look_down(x=0.05), toy.look_down(x=0.15)])
    options = ("--config", "config.yml", "--cameras", str(tmp_path / "path.json"))
    status, output = segment(prompts, tmp_path, *options)
    assert status == 0
    assert [p.name for p in sorted((output / "masks" / "left").iterdir())] == ["path_0001.png", "path_0002.png"]


def test_a_photograph_is_segmented(toy, prompts, tmp_path):
    image = (toy.Field().render_colour(toy.look_down(x=0.2))[0] * 255).byte().numpy()
    Image.fromarray(image).save(tmp_path / "frame_2.png")
    status, output = segment(prompts, tmp_path, "--image", str(tmp_path / "frame_2.png"), "--teachers", "tiny")
    assert status == 0
    truth = toy.Field().ids(toy.look_down(x=0.2)) == 1
    mask = np.asarray(Image.open(output / "masks" / "left" / "frame_2.png")) > 0
    assert (mask & truth).sum() / (mask | truth).sum() > 0.7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "give either --config"),
        (("--config", "c.yml", "--image", "i.png"), "give either --config"),
        (("--config", "c.yml", "--objects", "unicorn"), "no object is called 'unicorn'"),
        (("--config", "c.yml", "--cameras", "nowhere.json"), "camera path nowhere.json does not exist"),
        (("--image", "nowhere.png"), "nowhere.png does not exist"),
        (("--image", "x.png", "--teachers", "huge"), "no teachers called 'huge'"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(prompts, tmp_path, capsys, options, message):
    status, output = segment(prompts, tmp_path, *options)
    error = capsys.readouterr().err
    assert status == 1
    assert message in error
    assert error.count("\n") == 1
    assert not output.exists()


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        (
            [{"name": "a", "points": [{"xy": [500, 1]}], "view": "frame_2"}],
            "(500, 1) lies outside the image of 128 x 96",
        ),
        ([{"name": "a", "boxes": [[5, 5, 5, 9]], "view": "frame_2"}], "has no area"),
        ([{"name": "a", "phrase": " "}], "the phrase is empty"),
        ([{"name": "a", "points": [{"xy": [5, 1]}], "view": "frame_99"}], "no view called 'frame_99'"),
    ],
)
def test_bad_prompts_are_named(tmp_path, capsys, objects, message):
    path = tmp_path / "prompts.json"
    path.write_text(json.dumps({"format": "samnerf-prompts", "version": 1, "objects": objects}))
    assert segment(path, tmp_path, "--config", "config.yml")[0] == 1
    assert message in capsys.readouterr().err


def test_a_prompt_file_of_another_version_is_refused(tmp_path, capsys):
    path = tmp_path / "prompts.json"
    path.write_text(json.dumps({"format": "samnerf-prompts", "version": 2, "objects": []}))
    assert segment(path, tmp_path, "--config", "config.yml")[0] == 1
    assert "reads version 1" in capsys.readouterr().err
