"""Meshes are closed whatever the grid, and files say the same to another program."""

import json
import struct

import numpy as np
import pytest
import trimesh

from samnerf.errors import SamNerfError
from samnerf.export.mesh import painted, solid_mesh, write_mesh
from samnerf.export.solid import OccupancyGrid

LOWER = np.array([2.0, -1.0, 0.5])


def ball_grid(
    centre=(0.0, 0.0, 0.0), radius=1.0, spacing=0.08, steep=10.0, lower=(-1.2, -1.2, -1.2), shape=(31, 31, 31)
):
    grid = OccupancyGrid(np.zeros(shape), np.array(lower), spacing)
    points = np.stack(np.meshgrid(*grid.axes(), indexing="ij"), axis=-1)
    distance = radius - np.linalg.norm(points - centre, axis=-1)
    return OccupancyGrid(1 / (1 + np.exp(-steep * distance)), grid.lower, spacing)


def box_mesh(colour=(255, 188, 0, 255)):
    mesh = trimesh.creation.box((1, 2, 3), np.array([[1, 0, 0, 5.0], [0, 1, 0, 6], [0, 0, 1, 7], [0, 0, 0, 1]]))
    mesh.visual.vertex_colors = colour
    return mesh


def test_a_ball_has_its_volume_its_place_and_faces_outwards():
    mesh = solid_mesh(ball_grid(centre=(0.05, 0, -0.1)))
    assert mesh.is_watertight and mesh.is_winding_consistent
    assert mesh.volume == pytest.approx(4 / 3 * np.pi, rel=0.02)
    assert mesh.euler_number == 2
    np.testing.assert_allclose(mesh.center_mass, (0.05, 0, -0.1), atol=1e-3)
    outwards = np.einsum("fc,fc->f", mesh.face_normals, mesh.triangles_center - (0.05, 0, -0.1))
    assert (outwards > 0).all()


def test_the_axes_of_the_grid_are_those_of_the_world():
    values = np.zeros((6, 7, 8))
    values[1:3, 2:6, 1:7] = 1
    mesh = solid_mesh(OccupancyGrid(values, LOWER, 0.5))
    np.testing.assert_allclose(mesh.bounds[0], LOWER + 0.5 * np.array([0.5, 1.5, 0.5]), atol=1e-6)
    np.testing.assert_allclose(mesh.bounds[1], LOWER + 0.5 * np.array([2.5, 5.5, 6.5]), atol=1e-6)


def test_the_level_says_where_the_surface_runs():
    grid = ball_grid(steep=1.0)
    for level, radius in ((0.5, 1.0), (0.6, 1 - np.log(1.5))):
        mesh = solid_mesh(OccupancyGrid(grid.values, grid.lower, grid.spacing, level))
        np.testing.assert_allclose(np.linalg.norm(mesh.vertices, axis=1), radius, atol=0.01)


@pytest.mark.parametrize("kind", ["smooth", "steps", "binary", "on the level", "full"])
def test_any_grid_gives_a_closed_mesh(kind):
    for seed in range(12):
        values = np.random.default_rng(seed).random((7, 9, 8))
        if kind == "steps":
            values = np.round(values * 4) / 4
        elif kind == "binary":
            values = (values > 0.7).astype(float)
        elif kind == "on the level":
            values[values < 0.7] = 0.5
        elif kind == "full":
            values = values + 0.6
        mesh = solid_mesh(OccupancyGrid(values, LOWER, 0.1))
        assert mesh.is_watertight and mesh.is_winding_consistent and mesh.volume > 0
        assert mesh.area_faces.min() > 0


def test_what_reaches_the_border_is_closed_within_a_spacing():
    mesh = solid_mesh(OccupancyGrid(np.ones((4, 5, 6)), LOWER, 0.5))
    assert mesh.is_watertight
    assert (mesh.bounds[0] > LOWER - 0.5).all() and (mesh.bounds[1] < LOWER + 0.5 * np.array([4, 5, 6])).all()


def test_the_largest_piece_is_kept_and_its_cavity_filled():
    big = ball_grid(radius=0.8).values
    hollow = np.minimum(big, 1 - ball_grid(radius=0.4).values)
    both = np.concatenate([hollow, ball_grid(radius=0.5).values], axis=0)
    grid = OccupancyGrid(both, np.full(3, -1.2), 0.08)
    assert solid_mesh(grid).body_count == 3
    kept = solid_mesh(grid, largest=True)
    assert kept.body_count == 1 and kept.is_watertight
    assert kept.volume == pytest.approx(4 / 3 * np.pi * 0.8**3, rel=0.02)
    assert len(kept.vertices) == len(np.unique(kept.faces))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((3, 3, 3), 0.2), r"nothing of the occupancy grid is above its level 0\.5 \(the most is 0\.2\)"),
        (np.full((3, 3, 3), np.nan), "the occupancy grid holds NaN"),
    ],
)
def test_a_grid_without_a_surface_is_refused(values, message):
    with pytest.raises(SamNerfError, match=message):
        solid_mesh(OccupancyGrid(values, LOWER, 0.1))


