"""Points, meshes and boxes of the toy world's objects."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh

from samnerf.errors import SamNerfError
from samnerf.export.export_source import ExportedObjects
from samnerf.export.manifest import ExportFolder
from samnerf.export.point_cloud import read_ply
from samnerf.export.solids import Solids, SolidSettings
from samnerf.objects.layers import ObjectLayers
from samnerf.objects.probability_grid import ProbabilityGrid

FINE = SolidSettings(spacing=0.02)


def export(toy, folder, *formats, layers=None, settings=FINE, names=()):
    objects = ExportedObjects.chosen(layers or toy.layers(), names)
    done = []
    solids = Solids(toy.scene(), objects, folder, settings)
    return solids.make(formats, done.append), done, solids


def with_one_away(toy):
    layers = toy.layers(1, 2)
    away = replace(layers.objects[1], grid=replace(layers.objects[1].grid, lower=torch.tensor([50.0, 0.0, 0.0])))
    return replace(layers, objects=(layers.objects[0], away))


def test_every_object_has_a_cloud_and_all_have_one_together(toy, tmp_path):
    notes, done, _ = export(toy, tmp_path, "points")
    assert (notes, done) == ([], ["points"])
    clouds = {i: read_ply(tmp_path / f"points/{name.replace(' ', '_')}.ply") for i, name in toy.names.items()}
    for i, cloud in clouds.items():
        assert set(cloud.object_ids.tolist()) == {i}
    whole = read_ply(tmp_path / "points/all.ply")
    np.testing.assert_array_equal(whole.positions, np.concatenate([cloud.positions for cloud in clouds.values()]))


def test_the_scene_has_all_objects_and_the_floor(toy, tmp_path):
    export(toy, tmp_path, "scene-points", names=["red square"])
    scene = read_ply(tmp_path / "scene.ply")
    assert set(scene.object_ids.tolist()) == {0, 1, 2, 3}
    floor = scene.select(scene.object_ids == 0)
    np.testing.assert_allclose(floor.positions[:, 2], 0, atol=1e-5)


def test_meshes_are_closed_and_have_the_colour_of_their_points(toy, tmp_path):
    notes, _, _ = export(toy, tmp_path, "mesh", settings=SolidSettings(spacing=0.02, floor=0.0))
    assert notes == []
    for square in toy.squares:
        name = toy.names[square.id].replace(" ", "_")
        mesh = trimesh.load_mesh(tmp_path / f"meshes/{name}.ply")
        assert mesh.is_watertight
        expected = [square.x - square.half, square.y - square.half, 0.0]
        np.testing.assert_allclose(mesh.bounds[0], expected, atol=0.06)
        assert mesh.bounds[1][2] == pytest.approx(square.z, abs=0.03)
        colours = np.asarray(mesh.visual.vertex_colors)[:, :3]
        assert (colours == np.eye(3, dtype=np.uint8)[square.id - 1] * 255).all()
        assert (tmp_path / f"meshes/{name}.glb").exists()
    assert set(trimesh.load_scene(tmp_path / "meshes/all.glb").geometry) == set(toy.names.values())


def test_boxes_stand_around_their_objects_in_their_colours(toy, tmp_path):
    export(toy, tmp_path, "boxes", layers=toy.layers().recolour("red square", (9, 8, 7)))
    boxes = json.loads((tmp_path / "boxes.json").read_text())["objects"]
    assert [(one["id"], one["name"]) for one in boxes] == list(toy.names.items())
    assert boxes[0]["colour"] == [9, 8, 7]
    for one, square in zip(boxes, toy.squares, strict=True):
        np.testing.assert_allclose(one["centre"], [square.x, square.y, square.z], atol=0.03)
        np.testing.assert_allclose(one["size"][:2], 2 * square.half, atol=0.05)
        assert one["axes"][2] == [0, 0, 1]
    assert set(trimesh.load_scene(tmp_path / "boxes.glb").geometry) == set(toy.names.values())


def test_an_object_that_no_camera_shows_is_left_out_and_said_to_be_once(toy, tmp_path):
    notes, _, _ = export(toy, tmp_path, "points", "boxes", layers=with_one_away(toy))
    assert notes == ["object 'green square' has no points: no training camera shows it"]
    assert [p.name for p in sorted((tmp_path / "points").iterdir())] == ["all.ply", "red_square.ply"]


def test_nothing_but_such_objects_is_an_error_that_leaves_no_record(toy, tmp_path):
    with pytest.raises(SamNerfError, match="'green square' has no points"):
        export(toy, tmp_path, "points", layers=with_one_away(toy), names=["green square"])
    assert not any(tmp_path.rglob("records*"))


def test_an_object_that_is_too_thin_for_a_mesh_is_left_out(toy, tmp_path):
    layers = toy.layers(1, 2)
    thin = ProbabilityGrid(torch.ones(2, 2, 2), torch.tensor([0.5, 0.3, 0.09]), 0.02)
    layers = replace(layers, objects=(layers.objects[0], replace(layers.objects[1], grid=thin)))
    notes, _, _ = export(toy, tmp_path, "mesh", layers=layers, settings=SolidSettings(spacing=0.02, floor=0.0))
    assert len(notes) == 1
    assert notes[0].startswith("object 'green square' has no mesh: ")
    assert (tmp_path / "meshes/red_square.ply").exists() and not (tmp_path / "meshes/green_square.ply").exists()


def test_what_is_done_is_not_made_again(toy, tmp_path, monkeypatch):
    _, _, solids = export(toy, tmp_path, "points")
    assert [made.part for made in solids.done()] == ["points"]
    before = (tmp_path / "points/all.ply").stat().st_mtime_ns
    monkeypatch.setattr("samnerf.export.solids.object_points", None)
    _, done, _ = export(toy, tmp_path, "points")
    assert done == ["points"]
    assert (tmp_path / "points/all.ply").stat().st_mtime_ns == before
    _, _, other = export(toy, tmp_path, settings=SolidSettings(spacing=0.05))
    assert other.done() == []


def test_the_manifest_has_the_solids(toy, tmp_path):
    _, _, solids = export(toy, tmp_path, "points", "boxes")
    listed = json.loads(ExportFolder(tmp_path).write_manifest(solids.done(), toy.names).read_text())["files"]
    assert {(file["kind"], file["frame"]) for file in listed} == {("points", None), ("boxes", None)}
    assert len(listed) == 4 + 2


def test_three_hundred_objects_have_points(toy, tmp_path):
    layers = ObjectLayers()
    for i in range(300):
        corner = torch.tensor([-1.5 + 0.15 * (i % 20), -1.1 + 0.15 * (i // 20), -0.01])
        grid = ProbabilityGrid(torch.ones(2, 2, 2), corner, 0.12)
        layers = layers.add(replace(toy.lock(1), grid=grid), f"tile {i}")
    notes, _, _ = export(toy, tmp_path, "points", layers=layers, settings=SolidSettings(0.01))
    written = len(list((tmp_path / "points").iterdir())) - 1
    assert written > 200 and written + len(notes) == 300


def test_a_spacing_must_be_positive():
    with pytest.raises(SamNerfError, match="spacing is 0 but must be positive"):
        SolidSettings(spacing=0.0)
