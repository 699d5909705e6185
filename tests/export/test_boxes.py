"""A box's points give the box back, however it lies."""

import json

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from samnerf.errors import SamNerfError
from samnerf.export.boxes import ObjectBox, OrientedBox, box_frames, oriented_box, write_boxes
from samnerf.export.mesh import write_mesh

SEEDS = range(12)


def random_box(seed, upright):
    random = np.random.default_rng(seed)
    axes = Rotation.from_euler("z", random.uniform(0, 7)) if upright else Rotation.random(rng=random)
    return OrientedBox(random.normal(size=3), axes.as_matrix(), random.uniform(0.2, 3, 3))


def assert_same_corners(found, expected, atol):
    distances = np.linalg.norm(found.corners()[:, None] - expected.corners()[None], axis=-1)
    np.testing.assert_allclose(distances.min(axis=0), 0, atol=atol)
    np.testing.assert_allclose(distances.min(axis=1), 0, atol=atol)


def assert_valid(box):
    np.testing.assert_allclose(box.axes.T @ box.axes, np.eye(3), atol=1e-9)
    assert np.linalg.det(box.axes) == pytest.approx(1)
    assert (box.size >= 0).all()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("upright", [True, False])
def test_the_corners_of_a_box_give_the_box(seed, upright):
    box = random_box(seed, upright)
    found = oriented_box(box.corners(), upright)
    assert_valid(found)
    assert_same_corners(found, box, 1e-6)


@pytest.mark.parametrize("upright", [True, False])
def test_points_all_over_a_box_give_the_box(upright):
    box = random_box(3, upright)
    points = trimesh.sample.sample_surface(trimesh.creation.box(box.size), 3000, seed=0)[0]
    found = oriented_box(np.concatenate([box.centre + points @ box.axes.T, box.corners()]), upright, trim=0.0)
    assert_same_corners(found, box, 1e-6)


@pytest.mark.parametrize("upright", [True, False])
def test_every_point_is_inside_and_some_touch_each_side(upright):
    points = np.random.default_rng(0).normal(size=(500, 3)) @ np.diag([1, 2, 0.5])
    box = oriented_box(points, upright, trim=0.0)
    assert_valid(box)
    local = (points - box.centre) @ box.axes / (box.size / 2)
    np.testing.assert_allclose(local.max(axis=0), 1)
    np.testing.assert_allclose(local.min(axis=0), -1)


def test_an_upright_box_has_the_least_area_of_all_turns():
    points = np.random.default_rng(1).normal(size=(60, 3)) * (3, 1, 1)
    box = oriented_box(points, trim=0.0)
    np.testing.assert_array_equal(box.axes[2], (0, 0, 1))
    np.testing.assert_array_equal(box.axes[:, 2], (0, 0, 1))
    angles = np.linspace(0, np.pi / 2, 5000)
    along = np.stack([np.cos(angles), np.sin(angles)])
    across = np.stack([-np.sin(angles), np.cos(angles)])
    areas = np.ptp(points[:, :2] @ along, axis=0) * np.ptp(points[:, :2] @ across, axis=0)
    assert areas.min() * 0.999 < box.size[0] * box.size[1] <= areas.min() + 1e-9


@pytest.mark.parametrize("seed", SEEDS)
def test_a_free_box_is_no_larger_than_another_librarys(seed):
    points = np.random.default_rng(seed).normal(size=(40, 3)) * (3, 2, 1)
    _, extents = trimesh.bounds.oriented_bounds(points)
    assert oriented_box(points, upright=False).size.prod() <= extents.prod() * (1 + 1e-9)


def test_a_free_box_is_no_larger_than_an_upright_one_of_a_leaning_box():
    box = random_box(5, upright=False)
    assert oriented_box(box.corners(), False).size.prod() < oriented_box(box.corners(), True).size.prod()


def test_axes_are_named_as_near_to_the_worlds_as_can_be():
    box = OrientedBox(np.zeros(3), Rotation.from_euler("z", 20, degrees=True).as_matrix(), np.array([3.0, 1, 2]))
    found = oriented_box(box.corners())
    np.testing.assert_allclose(found.axes, box.axes, atol=1e-9)
    np.testing.assert_allclose(found.size, box.size)
    turned = OrientedBox(np.zeros(3), Rotation.from_euler("z", 110, degrees=True).as_matrix(), np.array([3.0, 1, 2]))
    np.testing.assert_allclose(oriented_box(turned.corners(), upright=False).axes, box.axes, atol=1e-9)
    np.testing.assert_allclose(oriented_box(turned.corners()).size, [1, 3, 2])


