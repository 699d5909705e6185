"""COLMAP's models are read, binary and text alike, or refused with the camera or the image."""

import numpy as np
import pytest
import torch
from nerfstudio.cameras.cameras import CAMERA_MODEL_TO_TYPE
from nerfstudio.data.utils import colmap_parsing_utils as colmap

from samnerf.errors import SamNerfError
from samnerf.preprocessing.colmap_model import CAMERA_MODELS, find_model, read_points, read_posed_images

LENSES = {
    "SIMPLE_PINHOLE": ([50, 20, 15], (50, 50, 20, 15), (0,) * 6),
    "PINHOLE": ([50, 51, 20, 15], (50, 51, 20, 15), (0,) * 6),
    "SIMPLE_RADIAL": ([50, 20, 15, 0.1], (50, 50, 20, 15), (0.1, 0, 0, 0, 0, 0)),
    "RADIAL": ([50, 20, 15, 0.1, 0.2], (50, 50, 20, 15), (0.1, 0.2, 0, 0, 0, 0)),
    "OPENCV": ([50, 51, 20, 15, 0.1, 0.2, 0.3, 0.4], (50, 51, 20, 15), (0.1, 0.2, 0, 0, 0.3, 0.4)),
    "OPENCV_FISHEYE": ([50, 51, 20, 15, 0.1, 0.2, 0.3, 0.4], (50, 51, 20, 15), (0.1, 0.2, 0.3, 0.4, 0, 0)),
}
"""COLMAP's parameters, then fx, fy, cx, cy, then k1, k2, k3, k4, p1, p2."""


def camera(number=1, model="PINHOLE", parameters=(50, 51, 20, 15), width=40, height=30):
    return colmap.Camera(number, model, width, height, np.array(parameters, dtype=float))


def image(number=1, name="a.jpg", turn=(1, 0, 0, 0), shift=(0, 0, 0), taken_by=1):
    pixels = np.array([[1.5, 2.5], [3.5, 4.5]])
    return colmap.Image(
        number, np.array(turn, float), np.array(shift, float), taken_by, name, pixels, np.array([7, -1])
    )


def point(number, xyz, colour):
    return colmap.Point3D(number, np.array(xyz, float), np.array(colour), 0.5, np.array([1]), np.array([0]))


@pytest.fixture(params=[".bin", ".txt"])
def model(request, tmp_path):
    """`model(cameras, images, points)` writes a model and returns its folder."""

    def write(cameras=(), images=(), points=()):
        tables = [
            {entry.id: entry for entry in table} for table in (cameras or [camera()], images or [image()], points)
        ]
        colmap.write_model(*tables, str(tmp_path), request.param)
        return tmp_path

    return write


@pytest.mark.parametrize("name", CAMERA_MODELS)
def test_lenses_are_those_of_nerfstudio(model, name):
    parameters, pinhole, distortion = LENSES[name]
    (read,) = read_posed_images(model([camera(model=name, parameters=parameters)]))
    lens = read.intrinsics
    assert (lens.fx, lens.fy, lens.cx, lens.cy) == pinhole
    assert lens.distortion == distortion
    assert read.size == (30, 40)
    assert read.camera_model in CAMERA_MODEL_TO_TYPE
    assert (read.camera_model == "OPENCV_FISHEYE") == (name == "OPENCV_FISHEYE")


@pytest.mark.parametrize("name", sorted(set(colmap.CAMERA_MODEL_NAMES) - set(CAMERA_MODELS)))
def test_other_lenses_are_refused_by_name(model, name):
    parameters = [50.0] * colmap.CAMERA_MODEL_NAMES[name].num_params
    with pytest.raises(SamNerfError, match=rf"camera 1 is of model {name}; supported are SIMPLE_PINHOLE, .*undistort"):
        read_posed_images(model([camera(model=name, parameters=parameters)]))


def test_a_point_is_seen_where_colmap_sees_it(model):
    turn, shift = np.array([0.8, 0.1, -0.3, 0.5]), np.array([0.1, -0.2, 3.0])
    turn /= np.linalg.norm(turn)
    (read,) = read_posed_images(model(images=[image(turn=2 * turn, shift=shift)]))  # COLMAP normalises what it reads
    world = torch.rand(20, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).numpy()
    seen = world @ colmap.qvec2rotmat(turn).T + shift
    ours = (np.linalg.inv(read.camera_to_world) @ np.c_[world, np.ones(20)].T).T[:, :3]
    np.testing.assert_allclose(ours, seen * (1, -1, -1), atol=1e-12)
    assert np.linalg.det(read.camera_to_world) == pytest.approx(1)


