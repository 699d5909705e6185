"""Laws of merging and of the filter for floaters."""

import time

import numpy as np
import pytest

from samnerf.errors import SamNerfError
from samnerf.export.point_cleaning import merge_points, without_floaters
from samnerf.export.point_cloud import PointCloud


def cloud_of(positions, colours=None, normals=None, ids=None, confidence=None):
    positions = np.asarray(positions, np.float32).reshape(-1, 3)
    count = len(positions)
    return PointCloud(
        positions,
        np.zeros((count, 3), np.uint8) if colours is None else np.asarray(colours, np.uint8),
        np.tile(np.float32([0, 0, 1]), (count, 1)) if normals is None else np.asarray(normals, np.float32),
        np.ones(count, np.uint16) if ids is None else np.asarray(ids, np.uint16),
        np.ones(count, np.float32) if confidence is None else np.asarray(confidence, np.float32),
    )


def uniform(count, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (count, 3)).astype(np.float32)


def test_a_cube_keeps_means_the_unit_normal_and_the_majority():
    merged = merge_points(
        cloud_of(
            [[0.1, 0.1, 0.1], [0.3, 0.5, 0.1], [0.2, 0.3, 0.7], [-0.5, 0.5, 0.5]],
            colours=[[0, 10, 255], [0, 20, 255], [1, 30, 255], [7, 7, 7]],
            normals=[[1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, -1]],
            ids=[9, 300, 300, 65535],
            confidence=[0.0, 0.5, 1.0, 0.25],
        ),
        1.0,
    )
    np.testing.assert_allclose(merged.positions, [[-0.5, 0.5, 0.5], [0.2, 0.3, 0.3]], atol=1e-7)
    np.testing.assert_array_equal(merged.colours, [[7, 7, 7], [0, 20, 255]])
    np.testing.assert_allclose(merged.normals, [[0, 0, -1], [1 / 5**0.5, 2 / 5**0.5, 0]], atol=1e-6)
    np.testing.assert_array_equal(merged.object_ids, [65535, 300])
    np.testing.assert_allclose(merged.confidence, [0.25, 0.5])


def test_of_equally_frequent_ids_the_lowest_wins():
    merged = merge_points(cloud_of(np.full((4, 3), 0.5), ids=[5, 3, 3, 5]), 1.0)
    assert merged.object_ids.tolist() == [3]


def test_normals_that_cancel_out_leave_the_first():
    merged = merge_points(cloud_of(np.full((2, 3), 0.5), normals=[[0, 1, 0], [0, -1, 0]]), 1.0)
    np.testing.assert_array_equal(merged.normals, [[0, 1, 0]])


def test_no_cube_holds_two_points_and_none_is_lost():
    positions = uniform(5000)
    merged = merge_points(cloud_of(positions), 0.25)
    cubes = np.unique(np.floor(positions / 0.25), axis=0)
    np.testing.assert_array_equal(np.floor(merged.positions / 0.25), cubes)


def test_the_order_of_points_does_not_matter():
    positions, ids = uniform(2000), np.random.default_rng(1).integers(0, 5, 2000)
    order = np.random.default_rng(2).permutation(2000)
    a = merge_points(cloud_of(positions, ids=ids), 0.3)
    b = merge_points(cloud_of(positions[order], ids=ids[order]), 0.3)
    np.testing.assert_allclose(a.positions, b.positions, atol=1e-6)
    np.testing.assert_array_equal(a.object_ids, b.object_ids)


def test_merging_twice_is_merging_once():
    once = merge_points(cloud_of(uniform(2000)), 0.3)
    np.testing.assert_array_equal(merge_points(once, 0.3).positions, once.positions)


def test_a_million_points_take_seconds():
    cloud = cloud_of(uniform(1_000_000))
    start = time.perf_counter()
    assert len(merge_points(cloud, 0.02)) == pytest.approx(1_000_000, rel=0.4)
    assert time.perf_counter() - start < 15


def test_no_points_merge_to_none():
    assert len(merge_points(cloud_of(np.empty((0, 3))), 1.0)) == 0


@pytest.mark.parametrize("spacing", [0.0, -1.0, float("nan"), float("inf")])
def test_a_spacing_that_is_none_is_refused(spacing):
    with pytest.raises(SamNerfError, match="spacing of points is .* but must be positive"):
        merge_points(cloud_of(uniform(3)), spacing)


def test_a_spacing_far_too_small_is_refused_with_one_that_works():
    cloud = cloud_of(uniform(30))
    with pytest.raises(SamNerfError, match=r"spacing of points is 1e-12, far too small .* try 0\.00"):
        merge_points(cloud, 1e-12)
    assert len(merge_points(cloud, 0.002)) == 30


def test_floaters_go_and_the_surface_stays():
    plane = np.stack(np.meshgrid(np.linspace(0, 1, 40), np.linspace(0, 1, 40), [0.0]), axis=-1).reshape(-1, 3)
    floaters = np.random.default_rng(0).uniform([0, 0, 0.5], [1, 1, 3], (10, 3))
    kept = without_floaters(cloud_of(np.concatenate([floaters, plane])))
    assert kept.positions[:, 2].max() == 0
    assert len(kept) >= 0.97 * len(plane)


def test_an_even_cloud_loses_nothing():
    angles = np.arange(100) * 2 * np.pi / 100
    circle = np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=-1)
    assert len(without_floaters(cloud_of(circle), neighbours=4)) == 100


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_handful_of_points_is_no_error(count):
    assert len(without_floaters(cloud_of(uniform(count)))) >= min(count, 2)


def test_a_filter_that_cannot_be_is_refused():
    with pytest.raises(SamNerfError, match="0 neighbours and 2 deviations; both must be positive"):
        without_floaters(cloud_of(uniform(3)), neighbours=0)
