"""`poses_bounds.npy` is read in LLFF's axes, or refused with the row and the reason."""

import numpy as np
import pytest

from samnerf.errors import SamNerfError
from samnerf.preprocessing.llff import read_poses_bounds


def table(count=3, height=30.0, width=40.0, focal=50.0):
    """Cameras at (i, 0, 0) with x right, y up and z backwards along the world's own axes."""
    rows = []
    for i in range(count):
        down, right, backwards = (0, -1, 0), (1, 0, 0), (0, 0, 1)
        matrix = np.stack([down, right, backwards, (i, 0, 0), (height, width, focal)], axis=1)
        rows.append([*matrix.ravel(), 1.0, 9.0])
    return np.array(rows)


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_a_camera_whose_axes_are_the_worlds_has_the_identity_for_rotation(tmp_path, kind):
    np.save(tmp_path / "poses_bounds.npy", table().astype(kind))
    for i, image in enumerate(read_poses_bounds(tmp_path / "poses_bounds.npy")):
        expected = np.eye(4)
        expected[0, 3] = i
        np.testing.assert_array_equal(image.camera_to_world, expected)
        assert (image.name, image.size, image.camera_model) == (None, (30, 40), "OPENCV")
        lens = image.intrinsics
        assert (lens.fx, lens.fy, lens.cx, lens.cy, lens.distortion) == (50, 50, 20, 15, (0,) * 6)


def test_bounds_may_be_anything(tmp_path):
    rows = table()
    rows[:, 15:] = np.nan
    np.save(tmp_path / "poses_bounds.npy", rows)
    assert len(read_poses_bounds(tmp_path / "poses_bounds.npy")) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({(1, 3): np.nan}, r"row 1 holds NaN or infinity"),
        ({(2, 4): np.inf}, r"row 2 holds NaN or infinity"),
        ({(0, 1): 2.0}, r"row 0 holds no rotation; its columns should be the camera's down, right and backwards axes"),
        ({(0, 1): -1.0}, r"row 0 holds no rotation"),
        ({(0, 4): 0.0}, r"row 0 gives height 0, width 40 and focal length 50; all must be positive"),
        ({(0, 14): -5.0}, r"row 0 gives height 30, width 40 and focal length -5"),
    ],
)
def test_an_impossible_camera_is_named(tmp_path, change, message):
    rows = table()
    for place, value in change.items():
        rows[place] = value
    np.save(tmp_path / "poses_bounds.npy", rows)
    with pytest.raises(SamNerfError, match=rf"poses_bounds.npy: {message}"):
        read_poses_bounds(tmp_path / "poses_bounds.npy")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (table()[:, :15], r"holds 3 x 15 of type float64; expected N x 17 numbers"),
        (table()[:0], r"holds 0 x 17 of type float64; expected"),
        (table().ravel(), r"holds 51 of type float64; expected"),
        (np.array(1.0), r"holds a single value of type float64; expected"),
        (table().astype("U8"), r"holds 3 x 17 of type <U8; expected"),
    ],
)
def test_another_array_is_refused(tmp_path, array, message):
    np.save(tmp_path / "poses_bounds.npy", array)
    with pytest.raises(SamNerfError, match=message):
        read_poses_bounds(tmp_path / "poses_bounds.npy")


def test_a_file_that_is_no_array_is_refused(tmp_path):
    path = tmp_path / "poses_bounds.npy"
    with pytest.raises(SamNerfError, match=r"poses_bounds.npy does not exist"):
        read_poses_bounds(path)
    np.save(path, table())
    whole = path.read_bytes()
    for content in (b"", b"no array", whole[:100], whole[:-8], b"PK\x03\x04"):
        path.write_bytes(content)
        with pytest.raises(SamNerfError, match=r"cannot be read as an .npy file of N x 17 numbers"):
            read_poses_bounds(path)
    np.savez(tmp_path / "archive.npz", table())
    with pytest.raises(SamNerfError, match=r"archive.npz cannot be read as an .npy file"):
        read_poses_bounds(tmp_path / "archive.npz")


def test_objects_are_never_unpickled(tmp_path):
    np.save(tmp_path / "poses_bounds.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(SamNerfError, match=r"cannot be read"):
        read_poses_bounds(tmp_path / "poses_bounds.npy")
