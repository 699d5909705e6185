"""`samnerf export` from the command line."""

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from samnerf.camera_path import load_camera_path, save_camera_path
from samnerf.cli.main import main
from samnerf.export import export_source
from samnerf.export.exr import read_mattes
from samnerf.matting.matter import Matter
from samnerf.objects.layer_files import save_layers
from samnerf.objects.layers import ObjectLayers
from samnerf.objects.orbit import middle_of
from samnerf.scene import TrainedScene


@pytest.fixture(autouse=True)
def _toy_world(toy, monkeypatch):
    monkeypatch.setattr(TrainedScene, "load", staticmethod(lambda config, device="cpu": toy.scene()))


@pytest.fixture
def locks(toy, tmp_path):
    path = tmp_path / "objects.json"
    save_layers(path, toy.layers(), "c0ffee")
    return path


def export(tmp_path, *options):
    output = tmp_path / "out"
    config = tmp_path / "config.yml"
    return main(["export", "--config", str(config), "--output", str(output), "--scale", "0.25", *options]), output


def files(output, folder):
    return sorted(path.name for path in (output / folder).iterdir())


def test_masks_cryptomattes_and_coco_of_the_test_split_by_default(locks, tmp_path, capsys):
    status, output = export(tmp_path)
    assert status == 0
    assert f"exported: {output / 'manifest.json'}" in capsys.readouterr().out
    assert files(output, "masks") == ["blue_square", "green_square", "red_square"]
    assert files(output, "cryptomatte") == ["frame_2.exr", "frame_3.exr", "frame_4.exr"]
    assert len(json.loads((output / "coco.json").read_text())["images"]) == 3
    with Image.open(output / "masks/red_square/frame_2.png") as image:
        assert image.size == (32, 24)


def test_all_formats_of_one_object(locks, tmp_path):
    status, output = export(
        tmp_path, "--formats", "all", "--objects", "green square", "--floor", "0", "--spacing", "0.02"
    )
    assert status == 0
    kinds = {file["kind"] for file in json.loads((output / "manifest.json").read_text())["files"]}
    assert kinds == {
        *("masks", "ids", "mattes-png", "mattes-exr", "cryptomatte", "coco", "depth", "plate", "overlays", "video"),
        *("cameras", "points", "mesh", "boxes", "scene-points"),
    }
    assert [one["name"] for one in json.loads((output / "manifest.json").read_text())["objects"]] == ["green square"]
    with Image.open(output / "ids/frame_2.png") as image:
        assert set(np.unique(np.asarray(image))) == {0, 2}


def test_an_orbit_goes_around_the_objects_that_are_named(toy, locks, tmp_path):
    options = ("--cameras", "orbit", "--frames", "3", "--formats", "ids", "cameras", "--objects", "green square")
    status, output = export(tmp_path, *options)
    assert status == 0
    assert files(output, "ids") == ["orbit_0001.png", "orbit_0002.png", "orbit_0003.png"]
    centre = middle_of([toy.layers().named("green square")])
    for _, camera in load_camera_path(output / "cameras.json"):
        assert camera.project(centre)[0].tolist() == pytest.approx([16, 12], abs=0.01)


@pytest.mark.parametrize(("cameras", "count"), [("train", 2), ("all", 5), ("path.json", 1)])
def test_other_cameras(toy, locks, tmp_path, monkeypatch, cameras, count):
    monkeypatch.chdir(tmp_path)
    save_camera_path(tmp_path / "path.json", [toy.look_down()])
    status, output = export(tmp_path, "--cameras", cameras, "--formats", "ids")
    assert status == 0
    assert len(files(output, "ids")) == count


def test_frames_have_the_size_that_is_asked_for(locks, tmp_path):
    arguments = ["export", "--config", str(tmp_path / "config.yml"), "--output", str(tmp_path / "out")]
    assert main([*arguments, "--formats", "ids", "--size", "50", "20"]) == 0
    with Image.open(tmp_path / "out/ids/frame_3.png") as image:
        assert image.size == (50, 20)


def test_what_tells_of_no_object_needs_no_locks(tmp_path):
    status, output = export(tmp_path, "--formats", "plate", "cameras")
    assert status == 0
    assert files(output, "plate") == ["frame_2.png", "frame_3.png", "frame_4.png"]


