"""A scene in the layout of Mip-NeRF 360 becomes a capture that says of its cameras what was known of them."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from nerfstudio.cameras.cameras import CAMERA_MODEL_TO_TYPE
from nerfstudio.data.dataparsers.nerfstudio_dataparser import NerfstudioDataParserConfig
from nerfstudio.data.utils import colmap_parsing_utils as colmap

from samnerf.camera import Camera
from samnerf.cli.main import main
from samnerf.errors import SamNerfError
from samnerf.feature_store import FeatureStore
from samnerf.preprocessing import extraction
from samnerf.preprocessing.captures import read_capture
from samnerf.preprocessing.dataparser import CaptureDataParserConfig
from samnerf.preprocessing.mipnerf360 import prepare_scene

SCRIPT = Path(__file__).resolve().parents[2] / "preprocessing" / "mipnerf360.sh"
LEAVES_FILES_OPEN = pytest.mark.filterwarnings(
    "ignore:unclosed file:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
"""nerfstudio's parser opens an image to choose a size, and never closes it."""


@pytest.mark.parametrize("ending", [".bin", ".txt"])
def test_colmaps_poses_come_back_exactly(scene, ending):
    scene.write_colmap("PINHOLE", [scene.focal, scene.focal, 34.0, 26.0], ending)
    prepared = prepare_scene(scene.folder, scale=1)
    assert (prepared.poses, prepared.points, prepared.changed) == ("colmap", 3, True)
    for frame, name, pose in zip(scene.capture().frames, scene.names, scene.poses, strict=True):
        assert frame.image == scene.folder / "images" / name
        np.testing.assert_allclose(frame.camera_to_world, pose, atol=1e-13)
        assert (frame.intrinsics.cx, frame.intrinsics.cy) == (34.0, 26.0)


def test_llffs_poses_come_back_exactly_in_the_world_of_colmap(scene):
    prepared = prepare_scene(scene.folder, poses="llff", scale=1)
    assert (prepared.poses, prepared.points) == ("llff", 0)
    assert "ply_file_path" not in scene.document()
    for frame, name, pose in zip(scene.capture().frames, scene.names, scene.poses, strict=True):
        assert frame.image.name == name
        np.testing.assert_array_equal(frame.camera_to_world, pose)
        lens = frame.intrinsics
        assert (lens.fx, lens.cx, lens.cy) == (scene.focal, scene.width / 2, scene.height / 2)


@pytest.mark.parametrize("poses", ["colmap", "llff"])
@pytest.mark.parametrize("scale", [1, 2, 4])
def test_intrinsics_follow_the_true_size_of_the_images(scene, poses, scale):
    prepare_scene(scene.folder, poses=poses, scale=scale)
    height, width = scene.reduced[scale]
    for frame in scene.capture().frames:
        assert frame.size == (height, width)
        lens = frame.intrinsics
        assert (lens.fx, lens.fy) == pytest.approx(
            (scene.focal * width / scene.width, scene.focal * height / scene.height), rel=1e-12
        )
        assert (lens.cx, lens.cy) == pytest.approx((width / 2, height / 2), rel=1e-12)


def test_what_is_there_is_chosen_by_itself(scene):
    assert prepare_scene(scene.folder).poses == "colmap"
    assert scene.document()["prepared_by"]["scale"] == 1
    scene.only("llff")
    assert prepare_scene(scene.folder).poses == "llff"


@pytest.mark.parametrize(("test_every", "test"), [(8, [0, 8]), (3, [0, 3, 6, 9])])
def test_every_nth_image_in_the_order_of_names_is_for_testing(scene, test_every, test):
    prepared = prepare_scene(scene.folder, test_every=test_every)
    capture = scene.capture()
    assert [frame.image.name for frame in capture.split("test")] == [scene.names[i] for i in test]
    assert [frame.image.name for frame in capture.split("train")] == [
        name for i, name in enumerate(scene.names) if i not in test
    ]
    assert (prepared.train, prepared.test) == (scene.count - len(test), len(test))


@LEAVES_FILES_OPEN
@pytest.mark.parametrize("poses", ["colmap", "llff"])
@pytest.mark.parametrize("scale", [1, 4])
def test_nerfstudio_and_we_read_the_same_cameras(scene, poses, scale):
    prepare_scene(scene.folder, poses=poses, scale=scale)
    theirs, ours = (
        config(data=scene.folder).setup() for config in (NerfstudioDataParserConfig, CaptureDataParserConfig)
    )
    for split in ("train", "test"):
        expected, got = theirs.get_dataparser_outputs(split), ours.get_dataparser_outputs(split)
        assert got.image_filenames == expected.image_filenames
        assert len(got.image_filenames) == (8 if split == "train" else 2)
        for key in ("camera_to_worlds", "fx", "fy", "cx", "cy", "height", "width", "distortion_params"):
            torch.testing.assert_close(getattr(got.cameras, key), getattr(expected.cameras, key))


