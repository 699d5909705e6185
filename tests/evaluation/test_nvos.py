"""NVOS: its layout, its clicks, its scores."""

import numpy as np
import pytest

from samnerf.errors import SamNerfError
from samnerf.evaluation.nvos import NvosScore, mean_scores, read_nvos, score_task, scribble_clicks


@pytest.fixture
def truth():
    mask = np.zeros((40, 60), bool)
    mask[10:20, 10:30] = True
    return mask


@pytest.fixture
def data(miniature, tmp_path, truth):
    stroke, other = np.zeros((10, 15), bool), np.zeros((10, 15), bool)
    stroke[3, 3:7] = other[8, 2:14] = True
    for task in ("fern", "horns_left"):
        miniature.nvos(tmp_path, task, "IMG_4027", truth, "IMG_4038", stroke, other)
    return tmp_path


def test_tasks_are_read_from_the_published_layout(data, truth):
    fern, horns = read_nvos(data)
    assert (fern.name, fern.target, fern.reference) == ("fern", "IMG_4027", "IMG_4038")
    assert horns.run_names == ("horns_left", "horns", "horns_undistort")
    np.testing.assert_array_equal(fern.mask(), truth)


def test_the_folder_above_will_do(data, tmp_path):
    (tmp_path / "labels").mkdir()
    for folder in ("masks", "reference_image", "scribbles"):
        (tmp_path / "labels" / "llff").mkdir(exist_ok=True)
        (data / folder).rename(tmp_path / "labels" / "llff" / folder)
    assert [one.name for one in read_nvos(tmp_path)] == ["fern", "horns_left"]


def test_clicks_lie_on_the_scribbles_in_pixels_of_the_view(data):
    for size in ((40, 60), (20, 30)):
        clicks = read_nvos(data)[0].clicks(size, seed=0)
        scale = size[0] / 10
        assert {click.label for click in clicks} == {0, 1}
        for click in clicks:
            row, column = click.y / scale - 0.5, click.x / scale - 0.5
            assert row == (3 if click.label else 8)
            assert column in (range(3, 7) if click.label else range(2, 14))


def test_about_the_asked_share_of_the_skeleton_is_drawn():
    stroke = np.zeros((400, 400), bool)
    stroke[50:350:4, 10:390] = True  # already thin: its skeleton is nearly itself
    for share in (0.02, 0.005):
        clicks = scribble_clicks(stroke, (1600, 1600), share, 1, (0, "a"))
        assert share * 0.8 < len(clicks) / stroke.sum() < share * 1.2


def test_a_thick_scribble_is_thinned_first():
    stroke = np.zeros((60, 200), bool)
    stroke[20:40, 20:180] = True
    clicks = scribble_clicks(stroke, (60, 200), 1.0, 1, (0, "a"))
    assert len(clicks) < 250
    assert all(24 < click.y < 36 for click in clicks if 40 < click.x < 160)


def test_a_short_scribble_gives_one_click_and_an_empty_one_none():
    stroke = np.zeros((10, 10), bool)
    assert scribble_clicks(stroke, (10, 10), 0.02, 1, (0, "a")) == ()
    stroke[5, 5] = True
    assert [(c.x, c.y) for c in scribble_clicks(stroke, (40, 40), 0.0, 1, (0, "a"))] == [(22.0, 22.0)]


def test_the_same_seed_draws_the_same_clicks_and_another_others(data):
    fern = read_nvos(data)[0]
    stroke = np.zeros((100, 100), bool)
    stroke[50] = True
    draws = {seed: scribble_clicks(stroke, (100, 100), 0.1, 1, (seed, "a")) for seed in range(3)}
    assert draws[0] == scribble_clicks(stroke, (100, 100), 0.1, 1, (0, "a"))
    assert len(set(draws.values())) == 3
    assert fern.clicks((40, 60), 0) == fern.clicks((40, 60), 0)


def test_scores_are_those_counted_by_hand(truth):
    found = np.roll(truth, 5, axis=1)  # 10 x 15 of 10 x 20 are common
    score = score_task(found, truth)
    assert score.iou == pytest.approx(150 / 250)
    assert score.accuracy == pytest.approx(1 - 100 / 2400)
    assert score_task(truth, truth) == NvosScore(1.0, 1.0, 1.0)


def test_a_prediction_of_another_size_is_brought_to_that_of_the_truth(truth):
    assert score_task(truth[::2, ::2], truth).iou == 1


def test_nothing_found_counts_zero(truth):
    assert score_task(None, truth) == NvosScore(0.0, 1 - 200 / 2400, 0.0)


def test_tasks_count_alike():
    scores = {"fern": NvosScore(0.5, 0.9, 0.2), "trex": NvosScore(1.0, 0.7, 0.4)}
    assert mean_scores(scores) == {
        "miou": pytest.approx(0.75),
        "accuracy": pytest.approx(0.8),
        "boundary_iou": pytest.approx(0.3),
    }


def test_what_is_missing_is_named(data, tmp_path):
    (tmp_path / "runs").mkdir()
    with pytest.raises(SamNerfError, match=r"--data .*runs is not laid out as NVOS"):
        read_nvos(tmp_path / "runs")
    with pytest.raises(SamNerfError, match="nowhere is no folder"):
        read_nvos(tmp_path / "nowhere")
    next((data / "scribbles" / "fern").glob("pos_*")).unlink()
    with pytest.raises(SamNerfError, match=r"scribbles.fern should hold one file pos_\*.png"):
        read_nvos(data)


def test_an_empty_positive_scribble_is_refused(data, miniature):
    task = read_nvos(data)[0]
    miniature.save_mask(task.positive, np.zeros((10, 15), bool))
    with pytest.raises(SamNerfError, match=r"pos_0_fern.png is empty"):
        task.clicks((40, 60), 0)
