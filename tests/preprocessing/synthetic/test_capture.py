"""Captures: whole, readable by nerfstudio, resumable, and never mixed with another."""

import json
import math

import numpy as np
import pytest
from PIL import Image

from samnerf.errors import SamNerfError
from samnerf.preprocessing.synthetic import capture as capture_module
from samnerf.preprocessing.synthetic.capture import CaptureSpecification, dome_cameras, write_capture
from samnerf.preprocessing.synthetic.ground_truth import has_ground_truth, read_ground_truth
from samnerf.preprocessing.synthetic.processes import in_processes
from samnerf.preprocessing.synthetic.ray_tracer import render
from samnerf.preprocessing.synthetic.scene import random_scene

SMALL = {"seed": 5, "objects": (5, 6), "views": 4, "test_views": 2, "width": 56, "height": 40}
SPECIFICATION = CaptureSpecification(**SMALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_capture(tmp_path_factory.mktemp("captures") / "small", **SMALL, workers=1)


def tree(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_ground_truth_reads_back_as_rendered(folder):
    scene = random_scene(5, (5, 6))
    truth = read_ground_truth(folder)
    assert has_ground_truth(folder)
    assert [thing.name for thing in truth.objects] == [thing.name for thing in scene.objects]
    assert truth.named(scene.objects[1].name).id == 2
    np.testing.assert_allclose(truth.objects[0].centre, scene.objects[0].centre)
    rendering = render(scene, dome_cameras(scene, SPECIFICATION)[5])
    np.testing.assert_array_equal(truth.ids("images/frame_0006.png"), rendering.ids)
    np.testing.assert_array_equal(truth.mask("frame_0006", 3), rendering.ids == 3)
    np.testing.assert_array_equal(truth.depth("frame_0006"), rendering.depth)
    np.testing.assert_array_equal(truth.coverage("frame_0006"), rendering.coverage)
    np.testing.assert_array_equal(np.asarray(Image.open(folder / "images/frame_0006.png")), rendering.rgb)


@pytest.mark.timeout(600)
# nerfstudio opens images for their size and never closes them.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_nerfstudio_reads_the_capture(folder):
    from nerfstudio.data.dataparsers.nerfstudio_dataparser import NerfstudioDataParserConfig

    cameras = dome_cameras(random_scene(5, (5, 6)), SPECIFICATION)
    config = NerfstudioDataParserConfig(
        data=folder, orientation_method="none", center_method="none", auto_scale_poses=False
    )
    for split, start, count in (("train", 0, 4), ("test", 4, 2), ("val", 4, 2)):
        outputs = config.setup().get_dataparser_outputs(split)
        assert [path.name for path in outputs.image_filenames] == [
            f"frame_{index + 1:04d}.png" for index in range(start, start + count)
        ]
        for index in range(count):
            read, written = outputs.cameras[index], cameras[start + index]
            np.testing.assert_allclose(read.camera_to_worlds, written.camera_to_world, atol=1e-6)
            assert (int(read.width), int(read.height)) == (56, 40)
            assert float(read.fx) == pytest.approx(written.fx)
            assert float(read.cy) == pytest.approx(20)


def test_a_second_run_changes_nothing(folder):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.name != "transforms.json"}
    content = tree(folder)
    write_capture(folder, **SMALL, workers=1)
    assert {path: path.stat().st_mtime_ns for path in before if path.is_file()} == {
        path: time for path, time in before.items() if path.is_file()
    }
    assert tree(folder) == content


def test_an_interrupted_capture_is_not_readable_and_ends_as_if_nothing_had_happened(folder, tmp_path, monkeypatch):
    stopped = tmp_path / "stopped"

    def stop_at_the_third(done, total):
        assert total == 6
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_capture(stopped, **SMALL, workers=1, progress=stop_at_the_third)
    assert not (stopped / "transforms.json").exists()
    assert len(list((stopped / "images").iterdir())) == 3
    (stopped / "depth/frame_0002.npy").unlink()
    rendered = []
    original = capture_module._write_frame
    monkeypatch.setattr(capture_module, "_write_frame", lambda job: (rendered.append(job[2]), original(job)))
    write_capture(stopped, **SMALL, workers=1)
    assert rendered == [1, 3, 4, 5]
    assert tree(stopped) == tree(folder)


@pytest.mark.timeout(600)  # two processes import torch: seconds, or minutes on a busy machine
def test_the_number_of_processes_does_not_change_a_byte(folder, tmp_path):
    assert tree(write_capture(tmp_path / "parallel", **SMALL, workers=2)) == tree(folder)


def test_a_folder_of_another_specification_is_refused_and_left_alone(folder):
    before = tree(folder)
    with pytest.raises(SamNerfError, match=r"another specification .*seed 5.*, not of .*seed 6"):
        write_capture(folder, **{**SMALL, "seed": 6}, workers=1)
    assert tree(folder) == before


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "holiday.png").write_bytes(b"")
    with pytest.raises(SamNerfError, match="not empty and holds no synthetic capture"):
        write_capture(tmp_path, **SMALL)
    with pytest.raises(SamNerfError, match="is a file"):
        write_capture(tmp_path / "holiday.png", **SMALL)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": -1}, "--seed is -1"),
        ({"objects": (4, 2)}, "--objects is 4 2"),
        ({"views": 0}, "--views is 0"),
        ({"test_views": -1}, "--test-views is -1"),
        ({"width": 8}, "--width is 8 but must be from 16"),
        ({"height": 9000}, "--height is 9000"),
    ],
)
def test_an_impossible_specification_names_the_option(tmp_path, change, message):
    with pytest.raises(SamNerfError, match=message):
        write_capture(tmp_path / "none", **{**SMALL, **change})
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_test_cameras_stand_between_training_cameras_and_see_most_objects(seed):
    specification = CaptureSpecification(seed=seed)
    scene = random_scene(seed)
    cameras = dome_cameras(scene, specification)
    positions = np.array([camera.position.numpy() for camera in cameras])
    train, test = positions[:60], positions[60:]
    nearest = np.linalg.norm(test[:, None] - train[None], axis=-1).min(axis=1)
    assert nearest.min() > 0.05
    assert nearest.max() < 0.8
    everywhere = np.arctan2(train[:, 1], train[:, 0])
    assert (np.histogram(everywhere, bins=8, range=(-math.pi, math.pi))[0] >= 5).all()
    for camera in cameras:
        for thing in scene.objects:
            assert np.linalg.norm(camera.position.numpy() - thing.centre) > thing.solid.bounding_radius + 0.3