@LEAVES_FILES_OPEN
@pytest.mark.parametrize("own_lens", [False, True])
@pytest.mark.parametrize(
    ("model", "distortion"), [("OPENCV", [0, 0, 0.03, 0.04]), ("OPENCV_FISHEYE", [0.03, 0.04, 0, 0])]
)
def test_distorted_lenses_and_several_cameras_reach_nerfstudio(scene, model, distortion, own_lens):
    scene.write_colmap(model, [60, 61, 35, 25, 0.1, 0.2, 0.03, 0.04])
    if own_lens:
        change_camera_of_last_image(scene)
    prepare_scene(scene.folder, scale=2)
    assert ("fl_x" in scene.document()) != own_lens
    for config in (NerfstudioDataParserConfig, CaptureDataParserConfig):
        cameras = config(data=scene.folder).setup().get_dataparser_outputs("train").cameras
        assert cameras.fx[:, 0].tolist() == [30] * 7 + [40 if own_lens else 30]
        # k1, k2, k3, k4, p1, p2; distortion is the same at every size
        expected = torch.tensor([0.1, 0.2, *distortion]).expand(8, 6)
        torch.testing.assert_close(cameras.distortion_params, expected)
        assert (cameras.camera_type == CAMERA_MODEL_TO_TYPE[model].value).all()


def change_camera_of_last_image(scene):
    """Give it a camera of its own, with a longer focal length."""
    folder = scene.folder / "sparse" / "0"
    cameras, images, points = (
        read(folder / f"{table}.bin")
        for table, read in (
            ("cameras", colmap.read_cameras_binary),
            ("images", colmap.read_images_binary),
            ("points3D", colmap.read_points3D_binary),
        )
    )
    parameters = cameras[1].params.copy()
    parameters[0] = 80
    cameras[2] = cameras[1]._replace(id=2, params=parameters)
    images[1] = images[1]._replace(camera_id=2)
    colmap.write_model(cameras, images, points, str(folder), ".bin")


@LEAVES_FILES_OPEN
@pytest.mark.parametrize("elsewhere", [False, True])
def test_sparse_points_lie_where_the_cameras_see_them(scene, tmp_path, elsewhere):
    output = tmp_path / "captures" / "garden" if elsewhere else scene.folder
    prepare_scene(scene.folder, output, scale=2)
    outputs = NerfstudioDataParserConfig(data=output).setup().get_dataparser_outputs("test")
    cloud = trimesh.load(output / json.loads((output / "transforms.json").read_text())["ply_file_path"])
    to_nerfstudio = outputs.dataparser_transform.double().numpy()
    world = (cloud.vertices @ to_nerfstudio[:, :3].T + to_nerfstudio[:, 3]) * outputs.dataparser_scale
    cameras = outputs.cameras
    lens = [getattr(cameras, key)[0].item() for key in ("fx", "fy", "cx", "cy")]
    pixels, _, inside = Camera(cameras.camera_to_worlds[0], *lens, 25, 35).project(torch.from_numpy(world).float())
    assert inside.all()
    # Points are sorted by their numbers, which go against the order in which they were made.
    np.testing.assert_allclose(pixels.numpy(), scene.pixels[::-1] / 2, atol=1e-3)
    assert cloud.colors[:, :3].tolist() == [[20, 20, 30], [10, 20, 30], [0, 20, 30]]


def test_a_capture_can_lie_elsewhere_and_copies_nothing(scene, tmp_path):
    before = scene.state()
    output = tmp_path / "captures" / "garden_4"
    prepare_scene(scene.folder, output, scale=4)
    assert scene.state() == before
    assert {path.name for path in output.iterdir()} == {"transforms.json", "sparse_pc.ply"}
    capture = read_capture(output)
    assert capture.frames[0].image.resolve() == (scene.folder / "images_4" / scene.names[0]).resolve()
    entry = json.loads((output / "transforms.json").read_text())["frames"][0]
    assert entry["file_path"] == "../../360_v2/garden/images_4/DSCF0000.JPG"


@pytest.mark.parametrize("poses", ["colmap", "llff"])
def test_a_second_run_changes_nothing(scene, poses):
    assert prepare_scene(scene.folder, poses=poses).changed
    before = scene.state()
    assert not prepare_scene(scene.folder, poses=poses).changed
    assert scene.state() == before
    assert prepare_scene(scene.folder, poses=poses, scale=2).changed
    assert scene.document()["w"] == 35


def test_files_of_others_are_not_overwritten(scene):
    path = scene.folder / "transforms.json"
    path.write_text('{"frames": []}')
    with pytest.raises(SamNerfError, match=r"transforms.json was not written by samnerf prepare mipnerf360; move it"):
        prepare_scene(scene.folder)
    assert path.read_text() == '{"frames": []}'
    path.unlink()
    (scene.folder / "sparse_pc.ply").write_bytes(b"ply")
    with pytest.raises(SamNerfError, match=r"sparse_pc.ply was not written by"):
        prepare_scene(scene.folder)
    assert not path.exists()
    with pytest.raises(SamNerfError, match=r"poses_bounds.npy is a file; --output names a folder"):
        prepare_scene(scene.folder, scene.folder / "poses_bounds.npy")