def test_images_come_in_the_order_of_names_with_the_cameras_that_took_them(model):
    images = [image(1, "c.jpg", shift=(1, 0, 0), taken_by=2), image(2, "a.jpg"), image(3, "b/a.jpg", taken_by=2)]
    read = read_posed_images(model([camera(), camera(2, parameters=(60, 61, 9, 8))], images))
    assert [one.name for one in read] == ["a.jpg", "b/a.jpg", "c.jpg"]
    assert [one.intrinsics.fx for one in read] == [50, 60, 60]
    assert read[2].camera_to_world[0, 3] == -1


def test_points_come_in_the_order_of_their_numbers(model):
    folder = model(points=[point(9, (1, 2, 3), (255, 0, 7)), point(4, (0.5, 0, -1), (1, 2, 3))])
    points = read_points(folder)
    assert points.positions.tolist() == [[0.5, 0, -1], [1, 2, 3]]
    assert points.colours.tolist() == [[1, 2, 3], [255, 0, 7]]
    assert read_points(model()) is None
    for path in folder.glob("points3D.*"):
        path.unlink()
    assert read_points(folder) is None


@pytest.mark.parametrize(
    ("cameras", "images", "message"),
    [
        ([camera(), camera(2, "OPENCV_FISHEYE", LENSES["OPENCV_FISHEYE"][0])],
         [image(), image(2, "b.jpg", taken_by=2)], r"mixes perspective and fisheye cameras"),
        ([], [image(taken_by=5)], r"image a.jpg was taken by camera 5, which the model does not have"),
        ([], [image(), image(2)], r"image a.jpg occurs twice"),
        ([], [image(shift=(0, np.nan, 0))], r"image a.jpg has no finite pose"),
        ([], [image(turn=(0, 0, 0, 0))], r"image a.jpg has no finite pose"),
        ([camera(parameters=(50, np.inf, 1, 1))], [], r"camera 1: PINHOLE takes 4 finite parameters, not \[50.0, inf"),
        ([camera(parameters=(50, -1, 1, 1))], [], r"camera 1 is 40 x 30 pixels with focal lengths 50 and -1; all must"),
        ([camera(width=0)], [], r"camera 1 is 0 x 30 pixels"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_named(model, cameras, images, message):
    with pytest.raises(SamNerfError, match=message):
        read_posed_images(model(cameras, images))


def test_too_few_parameters_are_refused(tmp_path):
    colmap.write_model({1: camera(parameters=(50, 51, 20))}, {1: image()}, {}, str(tmp_path), ".txt")
    with pytest.raises(SamNerfError, match=r"camera 1: PINHOLE takes 4 finite parameters, not \[50.0, 51.0, 20.0\]"):
        read_posed_images(tmp_path)


def test_a_camera_model_of_a_newer_colmap_is_refused_by_its_number(tmp_path):
    colmap.write_model({1: camera()}, {1: image()}, {}, str(tmp_path), ".bin")
    cameras = bytearray((tmp_path / "cameras.bin").read_bytes())
    cameras[12] = 17
    (tmp_path / "cameras.bin").write_bytes(cameras)
    with pytest.raises(
        SamNerfError, match=r"cameras.bin has a camera of model number 17, which is unknown; supported are"
    ):
        read_posed_images(tmp_path)


def test_a_damaged_table_is_named(model):
    folder = model(points=[point(1, (1, 2, 3), (4, 5, 6))])
    for table, read in (("points3D", read_points), ("images", read_posed_images), ("cameras", read_posed_images)):
        (path,) = folder.glob(f"{table}.*")
        whole = path.read_bytes()
        damaged = [whole[:-9], b"\xff" * 9] if path.suffix == ".bin" else [b"1 PINHOLE many", b"\xff\xfe\xfd"]
        for content in damaged:
            path.write_bytes(content)
            with pytest.raises(SamNerfError, match=rf"{table}\{path.suffix} is damaged or was cut short"):
                read(folder)
        path.unlink()
        if table != "points3D":
            with pytest.raises(SamNerfError, match=rf"has neither {table}.bin nor {table}.txt"):
                read(folder)


def test_a_model_without_images_is_refused(tmp_path):
    colmap.write_model({1: camera()}, {}, {}, str(tmp_path), ".bin")
    with pytest.raises(SamNerfError, match=r"has no registered images; COLMAP found no poses"):
        read_posed_images(tmp_path)


@pytest.mark.parametrize("place", ["sparse/0", "sparse", "colmap/sparse/0"])
def test_a_model_is_found_where_it_is_put(tmp_path, place):
    assert find_model(tmp_path) is None
    (tmp_path / place).mkdir(parents=True)
    assert find_model(tmp_path) is None
    (tmp_path / place / "cameras.txt").touch()
    assert find_model(tmp_path) == tmp_path / place
