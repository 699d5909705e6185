"""Winding numbers of points against the sum that defines them, and solids closed where nobody looked."""

import numpy as np
import pytest
import trimesh

from samnerf.errors import SamNerfError
from samnerf.export.mesh import solid_mesh
from samnerf.export.point_cleaning import merge_points
from samnerf.export.point_cloud import PointCloud
from samnerf.export.solid import point_areas, surface_occupancy

SPACING = 0.05
BALL = np.random.default_rng(0).normal(size=(60_000, 3))
BALL /= np.linalg.norm(BALL, axis=1, keepdims=True)


def thinned(points, normals, spacing=SPACING):
    """As `samnerf export` hands points over: one per cube."""
    count = len(points)
    cloud = merge_points(
        PointCloud(
            points.astype(np.float32),
            np.zeros((count, 3), np.uint8),
            normals.astype(np.float32),
            np.ones(count, np.uint16),
            np.ones(count, np.float32),
        ),
        spacing,
    )
    return cloud.positions.astype(float), cloud.normals.astype(float)


def sampled(mesh, count=60_000):
    found = trimesh.sample.sample_surface(mesh, count, seed=0)
    return np.asarray(found[0]), mesh.face_normals[found[1]]


def torus():
    """A ring in the plane z = 0: radii 1 and 0.4, with exact normals."""
    random = np.random.default_rng(0)
    around, across, keep = random.uniform(0, 2 * np.pi, 120_000), *random.uniform(0, 1, (2, 120_000))
    across = across * 2 * np.pi
    kept = keep < (1 + 0.4 * np.cos(across)) / 1.4
    around, across = around[kept], across[kept]
    normals = np.stack([np.cos(around) * np.cos(across), np.sin(around) * np.cos(across), np.sin(across)], axis=-1)
    middle = np.stack([np.cos(around), np.sin(around), 0 * around], axis=-1)
    return middle + 0.4 * normals, normals


def closed(grid):
    mesh = solid_mesh(grid, largest=True)
    assert mesh.is_watertight and mesh.is_winding_consistent and mesh.volume > 0
    return mesh


def test_the_grid_agrees_with_the_sum_over_all_points():
    points, normals = thinned(BALL, BALL, 0.1)
    points, normals = points[points[:, 2] > -0.3], normals[points[:, 2] > -0.3]
    grid = surface_occupancy(points, normals, 0.1)
    areas = point_areas(points, normals)
    cells = np.stack(np.meshgrid(*grid.axes(), indexing="ij"), axis=-1).reshape(-1, 3)[::7]
    offsets = points - cells[:, None]
    squared = (offsets**2).sum(axis=-1)
    exact = (areas * (offsets * normals).sum(axis=-1) / (4 * np.pi * squared**1.5)).sum(axis=1)
    far = squared.min(axis=1) > 0.25**2
    assert far.sum() > 200
    # What the grid adds is the sharing of each point between its eight values.
    np.testing.assert_allclose(grid.values.reshape(-1)[::7][far], exact[far], atol=0.01)


def test_areas_sum_to_the_area_of_the_surface():
    points, normals = thinned(BALL, BALL)
    assert point_areas(points, normals).sum() == pytest.approx(4 * np.pi, rel=0.01)


def test_areas_of_a_lattice_are_its_squares_and_the_back_takes_nothing_away():
    front = np.stack(np.meshgrid(np.arange(12.0), np.arange(12.0), [0.0]), axis=-1).reshape(-1, 3)
    up = np.tile([0.0, 0, 1], (len(front), 1))
    areas = point_areas(np.concatenate([front, front - np.array([0, 0, 0.1])]), np.concatenate([up, -up]))
    inner = ((front[:, :2] > 1) & (front[:, :2] < 10)).all(axis=1)
    np.testing.assert_allclose(areas[: len(front)][inner], 1, rtol=0.02)


def test_winding_is_one_inside_and_zero_outside():
    grid = surface_occupancy(*thinned(BALL, BALL), SPACING)
    radius = np.linalg.norm(np.stack(np.meshgrid(*grid.axes(), indexing="ij")), axis=0)
    np.testing.assert_allclose(grid.values[radius < 0.8], 1, atol=0.03)
    np.testing.assert_allclose(grid.values[radius > 1.12], 0, atol=0.03)


def test_a_ball_seen_from_everywhere_is_a_ball():
    mesh = closed(surface_occupancy(*thinned(BALL, BALL), SPACING))
    assert mesh.volume == pytest.approx(4 / 3 * np.pi, rel=0.02)
    assert mesh.euler_number == 2
    np.testing.assert_allclose(np.linalg.norm(mesh.vertices, axis=1), 1, atol=0.03)


