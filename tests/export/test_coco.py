"""Annotation files of a sequence with a category for each object: COCO's own reader gets the masks back."""

import json

import numpy as np
import pytest
from pycocotools.coco import COCO

from samnerf.export import coco
from samnerf.images.result import ImageMask

RANDOM = np.random.default_rng(0)
NAMES = {2: "red cube", 5: "狐", 9: "never seen"}

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools on NumPy 2


def write(path, sizes, masks) -> COCO:
    """A sequence; `masks` are (image, object ID, mask)."""
    images = [
        {"id": i, "file_name": f"{i:04d}.png", "height": height, "width": width}
        for i, (height, width) in enumerate(sizes, start=1)
    ]
    annotations = [
        coco.annotation(number, image, ImageMask(object_id, mask, 0.75), category=object_id)
        for number, (image, object_id, mask) in enumerate(masks, start=1)
    ]
    path.write_text(json.dumps(coco.document(images, annotations, NAMES, scene="toy")))
    return COCO(str(path))


def test_masks_of_several_categories_come_back(tmp_path):
    sizes = [(20, 30), (20, 30), (7, 5)]
    masks = [(image, i, RANDOM.random(sizes[image - 1]) < 0.4) for image in (1, 2, 3) for i in (2, 5)]
    index = write(tmp_path / "coco.json", sizes, masks)
    assert {category["id"]: category["name"] for category in index.loadCats(index.getCatIds())} == NAMES
    assert index.getImgIds(catIds=[9]) == []
    assert len(index.getAnnIds(catIds=[5])) == 3
    for number, (image, object_id, mask) in enumerate(masks, start=1):
        (entry,) = index.loadAnns([number])
        np.testing.assert_array_equal(index.annToMask(entry), mask)
        assert (entry["image_id"], entry["category_id"], entry["object_id"]) == (image, object_id, object_id)
        assert entry["area"] == mask.sum() and entry["score"] == 0.75
        x, y, width, height = entry["bbox"]
        rows, columns = np.nonzero(mask)
        assert (x, y) == (columns.min(), rows.min())
        assert (x + width, y + height) == (columns.max() + 1, rows.max() + 1)
        assert "file" not in entry


@pytest.mark.parametrize("size", [(1, 1), (2160, 4096)])
def test_small_and_large_pictures(tmp_path, size):
    mask = np.zeros(size, bool)
    mask[size[0] // 2 :, size[1] // 3 :] = True
    index = write(tmp_path / "coco.json", [size], [(1, 2, mask), (1, 5, ~mask)])
    for entry, expected in zip(index.loadAnns([1, 2]), (mask, ~mask), strict=True):
        np.testing.assert_array_equal(index.annToMask(entry), expected)


def test_one_category_is_named_by_a_word():
    document = coco.document([], [], "thing")
    assert document["categories"] == [{"id": 1, "name": "thing", "supercategory": "object"}]


def test_files_of_several_categories_become_one(tmp_path):
    mask = np.ones((3, 4), bool)
    one = coco.document(
        [{"id": 1, "file_name": "a.png", "height": 3, "width": 4}],
        [coco.annotation(1, 1, ImageMask(5, mask, 1.0), "masks/a.png", category=5)],
        NAMES,
    )
    merged = coco.merged([one, one], NAMES)
    assert [category["id"] for category in merged["categories"]] == list(NAMES)
    assert [(entry["id"], entry["image_id"], entry["category_id"]) for entry in merged["annotations"]] == [
        (1, 1, 5),
        (2, 2, 5),
    ]
    assert merged["annotations"][0]["file"] == "masks/a.png"
