"""Worked numbers of the measures."""

import math

import numpy as np
import pytest

from samnerf.evaluation.metrics import (
    accuracy,
    average_precision,
    boundary_iou,
    hit,
    iou,
    mean,
    psnr,
    relevancy_peak,
    ssim,
)


def mask(*rows):
    return np.array([[c == "#" for c in row] for row in rows])


def test_iou_counts_shared_over_all():
    assert iou(mask("##.", "..."), mask(".##", "...")) == pytest.approx(1 / 3)


def test_iou_is_symmetric_and_one_for_equals():
    a, b = mask("##", "#."), mask("#.", "##")
    assert iou(a, b) == iou(b, a)
    assert iou(a, a) == 1


def test_iou_of_apart_is_zero_and_of_nothing_with_nothing_one():
    assert iou(mask("#."), mask(".#")) == 0
    assert iou(mask(".."), mask("#.")) == 0
    assert iou(mask(".."), mask("..")) == 1


def test_a_hit_lies_on_the_mask_and_within_the_image():
    m = mask("#.", ".#")
    assert hit((0.9, 0.2), m)
    assert hit((1.0, 1.0), m)
    assert not hit((1.5, 0.5), m)
    assert not hit((2.0, 1.5), m)
    assert not hit((-0.1, 0.5), m)


def test_the_peak_is_the_centre_of_the_best_pixel():
    relevancy = np.zeros((4, 5), np.float32)
    relevancy[2, 3] = 1
    assert relevancy_peak(relevancy) == (3.5, 2.5)


def test_psnr_of_one_step_everywhere_is_that_of_the_definition():
    a = np.full((4, 4, 3), 100, np.uint8)
    assert psnr(a, a + np.uint8(1)) == pytest.approx(20 * math.log10(255))
    assert psnr(a, a) == math.inf


def test_psnr_does_not_wrap_around():
    black, white = np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 255, np.uint8)
    assert psnr(black, white) == pytest.approx(0)


def test_the_mean_of_nothing_is_no_number():
    assert math.isnan(mean([]))
    assert mean(iter([1.0, 2.0])) == 1.5


def test_rims_reach_two_hundredths_of_the_diagonal():
    mask = np.zeros((60, 80), bool)  # diagonal 100: rims of two pixels
    mask[10:30, 10:30] = True
    inner = np.zeros_like(mask)
    inner[12:28, 12:28] = True
    hollow = mask & ~inner
    assert boundary_iou(mask, mask) == 1
    assert boundary_iou(mask, hollow) == 1
    shifted = np.roll(mask, 20, axis=1)
    assert boundary_iou(mask, shifted) == 0
    assert boundary_iou(mask, np.zeros_like(mask)) == 0
    assert boundary_iou(np.zeros_like(mask), np.zeros_like(mask)) == 1


def test_the_border_of_the_image_is_contour():
    whole = np.ones((60, 80), bool)
    rim = whole.copy()
    rim[2:-2, 2:-2] = False
    assert boundary_iou(whole, rim) == 1


def test_accuracy_is_the_share_of_pixels_that_agree():
    a = np.zeros((4, 5), bool)
    b = a.copy()
    b[0, :3] = True
    assert accuracy(a, a) == 1
    assert accuracy(a, b) == pytest.approx(17 / 20)
    assert accuracy(a, ~a) == 0


def test_average_precision_of_a_ranking_is_that_of_the_definition():
    relevancy = np.array([[0.9, 0.8, 0.7, 0.6]])
    mask = np.array([[True, False, True, False]])
    assert average_precision(relevancy, mask) == pytest.approx(1 / 2 * 1 + 1 / 2 * 2 / 3)
    assert average_precision(relevancy, np.array([[True, True, False, False]])) == 1
    assert average_precision(-relevancy, np.array([[True, False, False, False]])) == pytest.approx(1 / 4)


def test_average_precision_takes_equal_values_together():
    flat = np.full((3, 4), 0.5)
    mask = np.zeros((3, 4), bool)
    mask[0] = True
    assert average_precision(flat, mask) == pytest.approx(1 / 3)
    assert math.isnan(average_precision(flat, np.zeros_like(mask)))


def test_average_precision_agrees_with_a_slow_twin():
    random = np.random.default_rng(0)
    relevancy, mask = random.integers(0, 6, (7, 9)) / 6, random.random((7, 9)) < 0.3
    total, before = 0.0, 0.0
    for level in sorted(set(relevancy.ravel()), reverse=True):
        chosen = relevancy >= level
        recall = (chosen & mask).sum() / mask.sum()
        total += (recall - before) * (chosen & mask).sum() / chosen.sum()
        before = recall
    assert average_precision(relevancy, mask) == pytest.approx(total)


def test_ssim_is_one_for_equal_pictures_and_falls_with_noise():
    random = np.random.default_rng(0)
    picture = random.integers(60, 190, (24, 30, 3), dtype=np.uint8)
    noisy = (picture + random.integers(-40, 40, picture.shape)).clip(0, 255).astype(np.uint8)
    assert ssim(picture, picture) == pytest.approx(1)
    assert ssim(picture, noisy) < 0.95
    assert math.isnan(ssim(picture[:10], picture[:10]))
