"""Laws of the solids: rays end on their surfaces, normals are unit and point outwards, extents bound them."""

import numpy as np
import pytest

from samnerf.preprocessing.synthetic.shapes import Capsule, Cone, Cube, Cylinder, Sphere, Torus

SOLIDS = {
    "sphere": Sphere(0.13),
    "cube": Cube(0.11),
    "cylinder": Cylinder(0.1, 0.15),
    "cone": Cone(0.14, 0.16),
    "torus": Torus(0.13, 0.05),
    "capsule": Capsule(0.08, 0.12),
}


def surface_residual(name, points):
    """Zero exactly on the surface: an implicit function of each solid, written without looking at the code."""
    x, y, z = points.astype(np.float64)
    around = np.hypot(x, y)
    match name:
        case "sphere":
            return np.sqrt(x**2 + y**2 + z**2) - 0.13
        case "cube":
            return np.abs(points).max(axis=0) - 0.11
        case "cylinder":
            return np.maximum(around - 0.1, np.abs(z) - 0.15)
        case "cone":
            return np.maximum((around - 0.14 * (0.16 - z) / 0.32) / np.hypot(1, 0.14 / 0.32), -z - 0.16)
        case "torus":
            return np.hypot(around - 0.13, z) - 0.05
        case "capsule":
            return np.sqrt(x**2 + y**2 + (z - np.clip(z, -0.12, 0.12)) ** 2) - 0.08


def random_lines(count=4000, seed=0):
    random = np.random.default_rng(seed)
    directions = random.standard_normal((3, count)).astype(np.float32)
    directions /= np.sqrt((directions**2).sum(axis=0))
    aims = random.uniform(-0.18, 0.18, (3, count)).astype(np.float32)
    return aims - 0.5 * directions, directions


@pytest.mark.parametrize("name", SOLIDS)
def test_lines_end_on_the_surface(name):
    origins, directions = random_lines()
    distances = SOLIDS[name].intersect(origins, directions)
    met = np.isfinite(distances)
    assert 0.1 < met.mean() < 0.9
    points = (origins + directions * distances)[:, met]
    assert np.abs(surface_residual(name, points)).max() < 1e-4


@pytest.mark.parametrize("name", SOLIDS)
def test_nothing_of_the_solid_lies_before_the_hit_nor_on_a_missing_line(name):
    origins, directions = random_lines(800, seed=1)
    distances = SOLIDS[name].intersect(origins, directions)
    ends = np.where(np.isfinite(distances), distances - 1e-3, 1.2)
    for share in np.linspace(0, 1, 150):
        points = origins + directions * (ends * share).astype(np.float32)
        assert surface_residual(name, points).min() > -1e-4


@pytest.mark.parametrize("name", SOLIDS)
def test_normals_are_unit_and_follow_the_gradient_of_the_surface(name):
    origins, directions = random_lines(1000, seed=2)
    distances = SOLIDS[name].intersect(origins, directions)
    met = np.isfinite(distances)
    points = (origins + directions * distances)[:, met]
    normals = SOLIDS[name].normals(points)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=0), 1, atol=1e-5)
    step = 2e-3
    outside, inside = surface_residual(name, points + step * normals), surface_residual(name, points - step * normals)
    slope = (outside - inside) / (2 * step)
    # Within a step of an edge the difference spans two faces.
    assert np.median(np.abs(slope - 1)) < 1e-2
    assert outside.min() > 0
    assert (normals * directions[:, met]).sum(axis=0).max() < 1e-3


@pytest.mark.parametrize("name", SOLIDS)
def test_extents_are_the_support_of_the_surface(name):
    origins, directions = random_lines(20000, seed=3)
    distances = SOLIDS[name].intersect(origins, directions)
    points = (origins + directions * distances)[:, np.isfinite(distances)]
    assert np.linalg.norm(points, axis=0).max() <= SOLIDS[name].bounding_radius + 1e-5
    for direction in np.float32([[1, 0, 0], [0, 0, 1], [0, 0, -1], [0.6, 0, 0.8], [0, 0.8, -0.6]]):
        reach, seen = SOLIDS[name].extent(direction), (direction @ points).max()
        assert reach - 0.02 < seen <= reach + 1e-5


@pytest.mark.parametrize("name", SOLIDS)
def test_a_turn_about_the_axis_is_one_period_of_u(name):
    origins, directions = random_lines(1000, seed=4)
    distances = SOLIDS[name].intersect(origins, directions)
    points = (origins + directions * distances)[:, np.isfinite(distances)]
    u, v = SOLIDS[name].surface_coordinates(points)
    quarter = np.stack([-points[1], points[0], points[2]])
    turned, same = SOLIDS[name].surface_coordinates(quarter)
    advance = (turned - u) % 1
    np.testing.assert_allclose(advance, 0.25, atol=1e-4)
    np.testing.assert_allclose(same, v, atol=1e-3)
    assert u.min() >= 0
    assert u.max() <= 1