@pytest.mark.parametrize(("width", "height"), [(30, 60), (60, 30)])
def test_portrait_and_landscape_see_the_same_on_the_shorter_side(width, height):
    scene = random_scene(3)
    camera = dome_cameras(scene, CaptureSpecification(seed=3, width=width, height=height))[0]
    rendering = render(scene, camera)
    assert rendering.ids.shape == (height, width)
    assert 2 * math.degrees(math.atan(15 / camera.fx)) == pytest.approx(50)
    assert len(np.unique(rendering.ids)) > 3


def test_damage_to_the_ground_truth_is_named(folder, tmp_path):
    truth = read_ground_truth(folder)
    with pytest.raises(SamNerfError, match="no ground truth for frame frame_0099"):
        truth.ids("frame_0099")
    with pytest.raises(SamNerfError, match="has no object 'teapot'; it has "):
        truth.named("teapot")
    with pytest.raises(SamNerfError, match="does not exist"):
        read_ground_truth(tmp_path)
    (tmp_path / "objects.json").write_text(json.dumps({"objects": [{"id": 1}]}))
    with pytest.raises(SamNerfError, match="an entry lacks a proper id"):
        read_ground_truth(tmp_path)
    for kind, suffix in (("masks", "png"), ("depth", "npy"), ("coverage", "npz")):
        (tmp_path / kind).mkdir()
        whole = (folder / kind / f"frame_0001.{suffix}").read_bytes()
        (tmp_path / kind / f"frame_0001.{suffix}").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "objects.json").write_bytes((folder / "objects.json").read_bytes())
    damaged = read_ground_truth(tmp_path)
    for read in (damaged.ids, damaged.depth, damaged.coverage):
        with pytest.raises(SamNerfError, match=r"cannot be read .* run samnerf synthetic again"):
            read("frame_0001")


def _square(number):
    if number == 3:
        raise SamNerfError("three is not wanted")
    return number * number


def test_processes_answer_in_order_and_pass_errors_on():
    assert list(in_processes(_square, [1, 2], workers=1)) == [1, 4]
    with pytest.raises(SamNerfError, match="three is not wanted"):
        list(in_processes(_square, [1, 3, 2], workers=1))
