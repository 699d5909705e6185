"""`samnerf image` from the command line, with the bundled teachers."""

import json

import numpy as np
import pytest
from PIL import Image

from samnerf.cli.main import main
from samnerf.images.segmentation import ImageSegmenter
from samnerf.preprocessing.synthetic.training_images import training_image

PICTURE = training_image(0, 1, 96)


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.fromarray(PICTURE.rgb).save(folder / "a.png")
    Image.fromarray(PICTURE.rgb[:, :70]).convert("L").save(folder / "b.jpg")
    Image.fromarray(PICTURE.rgb).convert("P").save(folder / "c.gif")
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture
def segmented(monkeypatch):
    """How often a picture was segmented."""
    calls = []
    whole = ImageSegmenter.segment
    monkeypatch.setattr(ImageSegmenter, "segment", lambda *all_: calls.append(1) or whole(*all_))
    return calls


def image(*arguments, output):
    return main(["image", *map(str, arguments), "--output", str(output)])


def index(output):
    return json.loads((output / "coco.json").read_text())


def test_a_folder_is_segmented_and_done_pictures_are_skipped(pictures, tmp_path, segmented):
    output = tmp_path / "out"
    assert image(pictures, "--points", "[[40, 50]]", output=output) == 0
    assert [entry["file_name"].rsplit("/")[-1] for entry in index(output)["images"]] == ["a.png", "b.jpg", "c.gif"]
    assert {entry["image_id"] for entry in index(output)["annotations"]} == {1, 2, 3}
    assert np.asarray(Image.open(output / "b" / "ids.png")).shape == (96, 70)
    assert len(segmented) == 3
    assert image(pictures, "--points", "[40, 50]", output=output) == 0
    assert len(segmented) == 3
    assert image(pictures, "--points", "[40, 50]", "--overwrite", output=output) == 0
    assert len(segmented) == 6
    assert image(pictures / "a.png", "--points", "[41, 50]", output=output) == 0
    assert len(segmented) == 7


def test_one_bad_file_is_reported_and_the_rest_goes_on(pictures, tmp_path, capsys):
    (pictures / "b.jpg").write_bytes(b"no picture at all")
    output = tmp_path / "out"
    assert image(pictures, tmp_path / "nowhere.png", "--points", "[40, 50]", output=output) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 3
    assert "b.jpg cannot be read" in errors[0]
    assert "nowhere.png does not exist" in errors[1]
    assert errors[2] == "samnerf image: 2 of 4 pictures failed, as said above"
    assert len(index(output)["images"]) == 2


def test_a_picture_too_small_for_the_prompts_does_not_stop_the_others(pictures, tmp_path, capsys):
    output = tmp_path / "out"
    assert image(pictures, "--boxes", "[[60, 20, 90, 60]]", "--points", "[80, 40]", output=output) == 1
    assert "b.jpg: object 'object 1': point (80, 40) lies outside the image of 70 x 96" in capsys.readouterr().err
    assert len(index(output)["images"]) == 2


def test_without_prompts_everything_is_segmented_by_the_settings_given(pictures, tmp_path):
    output = tmp_path / "out"
    settings = ("--points-per-side", 4, "--iou-thresh", 0.3, "--stability-score-thresh", 0.5)
    assert image(pictures / "a.png", *settings, output=output) == 0
    written = index(output)
    assert written["images"][0]["mode"] == "automatic"
    assert len(written["annotations"]) >= 2
    assert all(entry["score"] > 0.3 and entry["stability_score"] >= 0.5 for entry in written["annotations"])


def test_pictures_of_every_mode_and_size_are_segmented(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    whole = Image.fromarray(PICTURE.rgb)
    for mode, file in {"L": "grey.png", "RGBA": "rgba.png", "P": "palette.png", "CMYK": "cmyk.tif"}.items():
        whole.convert(mode).save(folder / file)
    Image.fromarray(np.asarray(whole.convert("L")).astype(np.uint16) * 257).save(folder / "sixteen_bits.png")
    whole.crop((40, 0, 41, 96)).save(folder / "thin.png")
    exif = Image.Exif()
    exif[274] = 6
    whole.crop((0, 0, 96, 60)).save(folder / "turned.jpg", exif=exif)
    output = tmp_path / "out"
    assert image(folder, "--points", "[0.5, 50]", output=output) == 0
    sizes = {entry["file_name"].rsplit("/")[-1]: (entry["width"], entry["height"]) for entry in index(output)["images"]}
    assert len(sizes) == 7 and sizes["thin.png"] == (1, 96) and sizes["turned.jpg"] == (60, 96)
    for entry in index(output)["images"]:
        with Image.open(output / entry["ids"]) as ids:
            assert (ids.mode, ids.size) == ("I;16", (entry["width"], entry["height"]))


def test_words_give_a_heat_map_and_what_is_not_found_is_said(pictures, tmp_path, capsys):
    output = tmp_path / "out"
    assert image(pictures / "a.png", "--text", "plain yellow torus", "--threshold", "1", output=output) == 0
    assert f"{pictures / 'a.png'}: no masks; nothing reaches the relevancy 1" in capsys.readouterr().out
    assert (output / "a" / "relevancy.png").exists()
    assert index(output)["annotations"] == []
    assert index(output)["categories"][0]["name"] == "plain yellow torus"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give at least one image file or folder"),
        (("empty",), "holds no pictures"),
        (("nowhere.png",), "image nowhere.png does not exist"),
        (("x.png", "--points", "[1, 2]", "--labels", "[1, 0]"), "there are 2 labels for 1 points"),
        (("x.png", "--teachers", "huge"), "no teachers called 'huge'"),
        (("x.png", "--iou-thres", "2"), "iou_thres is 2 but must lie between 0 and 1"),
        (("x.png", "--iou-thres", "0.2", "--iou-thresh", "0.3"), "give one of them"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert image(*arguments, output=tmp_path / "out") == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_missing_weights_are_said_once(pictures, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SAMNERF_CHECKPOINTS", str(tmp_path))
    assert image(pictures, "--teachers", "sam-vit-b", output=tmp_path / "out") == 1
    error = capsys.readouterr().err
    assert "the weights of sam-vit-b are not at" in error and error.count("\n") == 1
