"""LERF-Mask: its layout, and means by class."""

import numpy as np
import pytest

from samnerf.errors import SamNerfError
from samnerf.evaluation.lerf_mask import ClassScore, read_lerf_mask, scene_scores, score_class


def block(columns):
    mask = np.zeros((60, 80), bool)  # diagonal 100: the rim has two pixels
    mask[20:40, 20 : 20 + columns] = True
    return mask


@pytest.fixture
def data(miniature, tmp_path):
    masks = {("0", "green apple"): block(20), ("1", "green apple"): block(10), ("1", "old camera"): block(30)}
    miniature.lerf_mask(tmp_path, "figurines", masks, train=("frame_2", "frame_4"))
    return tmp_path


def test_scenes_are_read_from_the_published_layout(data):
    (scene,) = read_lerf_mask(data)
    assert scene.name == "figurines"
    assert scene.classes == ["green apple", "old camera"]
    assert list(scene.truths) == [("0", "green apple"), ("1", "green apple"), ("1", "old camera")]
    np.testing.assert_array_equal(scene.mask("1", "old camera"), block(30))


def test_numbered_folders_are_the_test_images_in_the_order_of_names(data):
    (scene,) = read_lerf_mask(data)
    views = ("frame_4", "frame_1", "frame_3", "frame_2")
    assert scene.view_name("0", views) == "frame_1"
    assert scene.view_name("1", views) == "frame_3"
    assert scene.view_name("2", views) is None
    assert scene.view_name("frame_2", views) == "frame_2"


def test_numbers_mean_nothing_where_training_images_are_not_named(miniature, tmp_path):
    miniature.lerf_mask(tmp_path, "ramen", {("0", "egg"): block(9)})
    assert read_lerf_mask(tmp_path)[0].view_name("0", ("a", "b")) is None


def test_scores_are_those_counted_by_hand():
    score = score_class(block(10), block(20))
    assert score.iou == pytest.approx(0.5)
    small, large = 20 * 10 - 16 * 6, 20 * 20 - 16 * 16  # rims
    common = 20 * 2 + 2 * 2 * 8  # the left edge, and the top and bottom rows to the small one's end
    assert score.boundary_iou == pytest.approx(common / (small + large - common))
    assert score_class(block(20), block(20)) == ClassScore(1.0, 1.0)


def test_a_missing_prediction_counts_zero():
    assert score_class(None, block(20)) == ClassScore(0.0, 0.0)


def test_views_are_averaged_in_classes_and_classes_alike():
    scores = {("0", "a"): ClassScore(1.0, 0.8), ("1", "a"): ClassScore(0.0, 0.0), ("1", "b"): ClassScore(0.9, 0.6)}
    assert scene_scores(scores) == {
        "miou": pytest.approx((0.5 + 0.9) / 2),
        "boundary_iou": pytest.approx((0.4 + 0.6) / 2),
    }


def test_a_folder_without_masks_is_named(tmp_path):
    with pytest.raises(SamNerfError, match="no folder holds test_mask with masks"):
        read_lerf_mask(tmp_path)
