"""LERF-OVS: its labels, and the rules of its 2D and 3D scores."""

import json

import numpy as np
import pytest

from samnerf.errors import SamNerfError
from samnerf.evaluation.lerf_ovs import (
    Query,
    QueryScore,
    box_filtered,
    localized,
    mean_scores,
    polygon_mask,
    read_lerf_ovs,
    relevancy,
    relevancy_mask,
    score_map,
    score_mask,
)

SIZE = (80, 120)


@pytest.fixture
def data(miniature, tmp_path):
    miniature.lerf_ovs(
        tmp_path, "ramen", "frame_00006", SIZE,
        [("egg", [10, 10, 29, 19]), ("bowl", [50, 40, 99, 69]), ("egg", [40, 10, 49, 19])],
    )  # fmt: skip
    miniature.lerf_ovs(tmp_path, "figurines", "frame_00041", SIZE, [("duck", [5, 5, 20, 20])])
    return tmp_path


def test_labels_are_read_and_polygons_of_one_category_united(data):
    ramen, figurines = read_lerf_ovs(data)
    assert (ramen.name, figurines.name) == ("ramen", "figurines")
    egg, bowl = ramen.queries("frame_00006")
    assert (egg.category, bowl.category) == ("egg", "bowl")
    expected = np.zeros(SIZE, bool)
    expected[10:20, 10:30] = expected[10:20, 40:50] = True
    np.testing.assert_array_equal(egg.mask, expected)
    assert egg.boxes == ((10, 10, 29, 19), (40, 10, 49, 19))


def test_the_folder_of_labels_will_do(data):
    assert [one.name for one in read_lerf_ovs(data / "label")] == ["ramen", "figurines"]


def test_a_polygon_holds_its_rim_and_cuts_its_corners():
    mask = polygon_mask([[2.9, 1.2], [6, 1], [6, 4], [2, 4]], (8, 10))
    assert mask.sum() == 5 * 4
    assert mask[1, 2] and mask[4, 6] and not mask[5, 6]


def test_relevancy_is_the_least_softmax_against_the_negatives():
    positive = np.array([[0.9, 0.2]])
    negatives = np.array([[[0.1, 0.2]], [[0.4, 0.0]]])
    slow = np.min(np.exp(10 * positive) / (np.exp(10 * positive) + np.exp(10 * negatives)), axis=0)
    np.testing.assert_allclose(relevancy(positive, negatives), slow)
    assert relevancy(positive, negatives)[0, 1] == pytest.approx(0.5)


def test_the_box_filter_averages_thirty_pixels_mirrored_at_the_border():
    fit = np.random.default_rng(0).random((40, 50))
    padded = np.pad(fit, 30, mode="reflect")
    filtered = box_filtered(fit)
    for row, column in ((0, 0), (20, 25), (39, 49), (3, 47)):
        around = padded[row + 30 - 15 : row + 30 + 15, column + 30 - 15 : column + 30 + 15]
        assert filtered[row, column] == pytest.approx(around.mean())


def test_the_mask_of_a_map_follows_the_rules_step_by_step():
    fit = np.random.default_rng(1).random(SIZE)
    fit[20:60, 30:90] += 2
    smooth = (box_filtered(fit) + fit) / 2
    stretched = np.clip((smooth - smooth.min()) / (smooth.max() - smooth.min()) * 2 - 1, 0, 1)
    above = stretched > 0.4
    found = relevancy_mask(fit)
    for row, column in np.ndindex(SIZE):
        window = above[max(0, row - 3) : row + 4, max(0, column - 3) : column + 4]
        assert found[row, column] == (2 * window.sum() > window.size)


def test_a_large_even_block_is_found_as_itself_and_a_flat_map_is_nothing():
    fit = np.zeros((200, 200))
    fit[50:150, 50:150] = 1
    truth = fit > 0
    found = relevancy_mask(fit)
    assert (found & truth).sum() / (found | truth).sum() > 0.97
    assert not relevancy_mask(np.full((50, 50), 0.7)).any()


def test_a_place_is_a_hit_if_a_maximum_lies_in_any_box_rim_included():
    fit = np.zeros(SIZE)
    fit[25:55, 45:75] = 1  # the filter's window, 15 before to 14 after, is full at (40, 60) alone
    assert localized(fit, [(0, 0, 5, 5), (60, 40, 70, 50)])
    assert localized(fit, [(50, 30, 60, 40)])
    assert not localized(fit, [(61, 40, 70, 50)])
    assert localized(np.ones(SIZE), [(100, 70, 110, 75)])  # every pixel is a maximum


def test_missing_answers_count_zero():
    query = Query("egg", np.ones((4, 5), bool), ((0, 0, 4, 3),))
    assert score_map(None, query) == QueryScore(0.0, False)
    assert score_mask(None, query) == QueryScore(0.0, None)
    assert score_mask(np.ones((8, 10), bool), query) == QueryScore(1.0, None)


def test_queries_are_averaged_in_scenes_and_scenes_alike():
    scores = {
        "ramen": [QueryScore(1.0, True), QueryScore(0.0, False), QueryScore(0.2, True)],
        "teatime": [QueryScore(0.8, False)],
    }
    means = mean_scores(scores)
    assert means["miou"] == pytest.approx((0.4 + 0.8) / 2)
    assert means["miou_pooled"] == pytest.approx(2.0 / 4)
    assert means["localization"] == pytest.approx((2 / 3 + 0) / 2)
    assert means["localization_pooled"] == pytest.approx(0.5)
    assert means["found"] == pytest.approx((1 / 3 + 1) / 2)


def test_three_dimensions_have_no_localization():
    assert "localization" not in mean_scores({"ramen": [QueryScore(0.5)]})


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"info": {"width": 4, "height": 4}, "objects": [{"category": "a"}]},
        {"info": {"width": 4, "height": 4}, "objects": [{"category": "a", "bbox": [1], "segmentation": [[0, 0]]}]},
        {"info": {"width": 4, "height": 4}, "objects": [{"category": "a", "bbox": [0, 0, 1, 1], "segmentation": [1]}]},
    ],
)
def test_a_malformed_label_file_is_named(data, content):
    path = data / "label" / "ramen" / "frame_00006.json"
    path.write_text(json.dumps(content))
    with pytest.raises(SamNerfError, match=r"label file .*frame_00006.json should hold info"):
        read_lerf_ovs(data)[0].queries("frame_00006")


def test_a_folder_without_labels_is_named(tmp_path):
    with pytest.raises(SamNerfError, match=r"no folder holds frame_\*.json"):
        read_lerf_ovs(tmp_path)
