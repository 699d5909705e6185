"""A prediction keeps its logits; masks and alphas are read from its best candidate."""

import itertools

import numpy as np
import pytest
import torch

from samnerf.masks import MaskPrediction, mask_window, paint_ids

GENERATOR = torch.Generator().manual_seed(0)
PREDICTION = MaskPrediction(
    torch.randn(3, 6, 9, generator=GENERATOR), torch.tensor([0.2, 0.9, 0.5]), torch.randn(3, 4, 4, generator=GENERATOR)
)


def test_the_best_candidate_has_the_highest_score():
    best = PREDICTION.best
    assert best.scores.tolist() == pytest.approx([0.9])
    assert torch.equal(best.logits[0], PREDICTION.logits[1])
    assert torch.equal(best.low_resolution_logits[0], PREDICTION.low_resolution_logits[1])


def test_the_best_of_the_best_is_itself():
    best = PREDICTION.best
    assert torch.equal(best.best.logits, best.logits)


@pytest.mark.parametrize("index", range(3))
def test_a_candidate_stands_alone_with_its_own_numbers(index):
    alone = PREDICTION.candidate(index)
    assert torch.equal(alone.logits, PREDICTION.logits[index][None])
    assert torch.equal(alone.scores, PREDICTION.scores[index][None])
    assert torch.equal(alone.low_resolution_logits, PREDICTION.low_resolution_logits[index][None])


def test_a_mask_grows_as_its_threshold_falls():
    masks = [PREDICTION.mask(threshold) for threshold in (1.0, 0.0, -1.0)]
    for smaller, larger in itertools.pairwise(masks):
        assert (smaller <= larger).all()
        assert smaller.sum() < larger.sum()


def test_the_mask_is_where_alpha_exceeds_a_half():
    alpha = PREDICTION.alpha()
    assert torch.equal(PREDICTION.mask(), alpha > 0.5)
    assert alpha.min() >= 0
    assert alpha.max() <= 1


def test_overlaps_go_to_the_highest_score_then_to_the_lowest_id():
    rows = np.array([[True, True, True], [False, True, True], [False, False, True]])[:, None]
    assert paint_ids(list(rows), [1, 2, 300], [0.5, 0.9, 0.9], (1, 3)).tolist() == [[1, 2, 2]]
    assert paint_ids([], [], [], (1, 3)).tolist() == [[0, 0, 0]]


def test_an_id_that_does_not_fit_is_named():
    with pytest.raises(ValueError, match="IDs run from 1 to 65536 but must lie between 1 and 65535"):
        paint_ids([np.ones((1, 1), bool)] * 2, [1, 65536], [0.5, 0.5], (1, 1))


@pytest.mark.parametrize("margin", [0, 1, 3])
@pytest.mark.parametrize("place", [(0, 0), (2, 4), (5, 8)])
def test_a_window_holds_its_mask_and_a_margin_within_the_picture(place, margin):
    mask = np.zeros((6, 9), bool)
    mask[place] = True
    rows, columns = mask_window(mask, margin)
    expected = np.abs(np.arange(6) - place[0]) <= margin, np.abs(np.arange(9) - place[1]) <= margin
    assert list(range(6))[rows] == np.flatnonzero(expected[0]).tolist() == list(range(rows.start, rows.stop))
    assert list(range(9))[columns] == np.flatnonzero(expected[1]).tolist() == list(range(columns.start, columns.stop))


def test_there_is_no_window_around_an_empty_mask():
    assert mask_window(np.zeros((6, 9), bool), 2) == (slice(0, 0), slice(0, 0))
