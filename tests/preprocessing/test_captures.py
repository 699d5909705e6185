"""A capture is read whole, or refused with the frame and the reason."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from nerfstudio.cameras.cameras import CAMERA_MODEL_TO_TYPE
from PIL import Image

from samnerf.errors import SamNerfError
from samnerf.preprocessing.captures import CAMERA_MODELS, read_capture

MIXED = ((24, 32), (32, 24), (16, 16))


def test_frames_carry_what_the_file_says(photographs):
    capture = photographs(MIXED)
    read = read_capture(capture.folder)
    assert [frame.name for frame in read.frames] == ["frame_0000", "frame_0001", "frame_0002"]
    assert [frame.size for frame in read.frames] == list(MIXED)
    for frame, entry in zip(read.frames, capture.frames, strict=True):
        assert frame.image == capture.folder / entry["file_path"]
        assert np.array_equal(frame.camera_to_world, entry["transform_matrix"])
        assert (frame.intrinsics.fx, frame.intrinsics.cy) == (entry["fl_x"], entry["cy"])
        assert frame.intrinsics.distortion == (0.0,) * 6
    assert read.camera_model == "OPENCV"
    assert not read.overridden


def test_the_folder_and_its_json_file_are_the_same_capture(photographs):
    folder = photographs().folder
    by_folder, by_file = read_capture(folder), read_capture(folder / "transforms.json")
    assert [frame.image for frame in by_folder.frames] == [frame.image for frame in by_file.frames]
    assert by_folder.features == by_file.features == folder / "features"


def test_a_frame_goes_before_the_file(photographs):
    capture = photographs()
    for entry in capture.frames[1:]:
        for key in ("fl_x", "fl_y", "cx", "cy", "w", "h"):
            del entry[key]
    capture.frames[0]["k1"] = 0.5
    read = read_capture(capture.save(fl_x=70.0, fl_y=71.0, cx=16.0, cy=12.0, w=32, h=24, k1=0.1, p2=0.2))
    assert [frame.intrinsics.fx for frame in read.frames] == [50.0, 70.0, 70.0]
    assert read.frames[0].intrinsics.distortion == (0.5, 0, 0, 0, 0, 0.2)
    assert read.frames[1].intrinsics.distortion == (0.1, 0, 0, 0, 0, 0.2)
    assert read.overridden


def test_frames_are_ordered_by_path_and_every_eighth_is_for_testing(photographs):
    capture = photographs([(4, 4)] * 18)
    capture.frames.reverse()
    read = read_capture(capture.save())
    names = [f"frame_{i:04d}" for i in range(18)]
    assert [frame.name for frame in read.frames] == names
    assert [frame.name for frame in read.split("test")] == [names[0], names[8], names[16]]
    assert [frame.name for frame in read.split("val")] == [names[0], names[8], names[16]]
    assert len(read.split("train")) == 15


def test_lists_of_files_decide_the_split(photographs):
    capture = photographs([(4, 4)] * 5)
    paths = [entry["file_path"] for entry in capture.frames]
    read = read_capture(capture.save(train_filenames=paths[:2], test_filenames=[paths[3]]))
    assert [frame.split for frame in read.frames] == ["train", "train", "unused", "test", "unused"]
    assert read.split("val") == read.split("test")
    read = read_capture(capture.save(val_filenames=paths[3:]))
    assert [frame.split for frame in read.frames] == ["train", "train", "unused", "test", "val"]


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({"train_filenames": [0]}, r"gives train_filenames; expected train_filenames and test_filenames"),
        ({"test_filenames": [0]}, r"gives test_filenames; expected"),
        ({"train_filenames": [], "test_filenames": [0]}, "each with at least one file"),
        ({"train_filenames": [0, 1], "test_filenames": [1]}, "frame_0001.png is listed both for training and for test"),
        ({"train_filenames": ["cat.png"], "test_filenames": [1]}, "train_filenames names cat.png, which is no frame"),
        ({"train_filenames": "all", "test_filenames": [1]}, "train_filenames must be a list of file paths"),
    ],
)
def test_a_split_that_cannot_be_is_refused(photographs, lists, message):
    capture = photographs()

    def named(entries):
        if isinstance(entries, str):
            return entries
        return [entry if isinstance(entry, str) else capture.frames[entry]["file_path"] for entry in entries]

    with pytest.raises(SamNerfError, match=message):
        read_capture(capture.save(**{key: named(entries) for key, entries in lists.items()}))


def test_equal_file_names_in_two_folders_give_different_names(photographs):
    capture = photographs()
    (capture.folder / "other").mkdir()
    moved = "other/frame_0000.png"
    capture.image(1).rename(capture.folder / moved)
    capture.frames[1]["file_path"] = moved
    read = read_capture(capture.save())
    assert [frame.name for frame in read.frames] == ["images/frame_0000", "images/frame_0002", "other/frame_0000"]


def test_a_frame_is_found_by_its_file(photographs, tmp_path, monkeypatch):
    capture = photographs()
    read = read_capture(capture.folder)
    assert read.frame(capture.image(1)).name == "frame_0001"
    monkeypatch.chdir(tmp_path)
    assert read.frame(capture.image(2).relative_to(tmp_path)).name == "frame_0002"
    with pytest.raises(SamNerfError, match=r"has no image cat.png"):
        read.frame(Path("cat.png"))


def test_the_camera_models_are_those_of_nerfstudio():
    assert set(CAMERA_MODELS) == set(CAMERA_MODEL_TO_TYPE)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "transforms.json is empty"),
        ("{", "is not JSON: .* at line 1"),
        ("[]", "holds no JSON object"),
        ("{}", 'has no frames; expected "frames" with at least one entry'),
        ('{"frames": []}', "has no frames"),
        ('{"frames": {}}', "has no frames"),
        ('{"frames": [3]}', 'frame 0 has no "file_path"'),
        ('{"frames": [{}]}', 'frame 0 has no "file_path"'),
        ('{"frames": [{"file_path": 3}]}', 'frame 0 has no "file_path"'),
        ('{"frames": [{"file_path": "a.png"}], "camera_model": "PINHOLES"}', "camera_model is 'PINHOLES'; known are"),
    ],
)
def test_a_malformed_file_is_named(tmp_path, content, message):
    (tmp_path / "transforms.json").write_text(content)
    with pytest.raises(SamNerfError, match=message) as caught:
        read_capture(tmp_path)
    assert "transforms.json" in str(caught.value)


def test_a_capture_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SamNerfError, match=r"capture .*nowhere does not exist or is no folder"):
        read_capture(tmp_path / "nowhere")
    with pytest.raises(SamNerfError, match=r"capture .*transforms.json does not exist"):
        read_capture(tmp_path)
    with pytest.raises(SamNerfError, match=r"capture .*other.json does not exist"):
        read_capture(tmp_path / "other.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"transform_matrix": None}, "transform_matrix has shape"),
        ({"transform_matrix": np.eye(4)[:3].tolist()}, r"transform_matrix has shape \[3, 4\] but must be 4 x 4"),
        ({"transform_matrix": [[1, 2], [3]]}, "transform_matrix is not a matrix of numbers"),
        ({"transform_matrix": "identity"}, "transform_matrix is not a matrix of numbers"),
        ({"transform_matrix": np.full((4, 4), math.nan).tolist()}, "transform_matrix holds NaN or infinity"),
        ({"transform_matrix": np.full((4, 4), math.inf).tolist()}, "transform_matrix holds NaN or infinity"),
        ({"transform_matrix": np.zeros((4, 4)).tolist()}, "does not hold a rotation"),
        ({"fl_x": 0}, "fl_x is 0 but must be positive"),
        ({"fl_y": -3.5}, "fl_y is -3.5 but must be positive"),
        ({"fl_x": "wide"}, "fl_x is 'wide' but must be a finite number"),
        ({"cx": math.nan}, "cx is nan but must be a finite number"),
        ({"cy": None}, "cy is missing; give it in the frame or for all frames"),
        ({"h": None}, "h is missing"),
        ({"w": 31}, "is 32 x 24 pixels but its w and h say 31 x 24"),
        ({"w": 24, "h": 32}, "is 32 x 24 pixels but its w and h say 24 x 32"),
        ({"k1": True}, "k1 is True but must be a finite number"),
        ({"distortion_params": [1, 2]}, r"distortion_params is \[1, 2\] but must be 6 numbers"),
    ],
)
def test_a_malformed_frame_is_named_with_its_file(photographs, change, message):
    capture = photographs()
    capture.frames[1] |= change
    with pytest.raises(SamNerfError, match=rf"frame 1 \(images/frame_0001.png\).*{message}"):
        read_capture(capture.save())


def test_missing_files_are_counted_and_the_first_is_named(photographs):
    capture = photographs()
    capture.image(1).unlink()
    with pytest.raises(SamNerfError, match=r"frame 1 names images/frame_0001.png, which does not exist; restore it"):
        read_capture(capture.folder)
    capture.image(2).unlink()
    with pytest.raises(SamNerfError, match=r"frame_0001.png, which does not exist \(and 1 more like it\)"):
        read_capture(capture.folder)


def test_a_mask_or_depth_that_is_not_there_is_named(photographs):
    capture = photographs()
    capture.frames[2]["mask_path"] = "masks/frame_0002.png"
    with pytest.raises(SamNerfError, match=r"frame 2 names masks/frame_0002.png, which does not exist"):
        read_capture(capture.save())


def test_a_file_named_twice_is_refused(photographs):
    capture = photographs()
    capture.frames[2]["file_path"] = "images/../images/frame_0000.png".replace("../images/", "")
    with pytest.raises(SamNerfError, match=r"frames 0 and 2 both name images/frame_0000.png"):
        read_capture(capture.save())


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_truncated_image_is_found_by_decoding(photographs, suffix):
    capture = photographs([(64, 64)] * 3)
    path = capture.image(1).with_suffix(suffix)
    Image.open(capture.image(1)).save(path)
    capture.frames[1]["file_path"] = f"images/{path.name}"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    capture.save()
    with pytest.raises(SamNerfError, match=rf"image .*{path.name} cannot be read, it may be truncated"):
        read_capture(capture.folder)
    assert len(read_capture(capture.folder, decode=False).frames) == 3


@pytest.mark.parametrize("content", [b"", b"no image at all"])
def test_a_file_that_is_no_image_is_named(photographs, content):
    capture = photographs()
    capture.image(1).write_bytes(content)
    with pytest.raises(SamNerfError, match=r"image .*frame_0001.png cannot be read, .*: it is not an image"):
        read_capture(capture.folder, decode=False)


def test_exif_rotation_is_ignored_with_a_warning(photographs):
    capture = photographs()
    path = capture.image(1).with_suffix(".jpg")
    exif = Image.Exif()
    exif[274] = 6
    Image.open(capture.image(1)).save(path, exif=exif)
    capture.frames[1]["file_path"] = f"images/{path.name}"
    read = read_capture(capture.save())
    assert read.frames[1].size == (24, 32)
    assert read.warnings == (
        "images/frame_0001.jpg asks by EXIF to be turned; it is used as stored, as nerfstudio does",
    )


def test_the_fox_is_read_whole(fox):
    read = read_capture(fox)
    assert len(read.frames) == 50
    assert {frame.size for frame in read.frames} == {(480, 270)}
    assert len(read.split("test")) == 7
    document = json.loads((fox / "transforms.json").read_text())
    assert read.frames[0].intrinsics.distortion == (
        document["k1"],
        document["k2"],
        0,
        0,
        document["p1"],
        document["p2"],
    )