def test_a_ball_seen_from_above_is_closed_by_the_plane_of_its_rim():
    points, normals = thinned(BALL, BALL)
    seen = points[:, 2] > 0
    mesh = closed(surface_occupancy(points[seen], normals[seen], SPACING))
    assert mesh.euler_number == 2
    assert mesh.volume == pytest.approx(2 / 3 * np.pi, rel=0.04)
    lid = mesh.vertices[(np.linalg.norm(mesh.vertices[:, :2], axis=1) < 0.7) & (mesh.vertices[:, 2] < 0.5)]
    assert len(lid) > 300
    np.testing.assert_allclose(lid[:, 2], 0, atol=SPACING)


def test_on_a_floor_its_sides_run_on_to_the_floor():
    points, normals = thinned(BALL, BALL)
    seen = points[:, 2] > -0.75
    assert closed(surface_occupancy(points[seen], normals[seen], SPACING)).bounds[0, 2] > -0.85
    mesh = closed(surface_occupancy(points[seen], normals[seen], SPACING, floor=-1.0))
    assert mesh.euler_number == 2
    assert mesh.bounds[0, 2] == pytest.approx(-1, abs=1e-3)
    assert mesh.volume == pytest.approx(4 / 3 * np.pi, rel=0.05)


@pytest.mark.parametrize(("floor", "tolerance"), [(None, 0.06), (-0.5, 0.02)])
def test_a_cube_whose_bottom_nobody_saw_is_a_cube(floor, tolerance):
    points, normals = sampled(trimesh.creation.box((1, 1, 1)))
    seen = normals[:, 2] > -0.5
    mesh = closed(surface_occupancy(*thinned(points[seen], normals[seen]), SPACING, floor))
    assert mesh.volume == pytest.approx(1, rel=tolerance)
    np.testing.assert_allclose(mesh.bounds, [[-0.5] * 3, [0.5] * 3], atol=SPACING)
    if floor is not None:
        assert mesh.bounds[0, 2] == pytest.approx(floor, abs=1e-3)


def test_a_torus_keeps_its_hole():
    mesh = closed(surface_occupancy(*thinned(*torus()), SPACING))
    assert mesh.euler_number == 0
    assert mesh.volume == pytest.approx(2 * np.pi**2 * 0.4**2, rel=0.03)


@pytest.mark.parametrize(("lowest", "floor", "volume"), [(0.0, None, 0.5), (-0.5, -0.4, 1.0)])
def test_a_torus_seen_from_above_keeps_its_hole(lowest, floor, volume):
    points, normals = thinned(*torus())
    seen = normals[:, 2] > lowest
    mesh = closed(surface_occupancy(points[seen], normals[seen], SPACING, floor))
    assert mesh.euler_number == 0
    assert mesh.volume == pytest.approx(volume * 2 * np.pi**2 * 0.4**2, rel=0.08)


def test_noise_moves_the_surface_by_no_more_than_itself():
    random = np.random.default_rng(1)
    normals = BALL + random.normal(0, 0.2, BALL.shape)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    mesh = closed(surface_occupancy(*thinned(BALL * (1 + random.normal(0, 0.01, (len(BALL), 1))), normals), SPACING))
    assert mesh.euler_number == 2
    assert mesh.volume == pytest.approx(4 / 3 * np.pi, rel=0.03)


def test_moving_the_object_moves_the_solid():
    points, normals = thinned(BALL, BALL, 0.1)
    here = surface_occupancy(points, normals, 0.1)
    there = surface_occupancy(points + np.array([5.0, -3, 2]), normals, 0.1)
    np.testing.assert_allclose(there.lower - here.lower, (5, -3, 2), atol=1e-9)
    np.testing.assert_allclose(there.values, here.values, atol=1e-4)


@pytest.mark.parametrize(
    ("count", "spacing", "floor", "message"),
    [
        (3, 0.1, None, "the object has 3 surface points; a solid needs at least 4"),
        (100, 0.1, 2.0, r"the object has 0 surface points above the floor at z = 2; a solid"),
        (100, 0.0, None, "spacing of the grid is 0 but must be positive"),
        (100, 0.001, None, r"spacing 0\.001 makes a grid of \d+ x \d+ x \d+ cells, more than 8388608; try 0\.01"),
    ],
)
def test_what_has_no_solid_is_refused(count, spacing, floor, message):
    with pytest.raises(SamNerfError, match=message):
        surface_occupancy(BALL[:count], BALL[:count], spacing, floor)
