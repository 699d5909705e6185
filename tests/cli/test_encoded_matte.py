"""`samnerf export encoded-matte`, `samnerf segment --encoded-matte` and `samnerf export torchscript`."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from samnerf.camera_path import save_camera_path
from samnerf.cli.main import main
from samnerf.export.encoded_matte import read_encoded_matte, write_encoded_matte
from samnerf.export.encoded_segmentation import EncodedView
from samnerf.prompts import Point, PromptFile, PromptSet
from samnerf.scene import TrainedScene
from samnerf.session import Session
from samnerf.teachers.pairs import FeatureSpec, load_mask_decoder


def scene(toy, layout="stretch"):
    field = toy.Field(layout=layout)
    field.specs = {"sam": FeatureSpec("toy-sam", 8, 32, layout)}
    field.statistics = {"sam": SimpleNamespace(weights_hash="0" * 64)}
    return toy.scene(field)


@pytest.fixture(autouse=True)
def _toy_world(toy, monkeypatch):
    monkeypatch.setattr(TrainedScene, "load", staticmethod(lambda config, device="cpu": scene(toy)))


@pytest.fixture(scope="module")
def plates(tmp_path_factory):
    """Two pictures of two squares."""
    folder = tmp_path_factory.mktemp("plates")
    pixels = np.full((90, 160, 3), 80, np.uint8)
    pixels[20:60, 20:70] = 210, 30, 30
    pixels[30:80, 100:140] = 30, 180, 50
    for number in (7, 8):
        Image.fromarray(pixels).save(folder / f"shot.{number:04d}.png")
    return folder


@pytest.fixture(scope="module")
def mattes(plates, tmp_path_factory):
    """What the tiny SAM says of them."""
    output = tmp_path_factory.mktemp("mattes")
    options = ("--plates", str(plates), "--teachers", "tiny", "--name", "shot", "--output", str(output))
    assert main(["export", "encoded-matte", *options]) == 0
    return output / "encoded-matte"


def test_the_frames_of_a_scene(tmp_path, capsys):
    options = ("--config", "config.yml", "--output", str(tmp_path), "--first-frame", "1001", "--size", "64", "48")
    assert main(["export", "encoded-matte", *options]) == 0
    said = capsys.readouterr().out
    assert "note: encoded mattes of toy-sam are for samnerf alone" in said and "manifest.json" in said
    names = [f"samnerf.{number}.exr" for number in (1001, 1002, 1003)]
    for folder in ("encoded-matte", "plate"):
        assert sorted(path.name for path in (tmp_path / folder).iterdir()) == names
    assert (tmp_path / "samnerf.nk").exists() and (tmp_path / "samnerf.chan").exists()
    assert read_encoded_matte(tmp_path / "encoded-matte" / names[0]).feature_map.image_size == (48, 64)


def test_a_camera_path(toy, tmp_path):
    save_camera_path(tmp_path / "path.json", [toy.look_down(x=0.05)])
    options = ("--config", "c.yml", "--cameras", str(tmp_path / "path.json"), "--output", str(tmp_path / "out"))
    assert main(["export", "encoded-matte", *options]) == 0
    assert [path.name for path in (tmp_path / "out/plate").iterdir()] == ["samnerf.0001.exr"]


def test_a_scene_of_another_layout_is_refused_with_the_cure(toy, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(TrainedScene, "load", staticmethod(lambda config, device="cpu": scene(toy, "letterbox")))
    assert main(["export", "encoded-matte", "--config", "c.yml", "--output", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert "samnerf extract --layout stretch" in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_plates_give_mattes_of_the_same_numbers_and_come_back_as_masks(tmp_path, mattes):
    assert sorted(path.name for path in mattes.iterdir()) == ["shot.0007.exr", "shot.0008.exr"]
    clicks = ("--points", "[[45, 40], [120, 55]]", "--labels", "[1, 0]")
    assert main(["segment", "--encoded-matte", str(mattes), *clicks, "--output", str(tmp_path)]) == 0
    document = json.loads((tmp_path / "masks.json").read_text())
    assert [view["view"] for view in document["views"]] == ["shot.0007", "shot.0008"]
    read = read_encoded_matte(mattes / "shot.0007.exr")
    said = PromptSet(points=(Point(45.0, 40.0), Point(120.0, 55.0, 0)))
    direct = Session(load_mask_decoder("tiny")).segment(EncodedView("a", read), said).mask().numpy()
    with Image.open(tmp_path / "masks/object/shot.0007.png") as image:
        np.testing.assert_array_equal(np.asarray(image) > 0, direct)
    assert direct[40, 45] and not direct[55, 120]


def test_a_prompt_file_and_another_size_of_the_plate(tmp_path, mattes):
    said = PromptFile(
        (PromptSet("red", points=(Point(90.0, 80.0),)), PromptSet("green", points=(Point(240.0, 110.0),)))
    )
    said.save(tmp_path / "prompts.json")
    options = ("--prompts", str(tmp_path / "prompts.json"), "--size", "320", "180", "--objects", "green")
    path = str(mattes / "shot.0008.exr")
    assert main(["segment", "--encoded-matte", path, *options, "--output", str(tmp_path / "out")]) == 0
    with Image.open(tmp_path / "out/masks/green/shot.0008.png") as image:
        assert image.size == (320, 180)
        assert np.asarray(image)[110, 240] == 255
    assert [one["id"] for one in json.loads((tmp_path / "out/masks.json").read_text())["objects"]] == [2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "give either --config RUN/config.yml or --plates FOLDER"),
        (("--config", "c.yml", "--plates", "p"), "give either --config"),
        (("--config", "c.yml", "--mode", "fast"), "are for --plates"),
        (("--config", "c.yml", "--bypass-srgb"), "are for --plates"),
        (("--plates", "p", "--mode", "fast", "--teachers", "tiny"), "either --mode or --teachers"),
        (("--plates", "nowhere"), "folder of plates nowhere does not exist"),
        (("--plates", "p", "--size", "4", "4"), "--size is for rendered plates"),
        (("--config", "c.yml", "--size", "0", "4"), "sides must be 1 to 16384"),
        (("--config", "c.yml", "--first-frame", "-1"), "--first-frame is -1"),
        (("--config", "c.yml", "--cameras", "nowhere.json"), "camera path nowhere.json does not exist"),
        (("--config", "c.yml", "--name", "a/b"), "cannot begin the names of files"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, capsys, options, message):
    assert main(["export", "encoded-matte", *options, "--output", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and error.startswith("samnerf export encoded-matte: ")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("mode", "teacher"), [("high", "sam-vit-h"), ("fast", "sam-vit-b")])
def test_a_mode_is_a_sam_and_what_is_missing_is_said_with_the_cure(
    plates, tmp_path, monkeypatch, capsys, mode, teacher
):
    monkeypatch.setenv("SAMNERF_CHECKPOINTS", str(tmp_path))
    options = ("--plates", str(plates), "--mode", mode, "--output", str(tmp_path / "out"))
    assert main(["export", "encoded-matte", *options]) == 1
    assert f"samnerf download {teacher}" in capsys.readouterr().err


def test_sam_2_is_refused(plates, tmp_path, capsys):
    options = ("--plates", str(plates), "--teachers", "sam2-hiera-tiny", "--output", str(tmp_path / "out"))
    assert main(["export", "encoded-matte", *options]) == 1
    assert "use sam-vit-h or sam-vit-b" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "give either --prompts FILE or --points"),
        (("--points", "[[1, 1]]", "--prompts", "p.json"), "give either --prompts FILE or --points"),
        (("--points", "[[1, 1]]", "--config", "c.yml"), "--encoded-matte stands alone"),
        (("--points", "[[1, 1]]", "--labels", "[1, 0]"), "2 labels for 1 points"),
        (("--points", "[[1, 999]]"), "lies outside the image of 160 x 90"),
    ],
)
def test_segmenting_mattes_says_what_is_wrong(mattes, tmp_path, capsys, options, message):
    path = str(mattes / "shot.0007.exr")
    assert main(["segment", "--encoded-matte", path, *options, "--output", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_points_alone_need_an_encoded_matte(tmp_path, capsys):
    assert main(["segment", "--image", "a.png", "--prompts", "p.json", "--points", "[[1, 1]]"]) == 1
    assert "are for --encoded-matte" in capsys.readouterr().err


def test_a_matte_of_other_weights_or_an_unknown_teacher_is_refused(mattes, tmp_path, capsys):
    from dataclasses import replace

    given = read_encoded_matte(mattes / "shot.0007.exr").feature_map
    write_encoded_matte(tmp_path / "a.exr", given, "ab" * 32)
    write_encoded_matte(tmp_path / "b.exr", replace(given, teacher="no-sam"))
    for name, message in (("a", "made by other weights of tiny-sam (hash abababababab"), ("b", "is of 'no-sam'")):
        options = (
            "--encoded-matte",
            str(tmp_path / f"{name}.exr"),
            "--points",
            "[[1, 1]]",
            "--output",
            str(tmp_path / "o"),
        )
        assert main(["segment", *options]) == 1
        assert message in capsys.readouterr().err


def test_an_empty_folder_holds_no_mattes(tmp_path, capsys):
    assert main(["segment", "--encoded-matte", str(tmp_path), "--points", "[[1, 1]]"]) == 1
    assert "holds no encoded mattes" in capsys.readouterr().err


def test_torchscript_of_the_tiny_sam_has_no_gizmo(tmp_path, capsys):
    assert main(["export", "torchscript", "--teacher", "tiny", "--output", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "from the network" in said and "note: no gizmo" in said
    names = {"tiny-sam-encoder.pt", "tiny-sam-decoder.pt", "cat_files.nk"}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert f"{tmp_path.resolve()}/tiny-sam-encoder.pt" in (tmp_path / "cat_files.nk").read_text()


def test_two_sams_make_a_gizmo_with_a_fast_mode(tmp_path, monkeypatch):
    from samnerf.cli.torchscript import ExportTorchscript
    from samnerf.export import torchscript

    def halves(self):
        assert self.teacher == ("vit-b", "vit-h")
        decoder = SimpleNamespace(map_shape=(256, 64, 64), input_side=1024)
        return [(SimpleNamespace(name=name), decoder) for name in ("sam-vit-h", "sam-vit-b")]

    made = SimpleNamespace(encoder="e.pt", decoder="d.pt", encoder_difference=0.0, decoder_difference=0.0)
    monkeypatch.setattr(ExportTorchscript, "_halves", halves)
    monkeypatch.setattr(torchscript, "write_pair", lambda *_: made)
    assert main(["export", "torchscript", "--teacher", "vit-b", "vit-h", "--output", str(tmp_path)]) == 0
    text = (tmp_path / "SamNerfPoints.gizmo").read_text()
    assert text.startswith("Gizmo {") and "fast mode" in text
    assert text.index("sam-vit-h-encoder.cat") < text.index("sam-vit-b-encoder.cat")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "give either --teacher"),
        (("--teacher", "vit-b", "--checkpoint", "a.pth"), "give either --teacher"),
        (("--teacher", "vit-b", "sam-vit-b"), "two different ones"),
        (("--teacher", "vit-x"), "no teachers called 'vit-x'"),
        (("--checkpoint", "nowhere.pth"), "weights nowhere.pth do not exist"),
    ],
)
def test_torchscript_says_what_is_wrong(tmp_path, capsys, options, message):
    assert main(["export", "torchscript", *options, "--output", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_of_something_else_is_refused(tmp_path, capsys):
    torch.save({"a": torch.ones(1)}, tmp_path / "a.pth")
    assert (
        main(["export", "torchscript", "--checkpoint", str(tmp_path / "a.pth"), "--output", str(tmp_path / "o")]) == 1
    )
    assert "hold no SAM ViT-B, -L or -H" in capsys.readouterr().err
