"""SPIn-NeRF: its layout, and both forks of its scores."""

import numpy as np
import pytest

from samnerf.errors import SamNerfError
from samnerf.evaluation.spin_nerf import mean_scores, read_spin_nerf, score_scene, view_name


def block(columns, rows=10):
    mask = np.zeros((20, 30), bool)
    mask[:rows, :columns] = True
    return mask


@pytest.fixture
def data(miniature, tmp_path):
    masks = {"image000": block(10), "image001": block(20), "image002": block(4)}
    for folder in ("fern (llff)", "Truck (Tanks & Temples)", "lego_real_night_radial", "__MACOSX"):
        miniature.spin_nerf(tmp_path, folder, masks)
    return tmp_path


def test_scenes_are_read_from_the_published_layout_in_the_papers_order(data):
    scenes = read_spin_nerf(data)
    assert [one.name for one in scenes] == ["fern", "truck", "lego"]
    assert list(scenes[0].truths) == ["image000", "image001", "image002"]
    assert scenes[0].reference == "image000"
    np.testing.assert_array_equal(scenes[0].mask("image001"), block(20))


def test_masks_of_ones_are_masks(data, tmp_path):
    from PIL import Image

    Image.fromarray(block(10).astype(np.uint8)).save(tmp_path / "fern (llff)" / "image000.png")
    np.testing.assert_array_equal(read_spin_nerf(data)[0].mask("image000"), block(10))


@pytest.mark.parametrize(
    ("annotation", "views", "name"),
    [
        ("IMG_1", ("IMG_1", "IMG_2"), "IMG_1"),
        ("0_00007", ("00007", "00008"), "00007"),
        ("image001", ("b", "a", "c"), "b"),
        ("image003", ("b", "a", "c"), None),
        ("IMG_3", ("IMG_1",), None),
    ],
)
def test_annotations_find_their_photographs(annotation, views, name):
    assert view_name(annotation, views) == name


def test_both_forks_are_those_counted_by_hand():
    truths = {"a": block(10), "b": block(20)}
    found = {"a": block(10), "b": block(10)}  # 100/100 and 100/200
    score = score_scene(found, truths)
    assert score.pooled == pytest.approx(200 / 300)
    assert score.averaged == pytest.approx(0.75)
    assert score.pooled_others == score.averaged_others == pytest.approx(0.5)
    assert score.accuracy_pooled == pytest.approx(1 - 100 / 1200)
    assert score.accuracy_averaged == pytest.approx(1 - 100 / 1200)
    assert score.accuracy_pooled_others == score.accuracy_averaged_others == pytest.approx(1 - 100 / 600)


def test_pooling_weighs_views_by_their_pixels_and_averaging_does_not():
    truths = {"a": block(10), "b": block(20), "c": block(2)}
    found = {"a": None, "b": block(20), "c": block(4)}
    score = score_scene(found, truths)
    assert score.pooled_others == pytest.approx((200 + 20) / (200 + 40))
    assert score.averaged_others == pytest.approx((1 + 0.5) / 2)
    assert score.averaged == pytest.approx((0 + 1 + 0.5) / 3)


def test_views_that_are_not_annotated_are_not_scored_and_missing_ones_are_empty():
    truths = {"a": block(10), "b": block(10)}
    assert score_scene({"a": block(10), "z": block(3)}, truths).averaged == pytest.approx(0.5)


def test_predictions_of_another_size_are_brought_to_that_of_the_truth():
    assert score_scene({"a": block(10)[::2, ::2], "b": block(20)}, {"a": block(10), "b": block(20)}).averaged == 1


def test_scenes_count_alike():
    one = score_scene({}, {"a": block(10), "b": block(10)})
    other = score_scene({"a": block(10), "b": block(10)}, {"a": block(10), "b": block(10)})
    assert mean_scores({"fern": one, "room": other})["pooled"] == pytest.approx(0.5)


def test_a_folder_without_masks_is_named(tmp_path):
    (tmp_path / "fern (llff)").mkdir()
    with pytest.raises(SamNerfError, match="none of its folders holds masks of two views"):
        read_spin_nerf(tmp_path)
