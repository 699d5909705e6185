"""The files that the app offers."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_masks

from samnerf.images.result import ImageMask, ImageSegmentation
from samnerf.view import ImageView
from samnerf.viewer.image_app.desk import Desk
from samnerf.viewer.image_app.downloads import file_stem, write_masks

PICTURE = np.full((30, 40, 3), 128, np.uint8)


def never(kind, image):
    raise AssertionError("nothing has to be encoded")


def mask(rows, columns):
    chosen = np.zeros((30, 40), bool)
    chosen[rows, columns] = True
    return chosen


@pytest.fixture
def desk():
    found = (
        ImageMask(1, mask(slice(0, 10), slice(0, 10)), 0.8),
        ImageMask(1, mask(slice(0, 20), slice(0, 20)), 0.6),
        ImageMask(2, mask(slice(5, 15), slice(5, 15)), 0.9),
        ImageMask(2, mask(slice(5, 6), slice(5, 6)), 0.1),
    )
    shown = np.full((60, 80, 3), 128, np.uint8)
    answer = ImageSegmentation((30, 40), "prompt", found)
    return replace(Desk("my photo.final.png", ImageView("photo", PICTURE, never), shown), answer=answer)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools on NumPy 2
def test_the_files_hold_the_chosen_masks_at_the_size_of_the_picture(desk, tmp_path):
    files = write_masks(desk, tmp_path)
    first, second = desk.answer.found[0].mask, desk.answer.found[2].mask
    assert files.mask.name == "my_photo.final_mask.png"
    assert np.array_equal(np.asarray(Image.open(files.mask)) == 255, first | second)
    ids = np.asarray(Image.open(files.ids))
    assert np.array_equal(ids, np.where(second, 2, np.where(first, 1, 0)))
    document = json.loads(files.coco.read_text())
    assert [entry["object_id"] for entry in document["annotations"]] == [1, 2]
    assert np.array_equal(coco_masks.decode(document["annotations"][0]["segmentation"]).astype(bool), first)
    assert document["images"][0]["file_name"] == "my photo.final.png"


def test_another_candidate_gives_another_mask(desk, tmp_path):
    files = write_masks(replace(desk, candidate=1), tmp_path)
    expected = desk.answer.found[1].mask | desk.answer.found[3].mask
    assert np.array_equal(np.asarray(Image.open(files.mask)) == 255, expected)


def test_without_masks_there_are_no_files(desk, tmp_path):
    assert write_masks(replace(desk, answer=None), tmp_path) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "stem"),
    [("a/b c.png", "b_c"), ("täglich.jpg", "täglich"), ("<>.png", "picture"), (f"{'x' * 300}.png", "x" * 80)],
)
def test_names_are_fit_for_every_system(name, stem):
    assert file_stem(name) == stem