def test_vertices_take_the_colours_of_the_points_near_them():
    mesh = solid_mesh(ball_grid())
    colours = np.where(mesh.vertices[:, :1] > 0, np.uint8([250, 0, 0]), np.uint8([0, 0, 90])).astype(np.uint8)
    np.testing.assert_array_equal(painted(mesh, mesh.vertices, colours, 1).visual.vertex_colors[:, :3], colours)
    mixed = painted(mesh, np.array([[5.0, 0, 0], [-5, 0, 0]]), np.uint8([[200, 0, 0], [0, 100, 0]]))
    towards = mesh.vertices[:, 0].argmax()
    # At (1, 0, 0) the points are 4 and 6 away: their weights are 0.6 and 0.4.
    np.testing.assert_allclose(mixed.visual.vertex_colors[towards, :3], [120, 40, 0], atol=2)


@pytest.mark.parametrize("suffix", [".ply", ".obj"])
def test_files_keep_the_world_and_the_colours(tmp_path, suffix):
    write_mesh(tmp_path / f"box{suffix}", box_mesh())
    read = trimesh.load(tmp_path / f"box{suffix}", force="mesh")
    assert read.is_watertight and read.volume == pytest.approx(6)
    np.testing.assert_allclose(read.bounds, [[4.5, 5, 5.5], [5.5, 7, 8.5]])
    np.testing.assert_array_equal(np.unique(read.visual.vertex_colors, axis=0), [[255, 188, 0, 255]])
    assert [path.name for path in tmp_path.iterdir()] == [f"box{suffix}"]


def test_a_glb_is_turned_upright_and_keeps_its_volume(tmp_path):
    write_mesh(tmp_path / "box.glb", box_mesh())
    read = trimesh.load(tmp_path / "box.glb", force="mesh")
    assert read.is_watertight and read.volume == pytest.approx(6)
    # What was up (z) is y, and what was y is -z.
    np.testing.assert_allclose(read.bounds, [[4.5, 5.5, -7], [5.5, 8.5, -5]])


def test_a_glb_has_names_linear_colours_and_a_matt_material(tmp_path):
    write_mesh(tmp_path / "all.glb", {"red cube": box_mesh(), "plain": trimesh.creation.icosphere()})
    content = (tmp_path / "all.glb").read_bytes()
    (length,) = struct.unpack("<I", content[12:16])
    document = json.loads(content[20 : 20 + length])
    assert {mesh["name"] for mesh in document["meshes"]} == {"red cube", "plain"}
    assert {"red cube", "plain"} <= {node.get("name") for node in document["nodes"]}
    box = next(mesh for mesh in document["meshes"] if mesh["name"] == "red cube")["primitives"][0]
    material = document["materials"][box["material"]]["pbrMetallicRoughness"]
    assert (material["metallicFactor"], material["roughnessFactor"]) == (0, 1)
    accessor = document["accessors"][box["attributes"]["COLOR_0"]]
    start = 28 + length + document["bufferViews"][accessor["bufferView"]].get("byteOffset", 0) + accessor["byteOffset"]
    # 188 of 255 is about half of the light (IEC 61966-2-1).
    assert tuple(content[start : start + 4]) == (255, 128, 0, 255)


def test_many_meshes_are_one_in_a_ply(tmp_path):
    moved = box_mesh().apply_translation((10, 0, 0))
    write_mesh(tmp_path / "all.ply", {"a": box_mesh(), "b": moved})
    assert trimesh.load(tmp_path / "all.ply").body_count == 2


@pytest.mark.parametrize(
    ("name", "mesh", "message"),
    [
        ("box.stl", box_mesh(), r"box\.stl should end in one of \.ply, \.obj, \.glb"),
        ("box.ply", trimesh.Trimesh(), r"box\.ply would hold no triangles"),
        ("box.glb", {}, r"box\.glb would hold no triangles"),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path, name, mesh, message):
    with pytest.raises(SamNerfError, match=message):
        write_mesh(tmp_path / name, mesh)
    assert not list(tmp_path.iterdir())
