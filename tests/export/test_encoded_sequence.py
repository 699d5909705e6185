"""Encoded mattes of whole sequences: of a scene or of plates, and they go on where they were."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from samnerf.errors import SamNerfError
from samnerf.export import encoded_sequence
from samnerf.export.encoded_matte import (
    read_encoded_matte,
)
from samnerf.export.encoded_sequence import PlateMattes, SceneMattes, export_mattes
from samnerf.export.exr import read_exr, write_exr
from samnerf.export.light import linear_light
from samnerf.export.plates import find_plates, square_input
from samnerf.teachers.pairs import FeatureSpec


def toy_scene(toy, layout="stretch"):
    field = toy.Field(layout=layout)
    field.specs = {"sam": FeatureSpec("toy-sam", 8, 32, layout)}
    field.statistics = {"sam": SimpleNamespace(weights_hash="0" * 64)}
    return toy.scene(field)


def toy_cameras(scene):
    return [camera for _, camera in scene.cameras("test")]


def test_a_scene_gives_mattes_plates_and_cameras_of_the_same_frames(toy, tmp_path):
    scene = toy_scene(toy)
    cameras = toy_cameras(scene)
    result = export_mattes(SceneMattes(scene, cameras, 1001), tmp_path, "shot", 1001)
    names = [f"shot.{number}.exr" for number in (1001, 1002, 1003)]
    assert sorted(path.name for path in (tmp_path / "encoded-matte").iterdir()) == names
    assert sorted(path.name for path in (tmp_path / "plate").iterdir()) == names
    for name, camera in zip(names, cameras, strict=True):
        read = read_encoded_matte(tmp_path / "encoded-matte" / name).feature_map
        rendered = scene.view(camera, "a").feature_map("sam")
        assert torch.equal(read.values, rendered.values) and read.image_size == camera.image_size
        plate = read_exr(tmp_path / "plate" / name)
        assert plate.channels["R"].shape == camera.image_size and plate.channels["R"].dtype == np.float16
    assert [line.split()[0] for line in (tmp_path / "shot.chan").read_text().splitlines()] == ["1001", "1002", "1003"]
    assert "x1001 " in (tmp_path / "shot.nk").read_text()
    manifest = json.loads(result.manifest.read_text())
    assert manifest["about"]["layout"] == "stretch" and manifest["about"]["readers"].startswith("samnerf alone")
    assert manifest["about"]["matte"] == {"width": 128, "height": 64} and manifest["about"]["weights"] == "0" * 64
    assert {file["kind"] for file in manifest["files"]} == {"encoded-matte", "plate", "cameras"}
    assert result.notes == ("encoded mattes of toy-sam are for samnerf alone; SAM for Nuke has no decoder for it",)


def test_an_export_goes_on_where_it_was(toy, tmp_path, monkeypatch):
    scene = toy_scene(toy)
    write, written = encoded_sequence.write_encoded_matte, []

    def full(path, *others):
        if len(written) == 2:
            raise SamNerfError("no space left")
        written.append(path.name)
        write(path, *others)

    monkeypatch.setattr(encoded_sequence, "write_encoded_matte", full)
    with pytest.raises(SamNerfError, match="no space left"):
        export_mattes(SceneMattes(scene, toy_cameras(scene)), tmp_path)
    monkeypatch.setattr(encoded_sequence, "write_encoded_matte", write)
    before = scene.pipeline.model.feature_renders
    done = []
    export_mattes(SceneMattes(scene, toy_cameras(scene)), tmp_path, done=done.append)
    assert scene.pipeline.model.feature_renders == before + 1
    assert done == ["samnerf.0001", "samnerf.0002", "samnerf.0003"]
    export_mattes(SceneMattes(scene, toy_cameras(scene)), tmp_path)
    assert scene.pipeline.model.feature_renders == before + 1


def test_cameras_that_a_chan_file_cannot_hold_are_a_note(toy, tmp_path):
    scene = toy_scene(toy)
    cameras = [camera.scaled(32, 32) for camera in toy_cameras(scene)]
    result = export_mattes(SceneMattes(scene, cameras), tmp_path)
    assert (tmp_path / "samnerf.nk").exists() and not (tmp_path / "samnerf.chan").exists()
    assert any(note.startswith("no samnerf.chan: ") for note in result.notes)


def test_no_cameras_and_impossible_names_are_refused(toy, tmp_path):
    scene = toy_scene(toy)
    with pytest.raises(SamNerfError, match="no cameras"):
        SceneMattes(scene, [])
    for name in ("", "a/b", "a%04d", ".a"):
        with pytest.raises(SamNerfError, match="cannot begin the names of files"):
            export_mattes(SceneMattes(scene, toy_cameras(scene)), tmp_path, name)


def write_plates(folder, plate, count=2):
    for number in range(1001, 1001 + count):
        write_exr(folder / f"shot.{number}.exr", {channel: plate[..., i] for i, channel in enumerate("RGB")})


def test_plates_are_encoded_once_and_again_when_they_change(tmp_path, encoder, encoded, plate):
    write_plates(tmp_path / "plates", plate)
    loaded = []

    def export():
        source = PlateMattes(find_plates(tmp_path / "plates"), "tiny", lambda: loaded.append(1) or encoder)
        return export_mattes(source, tmp_path / "out", "shot")

    result = export()
    manifest = json.loads(result.manifest.read_text())
    assert {file["path"] for file in manifest["files"]} == {f"encoded-matte/shot.{n}.exr" for n in (1001, 1002)}
    read = read_encoded_matte(tmp_path / "out/encoded-matte/shot.1002.exr")
    assert torch.equal(read.feature_map.values, encoded.values)
    assert re.fullmatch("[0-9a-f]{64}", read.weights_hash)
    export()
    assert len(loaded) == 1
    write_exr(tmp_path / "plates/shot.1002.exr", {channel: plate[::-1, :, i] for i, channel in enumerate("RGB")})
    export()
    assert len(loaded) == 2
    changed = read_encoded_matte(tmp_path / "out/encoded-matte/shot.1002.exr").feature_map
    assert not torch.equal(changed.values, encoded.values)


def test_a_scene_without_distilled_features_encodes_its_colour(toy, tmp_path, encoder, monkeypatch):
    class Colour(toy.Field):
        render_feature_maps = property()

    scene = toy.scene(Colour())
    scene.pair, scene._encoders = "tiny", {"sam": encoder}
    assert not scene.distilled
    cameras = toy_cameras(scene)[:1]
    export_mattes(SceneMattes(scene, cameras), tmp_path)
    read = read_encoded_matte(tmp_path / "encoded-matte/samnerf.0001.exr").feature_map
    light = linear_light(scene.view(cameras[0], "a").rgb / 255).astype(np.float32)
    direct = encoder.encode_square(square_input(light, encoder.input_side), cameras[0].image_size)
    assert torch.equal(read.values, direct.values)


def test_a_letterbox_scene_is_not_passed_off_as_stretch(toy):
    scene = toy_scene(toy, "letterbox")
    with pytest.raises(SamNerfError, match="samnerf extract --layout stretch and train with"):
        SceneMattes(scene, toy_cameras(scene))
    assert scene.pipeline.model.feature_renders == 0