def test_reduced_images_of_other_names_are_matched_by_their_order(scene):
    reduced = scene.folder / "images_4"
    for i, name in enumerate(scene.names):
        (reduced / name).rename(reduced / f"image{i:03d}.png")
    scene.write_colmap("PINHOLE", [scene.focal] * 2 + [35, 25], names=scene.names)
    prepare_scene(scene.folder, scale=4)
    for i, frame in enumerate(scene.capture().frames):
        assert frame.image.name == f"image{i:03d}.png"
        np.testing.assert_allclose(frame.camera_to_world, scene.poses[i], atol=1e-13)


def test_reduced_images_of_another_format_are_matched_by_their_stem(scene):
    scene.write_colmap("PINHOLE", [scene.focal] * 2 + [35, 25], names=[f"DSCF{i:04d}.png" for i in range(scene.count)])
    prepare_scene(scene.folder, scale=1)
    assert [frame.image.name for frame in scene.capture().frames] == scene.names


def test_photographs_without_a_pose_are_left_out_and_counted(scene):
    shutil.copy(scene.folder / "images" / "DSCF0003.JPG", scene.folder / "images" / "DSCF0003b.JPG")
    assert prepare_scene(scene.folder, scale=1).without_pose == 1
    assert [frame.image.name for frame in scene.capture().frames] == scene.names
    with pytest.raises(SamNerfError, match=r"poses_bounds.npy has 10 poses but .*images has 11 images"):
        prepare_scene(scene.folder, poses="llff", scale=1)


@pytest.mark.parametrize("layout", [None, "stretch"])
def test_features_are_extracted_from_a_prepared_scene(scene, colour_encoder, layout):
    prepare_scene(scene.folder, scale=4)
    store = extraction.extract_store(scene.capture(), colour_encoder(), layout)
    assert store.complete
    assert store.folder.parent == scene.folder / "features"
    assert store.map("DSCF0000").image_size == scene.reduced[4]


def test_the_command_says_what_came_of_it(scene, capsys):
    assert main(["prepare", "mipnerf360", str(scene.folder), "--scale", "4"]) == 0
    said = capsys.readouterr().out
    assert f"8 + 2 images of images_4, poses by COLMAP, 3 sparse points, in {scene.folder / 'transforms.json'}" in said
    shutil.rmtree(scene.folder / "images_2")
    command = ["prepare", "mipnerf360", str(scene.folder), "--poses", "llff", "--scale", "2"]
    assert main(command) == 1
    said = capsys.readouterr().err
    assert said.startswith("samnerf prepare: ") and said.count("\n") == 1
    assert main([*command, "--make-images"]) == 0
    assert "8 + 2 images of images_2, poses by LLFF, 10 images resized, in " in capsys.readouterr().out
    assert main([*command, "--make-images"]) == 0
    assert "poses by LLFF, already in " in capsys.readouterr().out


@pytest.fixture
def script(tmp_path):
    """Runs mipnerf360.sh with a `samnerf` on the path that repeats what it is told."""
    (tmp_path / "samnerf").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "samnerf").chmod(0o755)

    def run(*arguments, **environment):
        path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
        return subprocess.run(
            ["bash", str(SCRIPT), *arguments], env={**os.environ, **path, **environment}, capture_output=True, text=True
        )

    return run


def test_the_script_calls_prepare_and_extract(script):
    assert script("a b/garden", "json", "--scale", "4").stdout == "prepare mipnerf360 a b/garden --scale 4\n"
    assert script("garden", "feature").stdout == "extract garden --teachers sam-vit-h\n"
    assert script("garden", "feature", "--device", "cpu", TEACHERS="tiny").stdout == (
        "extract garden --teachers tiny --device cpu\n"
    )
    for arguments, message in (
        ((), "usage: "),
        (("garden",), "usage: "),
        (("garden", "train"), "no step train; choose"),
    ):
        answer = script(*arguments)
        assert (answer.returncode, answer.stdout) == (2, "")
        assert message in answer.stderr


def test_a_scene_goes_from_the_command_line_to_a_feature_store(scene, colour_encoder, monkeypatch, capsys):
    monkeypatch.setattr(extraction, "load_encoder", lambda pair, kind, device: colour_encoder())
    assert main(["prepare", "mipnerf360", str(scene.folder), "--scale", "4"]) == 0
    assert main(["extract", str(scene.folder), "--kinds", "sam", "--device", "cpu"]) == 0
    assert "10 images" in capsys.readouterr().out
    assert FeatureStore.open(scene.folder / "features" / "colours-letterbox").complete