@pytest.mark.parametrize("upright", [True, False])
def test_a_few_stray_points_do_not_matter(upright):
    box = random_box(2, upright)
    points = trimesh.sample.sample_surface(trimesh.creation.box(box.size), 5000, seed=0)[0]
    points = np.concatenate(
        [box.centre + points @ box.axes.T, box.centre + np.random.default_rng(0).normal(0, 9, (25, 3))]
    )
    assert_same_corners(oriented_box(points, upright), box, 0.15)
    assert oriented_box(points, upright, trim=0.0).size.prod() > 20 * box.size.prod()


@pytest.mark.parametrize("upright", [True, False])
@pytest.mark.parametrize("single", [True, False])
@pytest.mark.parametrize("dimensions", [0, 1, 2])
@pytest.mark.parametrize("lean", [0.0, 0.7])
def test_flat_straight_and_single_points_have_a_flat_box(upright, dimensions, single, lean):
    flat = np.array([1.5, 0.7, 0.3]) * (np.arange(3) < dimensions)
    box = OrientedBox(np.array([2.0, -1, 3]), Rotation.from_euler("zx", (0.4, lean)).as_matrix(), flat)
    points = box.corners().astype(np.float32) if single else box.corners()
    found = oriented_box(points, upright)
    assert_valid(found)
    if not upright or lean == 0:
        np.testing.assert_allclose(np.sort(found.size), np.sort(flat), atol=1e-6)
    local = (points - found.centre) @ found.axes
    assert (np.abs(local) <= found.size / 2 + 1e-6).all()


def test_one_and_two_points_have_a_box():
    assert oriented_box(np.array([[1.0, 2, 3]])).size.tolist() == [0, 0, 0]
    two = np.array([[0.0, 0, 0], [1, 1, 0]])
    for upright in (True, False):
        assert np.sort(oriented_box(two, upright).size) == pytest.approx([0, 0, 2**0.5])
    assert np.sort(oriented_box(np.array([[0.0, 0, 0], [0, 0, 2]])).size) == pytest.approx([0, 0, 2])


@pytest.mark.parametrize(
    ("points", "trim", "message"),
    [
        (np.empty((0, 3)), 0.01, "an object without points has no box"),
        (np.array([[0, 0, np.inf]]), 0.01, "positions hold NaN or infinity"),
        (np.zeros((3, 3)), 0.5, r"trim is 0\.5 but must be at least 0 and below 0\.5"),
    ],
)
def test_what_has_no_box_is_refused(points, trim, message):
    with pytest.raises(SamNerfError, match=message):
        oriented_box(points, trim=trim)


def test_the_document_says_whose_box_lies_where(tmp_path):
    box = random_box(1, upright=True)
    write_boxes(tmp_path / "boxes.json", [ObjectBox(2, "blue bowl", box)])
    document = json.loads((tmp_path / "boxes.json").read_text())
    assert (document["format"], document["version"]) == ("samnerf-boxes", 1)
    (entry,) = document["objects"]
    assert (entry["id"], entry["name"], entry["colour"]) == (2, "blue bowl", [56, 178, 255])
    again = OrientedBox(np.array(entry["centre"]), np.array(entry["axes"]).T, np.array(entry["size"]))
    assert_same_corners(again, box, 1e-12)
    np.testing.assert_allclose(entry["corners"], box.corners())


def test_a_frame_follows_the_edges_in_the_objects_colour(tmp_path):
    box = random_box(4, upright=False)
    frames = box_frames([ObjectBox(1, "a", box), ObjectBox(3, "b", oriented_box(np.zeros((1, 3))))])
    frame = frames["a"]
    assert frame.is_watertight and frame.body_count == 12
    np.testing.assert_array_equal(np.unique(frame.visual.vertex_colors, axis=0), [[255, 111, 60, 255]])
    local = np.abs((frame.vertices - box.centre) @ box.axes) - box.size / 2
    thickness = np.linalg.norm(box.size) * 0.006
    np.testing.assert_allclose(np.abs(local), thickness / 2, atol=1e-9)
    assert frames["b"].volume > 0
    write_mesh(tmp_path / "boxes.glb", frames)
    assert set(trimesh.load(tmp_path / "boxes.glb").geometry) == {"a", "b"}
