"""Panoptic quality, counted by hand."""

import numpy as np
import pytest

from samnerf.evaluation.panoptic import PanopticCounts, panoptic_counts, summed

TRUE = np.array([[1, 1, 0, 0], [1, 1, 2, 2], [0, 0, 2, 2], [0, 0, 0, 3]])


def test_the_true_map_under_other_ids_is_perfect():
    counts = panoptic_counts(TRUE * 7, TRUE)
    assert counts == PanopticCounts(3.0, 3, 0, 0)
    assert counts.quality == 1


def test_nothing_to_find_and_nothing_found_is_perfect():
    assert panoptic_counts(np.zeros_like(TRUE), np.zeros_like(TRUE)).quality == 1


def test_a_segment_with_more_than_half_matches_and_one_with_half_does_not():
    found = np.zeros_like(TRUE)
    found[0, :2], found[1, 0] = 9, 9  # three of the four pixels of object 1
    found[1:3, 2] = 8  # two of the four of object 2
    counts = panoptic_counts(found, TRUE)
    assert counts == PanopticCounts(0.75, 1, 1, 2)
    assert counts.quality == pytest.approx(0.75 / (1 + 0.5 + 1))


def test_two_objects_taken_together_are_one_extra_and_two_missed():
    counts = panoptic_counts(np.isin(TRUE, (1, 2)).astype(int), np.where(TRUE == 3, 0, TRUE))
    assert (counts.matched, counts.extra, counts.missed) == (0, 1, 2)


def test_small_objects_are_asked_of_nobody():
    assert panoptic_counts(np.where(TRUE == 3, 0, TRUE), TRUE, least=2) == PanopticCounts(2.0, 2, 0, 0)
    assert panoptic_counts(TRUE, TRUE, least=2) == PanopticCounts(2.0, 2, 0, 0)


def test_counts_of_many_pictures_add_up():
    assert summed([PanopticCounts(1.5, 2, 1, 0), PanopticCounts(0.5, 1, 0, 3)]) == PanopticCounts(2.0, 3, 1, 3)