def test_what_cannot_be_had_is_a_note_and_no_failure(toy, tmp_path, capsys):
    layers = toy.layers(1, 2)
    save_layers(tmp_path / "objects.json", layers, "c0ffee")
    with_cameras = ("--formats", "cameras", "--size", "32", "32")
    assert main(["export", "--config", str(tmp_path / "c.yml"), "--output", str(tmp_path / "out"), *with_cameras]) == 0
    said = capsys.readouterr().out
    assert "note: no cameras.chan: " in said and "note: no cameras.json: " in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--formats", "mask"), "there is no format 'mask'"),
        (("--formats", "points", "--spacing", "-1"), "spacing is -1"),
        (("--objects", "unicorn"), "no object is called 'unicorn'"),
        (("--locks", "nowhere.json"), "objects file nowhere.json does not exist; run samnerf lock first"),
        (("--cameras", "nowhere.json"), "camera path nowhere.json does not exist"),
        (("--cameras", "orbit", "--frames", "0"), "orbit of 0 cameras"),
        (("--jobs", "0"), "0 jobs were asked for"),
        (("--fps", "0"), "0 frames per second"),
        (("--size", "3", "3"), "either --size or --scale"),
        (("--scale", "0"), "--scale is 0"),
        (("--scale", "60", "--cameras", "orbit", "--frames", "1", "--formats", "ids", "--size", "0", "1"), "--size or"),
        (("--scale", "1000"), "--scale is 1000"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(locks, tmp_path, capsys, options, message):
    status, output = export(tmp_path, *options)
    error = capsys.readouterr().err
    assert status == 1
    assert message in error
    assert error.count("\n") == 1
    assert not output.exists()


@pytest.mark.parametrize("size", [("0", "5"), ("5", "20000")])
def test_a_size_that_no_picture_has_is_refused(locks, tmp_path, capsys, size):
    assert main(["export", "--config", str(tmp_path / "config.yml"), "--size", *size]) == 1
    assert "must be 1 to 16384 pixels" in capsys.readouterr().err


def test_no_objects_file_is_said_with_the_cure(tmp_path, capsys):
    assert export(tmp_path)[0] == 1
    assert "does not exist; run samnerf lock first" in capsys.readouterr().err


def test_an_objects_file_without_objects_is_said_with_the_cure(tmp_path, capsys):
    save_layers(tmp_path / "objects.json", ObjectLayers(), "c0ffee")
    assert export(tmp_path)[0] == 1
    assert "no object is locked yet; run samnerf lock" in capsys.readouterr().err


def test_objects_of_another_training_are_refused(toy, tmp_path, capsys):
    save_layers(tmp_path / "objects.json", toy.layers(), "another")
    assert export(tmp_path)[0] == 1
    assert "another training of the scene" in capsys.readouterr().err
    assert export(tmp_path, "--ignore-scene", "--formats", "ids")[0] == 0


def test_ctrl_c_says_how_to_go_on(locks, tmp_path, capsys, monkeypatch):
    from samnerf.export import frame_formats

    write_png = frame_formats.write_png

    def interrupted(path, pixels):
        if path.name == "frame_3.png":
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
        write_png(path, pixels)

    with monkeypatch.context() as patch:
        patch.setattr(frame_formats, "write_png", interrupted)
        status, output = export(tmp_path, "--formats", "ids")
    assert status == 130
    assert "interrupted; run the same command again to go on" in capsys.readouterr().err
    assert files(output, "ids") == ["frame_2.png"]
    assert export(tmp_path, "--formats", "ids")[0] == 0
    assert files(output, "ids") == ["frame_2.png", "frame_3.png", "frame_4.png"]


def test_alpha_by_the_adapter_of_the_scenes_teacher(toy, locks, tmp_path, monkeypatch):
    class Sure(Matter):
        refine, key = True, "sure"

        def __init__(self):
            pass

        def decode(self, feature_map, decoded, image=None, shown=None):
            assert image is not None and image.shape[:2] == feature_map.image_size
            alpha, box = torch.zeros(feature_map.image_size), decoded[0].boxes[0]
            alpha[int(box.y1) : int(box.y2), int(box.x1) : int(box.x2)] = 0.75
            return alpha

    asked = []

    def load(decoder, adapter, refine):
        asked.append((decoder.teacher, adapter, refine))
        return Sure()

    monkeypatch.setattr(export_source, "load_mask_decoder", lambda pair, device: toy.MaskDecoder())
    monkeypatch.setattr(export_source, "load_adapted_matter", load)
    options = ("--formats", "mattes-exr", "--alpha", "adapter", "--refine", "--adapter", "a.safetensors")
    status, output = export(tmp_path, *options)
    assert status == 0
    assert asked == [("toy-sam", Path("a.safetensors"), True)]
    mattes = read_mattes(output / "mattes-exr/frame_2.exr")
    assert mattes["red square"].max() == 0.75


def test_without_an_adapter_the_geometry_is_not_passed_off_as_one(toy, locks, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(export_source, "load_mask_decoder", lambda pair, device: toy.MaskDecoder())
    status, output = export(tmp_path, "--alpha", "adapter")
    assert status == 1 and not output.exists()
    assert "there is no matting adapter for 'toy-sam' on this machine" in capsys.readouterr().err


@pytest.mark.parametrize("option", [("--refine",), ("--adapter", "a.safetensors")])
def test_how_an_adapter_makes_alpha_is_said_with_the_adapter_only(locks, tmp_path, capsys, option):
    status, output = export(tmp_path, *option)
    assert status == 1 and not output.exists()
    assert "ask for it with --alpha adapter" in capsys.readouterr().err
