"""Files of segmented pictures: what they hold, who opens them, and when they are made again."""

import json

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from samnerf.export.coco import run_lengths
from samnerf.export.image_files import ImageFolder, result_names, settings_key
from samnerf.images.prompts import ImagePrompts
from samnerf.images.result import ImageMask, ImageSegmentation
from samnerf.images.settings import ImageSettings
from samnerf.prompts import Box, Point, PromptSet

SIZE = (24, 30)
RGB = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)


def rectangle(x1: int, y1: int, x2: int, y2: int) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[y1:y2, x1:x2] = True
    return mask


LEFT, RIGHT = rectangle(2, 3, 15, 20), rectangle(10, 3, 28, 20)
RESULT = ImageSegmentation(
    SIZE,
    "prompt",
    (ImageMask(1, LEFT, 0.7), ImageMask(2, RIGHT, 0.9)),
    ((1, PromptSet(points=(Point(3.0, 4.0),))), (2, PromptSet(boxes=(Box(10.0, 3.0, 28.0, 20.0),)))),
    np.linspace(0, 1, LEFT.size, dtype=np.float32).reshape(SIZE),
)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "picture.png"
    Image.fromarray(RGB).save(path)
    return path


@pytest.fixture
def folder(tmp_path):
    return ImageFolder(tmp_path / "out", "key", "cube")


def pixels(path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_every_mask_the_ids_and_the_pictures_are_written(folder, source):
    folder.write("picture", source, RGB, RESULT)
    here = folder.folder / "picture"
    np.testing.assert_array_equal(pixels(here / "masks" / "0001.png"), LEFT * 255)
    np.testing.assert_array_equal(pixels(here / "masks" / "0002.png"), RIGHT * 255)
    ids = pixels(here / "ids.png")
    assert ids.dtype == np.uint16
    np.testing.assert_array_equal(ids, np.where(RIGHT, 2, LEFT))  # where they overlap, 0.9 beats 0.7
    assert pixels(here / "overlay.png").shape == RGB.shape
    assert (here / "relevancy.png").exists()


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools on NumPy 2
def test_pycocotools_opens_the_file_and_gives_the_masks_back(folder, source):
    folder.write("picture", source, RGB, RESULT)
    index = COCO(str(folder.write_index(["picture"])))
    assert [category["name"] for category in index.loadCats(index.getCatIds())] == ["cube"]
    (image,) = index.loadImgs(index.getImgIds())
    assert (image["width"], image["height"]) == (30, 24)
    for entry, mask, score in zip(index.loadAnns(index.getAnnIds()), (LEFT, RIGHT), (0.7, 0.9), strict=True):
        np.testing.assert_array_equal(index.annToMask(entry), mask)
        assert (entry["score"], entry["area"], entry["iscrowd"]) == (score, mask.sum(), 0)
        x, y, width, height = entry["bbox"]
        np.testing.assert_array_equal(rectangle(x, y, x + width, y + height), mask)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_no_masks_and_an_empty_mask_are_files_that_open(folder, source):
    nothing = ImageSegmentation(SIZE, "automatic", (), reason="nothing is there")
    folder.write("picture", source, RGB, nothing)
    empty = ImageSegmentation(SIZE, "prompt", (ImageMask(1, rectangle(0, 0, 0, 0), 0.1),))
    folder.write("other", source, RGB, empty)
    index = COCO(str(folder.write_index(["picture", "other"])))
    assert not pixels(folder.folder / "picture" / "ids.png").any()
    assert [image["reason"] for image in index.loadImgs(index.getImgIds())] == ["nothing is there", None]
    (entry,) = index.loadAnns(index.getAnnIds(imgIds=[2]))
    assert (entry["area"], entry["bbox"]) == (0, [0, 0, 0, 0]) and not index.annToMask(entry).any()


def test_more_than_255_masks_keep_their_ids_and_files(folder, source):
    many = tuple(ImageMask(i + 1, rectangle(i % 30, i // 30, i % 30 + 1, i // 30 + 1), 0.5) for i in range(300))
    folder.write("picture", source, RGB, ImageSegmentation(SIZE, "automatic", many))
    assert pixels(folder.folder / "picture" / "ids.png").max() == 300
    assert len(list((folder.folder / "picture" / "masks").iterdir())) == 300


def test_candidates_have_files_by_rank_and_the_best_is_in_the_ids(folder, source):
    found = (ImageMask(1, LEFT, 0.9), ImageMask(1, RIGHT, 0.5))
    folder.write("picture", source, RGB, ImageSegmentation(SIZE, "prompt", found))
    names = sorted(path.name for path in (folder.folder / "picture" / "masks").iterdir())
    assert names == ["0001_1.png", "0001_2.png"]
    np.testing.assert_array_equal(pixels(folder.folder / "picture" / "ids.png"), LEFT)


def test_a_picture_is_done_until_anything_changes(folder, source):
    assert not folder.is_done("picture", source)
    folder.write("picture", source, RGB, RESULT)
    assert folder.is_done("picture", source)
    assert not ImageFolder(folder.folder, "another key").is_done("picture", source)
    (folder.folder / "picture" / "masks" / "0002.png").unlink()
    assert not folder.is_done("picture", source)
    folder.write("picture", source, RGB, RESULT)
    Image.fromarray(RGB[::-1]).save(source)
    assert not folder.is_done("picture", source)


def test_masks_of_an_earlier_run_do_not_stay_behind_nor_does_anything_else_go(folder, source):
    folder.write("picture", source, RGB, RESULT)
    mine = folder.folder / "picture" / "masks" / "notes.txt"
    mine.write_text("mine")
    folder.write("picture", source, RGB, ImageSegmentation(SIZE, "prompt", RESULT.found[:1]))
    assert sorted(path.name for path in mine.parent.iterdir()) == ["0001.png", "notes.txt"]
    assert not (folder.folder / "picture" / "relevancy.png").exists()


def test_the_index_numbers_pictures_and_masks_of_all(folder, source):
    for name in ("a", "b"):
        folder.write(name, source, RGB, RESULT)
    index = json.loads(folder.write_index(["a", "missing", "b"]).read_text())
    assert [image["id"] for image in index["images"]] == [1, 2]
    assert [(entry["id"], entry["image_id"]) for entry in index["annotations"]] == [(1, 1), (2, 1), (3, 2), (4, 2)]
    assert all((folder.folder / entry["file"]).exists() for entry in index["annotations"])


def test_pictures_of_one_name_get_folders_of_their_own(tmp_path):
    sources = [tmp_path / name for name in ("a/x.png", "a/x.jpg", "b/x.png", "b/y.tar.png", "b/X.PNG")]
    assert result_names(sources) == ["x_png", "x_jpg", "x_png_2", "y.tar", "X_PNG_3"]


def test_the_key_depends_on_what_is_said_how_and_by_whom():
    said, how = ImagePrompts(points=[1, 2]), ImageSettings()
    keys = {
        settings_key(said, how, ["tiny"]),
        settings_key(ImagePrompts(points=[1, 3]), how, ["tiny"]),
        settings_key(said, ImageSettings(use_m2m=False), ["tiny"]),
        settings_key(said, how, ["sam-vit-h"]),
    }
    assert len(keys) == 4
    assert settings_key(ImagePrompts(points="[[1, 2]]"), ImageSettings(), ["tiny"]) in keys


def test_run_lengths_are_json():
    assert json.loads(json.dumps(run_lengths(LEFT)))["size"] == list(SIZE)
