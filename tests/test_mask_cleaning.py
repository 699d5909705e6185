"""Cleaning fills small holes and removes small islands, as SAM's own post-processing does."""

import numpy as np
import pytest
import torch
from segment_anything.utils.amg import remove_small_regions

from samnerf.mask_cleaning import CLEANED_LOGIT, clean_mask, clean_prediction
from samnerf.masks import MaskPrediction


def frayed(seed: int) -> np.ndarray:
    """A mask with regions of many sizes."""
    noise = torch.randn(1, 1, 12, 16, generator=torch.Generator().manual_seed(seed))
    smooth = torch.nn.functional.interpolate(noise, (48, 64), mode="bicubic")[0, 0]
    return (smooth + 0.4 * torch.randn(48, 64, generator=torch.Generator().manual_seed(seed + 1)) > 0.2).numpy()


def picture(*rows: str) -> np.ndarray:
    return np.array([[cell == "#" for cell in row] for row in rows])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("hole_area", "island_area"), [(0, 0), (1, 0), (0, 3), (8, 8), (50, 20), (4000, 4000)])
def test_a_mask_is_cleaned_as_by_sam(seed, hole_area, island_area):
    expected = frayed(seed)
    if hole_area:  # SAM's areas are those below, ours those up to
        expected, _ = remove_small_regions(expected, hole_area + 1, "holes")
    if island_area:
        expected, _ = remove_small_regions(expected, island_area + 1, "islands")
    assert np.array_equal(clean_mask(frayed(seed), hole_area, island_area), expected)


def test_nothing_changes_unless_asked():
    mask = frayed(0)
    before = mask.copy()
    cleaned = clean_mask(mask)
    assert np.array_equal(cleaned, before) and cleaned is not mask
    clean_mask(mask, 9, 9)
    assert np.array_equal(mask, before)


def test_regions_of_just_the_area_go_and_larger_ones_stay():
    mask = picture("#####.", "#.##..", "####.#", "#..#..", "####..")
    assert np.array_equal(clean_mask(mask, 1, 1), picture("#####.", "####..", "####..", "#..#..", "####.."))
    assert np.array_equal(clean_mask(mask, 2, 0), picture("#####.", "####..", "####.#", "####..", "####.."))


def test_a_corner_connects():
    diagonal = picture("#...", ".#..", "..#.", "...#")
    assert np.array_equal(clean_mask(diagonal, 0, 3), diagonal)


def test_an_island_in_a_hole_goes_with_it():
    mask = picture("#######", "#.....#", "#.....#", "#..#..#", "#.....#", "#######")
    assert clean_mask(mask, 19, 1).all()


def test_the_last_island_stays_and_empty_and_full_masks_too():
    mask = picture("##..", "##..", "...#")
    assert np.array_equal(clean_mask(mask, 0, 100), picture("##..", "##..", "...."))
    for whole in (np.zeros((3, 4), bool), np.ones((3, 4), bool)):
        assert np.array_equal(clean_mask(whole, 5, 100), whole)


def test_a_negative_area_is_refused():
    with pytest.raises(ValueError, match="areas are -1 and 0 pixels, but must be at least 0"):
        clean_mask(frayed(0), -1)


def test_a_predictions_logits_change_where_its_masks_do_and_nowhere_else():
    logits = torch.where(torch.from_numpy(np.stack([frayed(0), frayed(1)])), 3.0, -3.0)
    prediction = MaskPrediction(logits, torch.tensor([0.4, 0.9]), torch.zeros(2, 4, 4))
    cleaned = clean_prediction(prediction, 8, 8)
    for i in range(2):
        mask = clean_mask(frayed(i), 8, 8)
        assert np.array_equal((cleaned.logits[i] > 0).numpy(), mask)
        changed = torch.from_numpy(mask != frayed(i))
        assert changed.any()
        assert (cleaned.logits[i][changed].abs() == CLEANED_LOGIT).all()
        assert torch.equal(cleaned.logits[i][~changed], logits[i][~changed])
    assert torch.equal(cleaned.scores, prediction.scores)
    assert (logits.abs() == 3).all()
