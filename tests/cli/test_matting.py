"""`samnerf matting` from the command line."""

import json

import numpy as np
import pytest
from PIL import Image

from samnerf.cli.main import main
from samnerf.matting.adapter_files import installed_adapter, read_adapter
from samnerf.matting.matter import Matter
from samnerf.preprocessing.images import read_image
from samnerf.preprocessing.synthetic.training_images import training_image
from samnerf.prompts import Point, PromptFile, PromptSet
from samnerf.teachers.pairs import load_encoder, load_mask_decoder


def alphas(folder, *levels):
    folder.mkdir(parents=True)
    for number, level in enumerate(levels):
        Image.fromarray(np.full((4, 5), level, np.uint8)).save(folder / f"frame_{number}.png")
    return folder


def test_alphas_of_two_folders_are_compared(tmp_path, capsys):
    found, true = alphas(tmp_path / "found", 51, 51, 102), alphas(tmp_path / "true", 0, 51, 51)
    output = tmp_path / "out"
    assert main(["matting", "eval", "--found", str(found), "--true", str(true), "--output", str(output)]) == 0
    (row,) = json.loads((output / "scores.json").read_text())["rows"]
    assert row["count"] == 3
    assert row["mad"] == pytest.approx(1e3 * 0.4 / 3, abs=1e-3)
    assert row["sad"] == pytest.approx(20 * 0.4 / 3 / 1e3, abs=1e-4)
    assert row["dtssd"] == pytest.approx(20.0, abs=1e-3)
    table = (output / "scores.md").read_text()
    assert "| SAD | MAD | MSE | Grad | Conn | dtSSD |" in table and table.strip() in capsys.readouterr().out


def test_an_adapter_is_trained_and_measured(tmp_path, capsys):
    output = tmp_path / "run"
    few = ("--views", "2", "--size", "96", "--device", "cpu")
    train = ["matting", "train", "--output", str(output), "--steps", "2", *few]
    assert main(train) == 0
    path = output / "tiny-sam" / "tiny-sam-matting.safetensors"
    assert str(path) in capsys.readouterr().out
    measure = [
        "matting",
        "eval",
        "--output",
        str(output),
        "--adapter",
        str(path),
        "--count",
        "1",
        "--sequences",
        "1",
        *few,
    ]
    assert main(measure) == 0
    document = json.loads((output / "scores.json").read_text())
    assert (document["format"], document["version"]) == ("samnerf-matting-scores", 1)
    assert document["adapter"] == read_adapter(path).fingerprint
    rows = {(row["examples"], row["prompts"], row["alpha"]) for row in document["rows"]}
    assert {(which, "all", way) for which in ("views", "composites", "all") for way in ("adapter", "sigmoid")} <= rows
    assert all("dtssd" in row for row in document["rows"] if row["examples"] == "sequences")


def test_ones_own_pictures_are_measured(tmp_path):
    y, x = np.mgrid[0:64, 0:80] + 0.5
    alpha = np.clip(20 - np.hypot(x - 40, y - 30), 0, 1)
    for name, pixels in (("images", np.dstack([90 + 120 * alpha] * 3)), ("alphas", alpha * 255)):
        (tmp_path / "data" / name).mkdir(parents=True)
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "data" / name / "one.png")
    output = tmp_path / "out"
    assert main(["matting", "eval", "--data", str(tmp_path / "data"), "--output", str(output), "--device", "cpu"]) == 0
    rows = json.loads((output / "scores.json").read_text())["rows"]
    assert {row["examples"] for row in rows} == {"data", "all"}
    assert {row["alpha"] for row in rows} == {"sigmoid", "adapter"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("train", "--steps", "0"), "--steps is 0 but must be at least 1"),
        (("train", "--seed", "-1"), "--seed is -1"),
        (("train", "--backgrounds", "here"), "give that, too"),
        (("train", "--data", "nowhere"), "folder nowhere/alphas does not exist"),
        (("train", "--teachers", "huge"), "no teachers called 'huge'"),
        (("eval", "--found", "here"), "--found and --true go together"),
        (("eval", "--adapter", "nowhere.safetensors", "--device", "cpu"), "nowhere.safetensors does not exist"),
        (("eval", "--sequences", "-1"), "must not be negative"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, capsys, options, message):
    assert main(["matting", *options, "--output", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.fixture
def picture(tmp_path):
    """A view of a random scene, and a click on its largest object."""
    image = training_image(0, 1, 160)
    largest = np.bincount(image.ids.ravel())[1:].argmax() + 1
    rows, columns = np.nonzero(image.ids == largest)
    middle = len(rows) // 2
    Image.fromarray(image.rgb).save(tmp_path / "photo.png")
    said = PromptSet("thing", points=(Point(columns[middle] + 0.5, rows[middle] + 0.5),))
    PromptFile((said,)).save(tmp_path / "prompts.json")
    return ["segment", "--image", str(tmp_path / "photo.png"), "--prompts", str(tmp_path / "prompts.json")], said


def test_segment_writes_soft_mattes_by_the_adapter(picture, tmp_path):
    command, said = picture
    output = tmp_path / "out"
    assert main([*command, "--output", str(output), "--device", "cpu", "--alpha"]) == 0
    (entry,) = json.loads((output / "masks.json").read_text())["masks"]
    assert entry["alpha"] == "alphas/thing/photo.png"
    alpha = np.asarray(Image.open(output / entry["alpha"])).astype(np.float64) / 65535
    matter = Matter(load_mask_decoder("tiny"), installed_adapter("tiny-sam"))
    feature_map = load_encoder("tiny", "sam").encode(read_image(tmp_path / "photo.png"))
    np.testing.assert_allclose(alpha, matter.decode(feature_map, [said]), atol=1e-5)
    assert ((alpha > 0.05) & (alpha < 0.95)).any()


def test_alpha_is_not_written_unasked_and_asked_for_later_it_is(picture, tmp_path):
    command, _ = picture
    output = tmp_path / "out"
    assert main([*command, "--output", str(output), "--device", "cpu"]) == 0
    assert not (output / "alphas").exists()
    assert main([*command, "--output", str(output), "--device", "cpu", "--alpha", "--refine"]) == 0
    assert (output / "alphas" / "thing" / "photo.png").exists()


def test_how_alpha_is_made_is_said_only_with_alpha(picture, tmp_path, capsys):
    assert main([*picture[0], "--output", str(tmp_path / "out"), "--refine"]) == 1
    assert "ask for it with --alpha" in capsys.readouterr().err
