"""Captures of a few small photographs, and an encoder that looks at nothing but mean colours."""

import copy
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from nerfstudio.data.utils import colmap_parsing_utils as colmap
from PIL import Image

from samnerf.camera import Camera
from samnerf.feature_map import FeatureMap, cell_centres
from samnerf.preprocessing.captures import read_capture
from samnerf.preprocessing.synthetic.capture import write_capture


class Photographs:
    """Writes a capture; `document` is its transforms.json, to be changed and saved again."""

    def __init__(self, folder, sizes):
        self.folder = folder
        self.document = {"camera_model": "OPENCV", "frames": []}
        (folder / "images").mkdir(parents=True)
        for i, (height, width) in enumerate(sizes):
            image = np.random.default_rng(i).integers(0, 256, (height, width, 3), dtype=np.uint8)
            Image.fromarray(image).save(folder / "images" / f"frame_{i:04d}.png")
            pose = np.eye(4)
            pose[:3, 3] = np.cos(i), np.sin(i), i
            lens = {"fl_x": 50.0 + i, "fl_y": 51.0 + i, "cx": width / 2, "cy": height / 2, "w": width, "h": height}
            frame = {"file_path": f"images/frame_{i:04d}.png", "transform_matrix": pose.tolist()}
            self.document["frames"].append(frame | lens)
        self.save()

    @property
    def frames(self):
        return self.document["frames"]

    def image(self, index):
        return self.folder / self.frames[index]["file_path"]

    def save(self, **changes):
        self.document |= changes
        (self.folder / "transforms.json").write_text(json.dumps(self.document))
        return self.folder


@pytest.fixture
def photographs(tmp_path):
    """`photographs(sizes)` writes a capture with a frame of each size (H, W)."""
    return lambda sizes=((24, 32),) * 3, name="capture": Photographs(tmp_path / name, sizes)


class MeanColourEncoder:
    """The colour of the pixel in the middle of each cell, and with `summary` the mean colour."""

    name = "colours"
    weights_hash = "c0ffee"
    channels = 3
    side = 8
    layout = "letterbox"

    def __init__(self, summary=False):
        self.summary = summary
        self.seen = []

    def encode(self, image, layout=None):
        self.seen.append(copy.copy(image))
        layout = layout or self.layout
        points = cell_centres(image.shape[:2], self.side, layout)
        rows = points[..., 1].long().clamp(max=image.shape[0] - 1)
        columns = points[..., 0].long().clamp(max=image.shape[1] - 1)
        pixels = torch.from_numpy(image).float()
        summary = pixels.mean(dim=(0, 1)) if self.summary else None
        return FeatureMap(pixels[rows, columns].permute(2, 0, 1), image.shape[:2], layout, self.name, summary)


@pytest.fixture
def colour_encoder():
    """The class; an instance keeps the images it has seen."""
    return MeanColourEncoder


class Scene360:
    """A scene as the data set has it, in both forms.

    The true cameras are those of a synthetic capture, with rotations made exact in double precision.
    """

    count, width, height = 10, 70, 50

    def __init__(self, folder, rendered):
        self.folder = folder
        self.reduced = {1: (50, 70), 2: (25, 35), 4: (13, 18)}  # scale -> (H, W), rounded up
        document = json.loads((rendered / "transforms.json").read_text())
        self.focal = document["fl_x"]
        self.names = [f"DSCF{i:04d}.JPG" for i in range(self.count)]
        self.poses = np.array([frame["transform_matrix"] for frame in document["frames"]])
        for pose in self.poses:
            u, _, v = np.linalg.svd(pose[:3, :3])
            pose[:3, :3] = u @ v
        originals = [Image.open(rendered / frame["file_path"]) for frame in document["frames"]]
        for scale, (height, width) in self.reduced.items():
            images = folder / ("images" if scale == 1 else f"images_{scale}")
            images.mkdir(parents=True)
            for name, image in zip(self.names, originals, strict=True):
                image.resize((width, height)).save(images / name, format="JPEG")
        self.write_llff()
        self.points, self.pixels = self.seen_by_first(np.load(rendered / "depth" / "frame_0001.npy"))
        self.write_colmap("PINHOLE", [self.focal, self.focal, self.width / 2, self.height / 2])

    def seen_by_first(self, depth):
        """Points of the world that the first camera sees, and where."""
        pixels = np.array([[5.5, 6.5], [35.5, 25.5], [60.5, 40.5]])
        camera = Camera(
            torch.from_numpy(self.poses[0][:3]),
            self.focal,
            self.focal,
            self.width / 2,
            self.height / 2,
            self.height,
            self.width,
        )
        distances = torch.from_numpy(depth[pixels[:, 1].astype(int), pixels[:, 0].astype(int)]).double()
        return camera.unproject(torch.from_numpy(pixels), distances).numpy(), pixels

    def write_llff(self):
        rows = []
        for pose in self.poses:
            right, up, backwards, position = pose[:3].T
            matrix = np.stack([-up, right, backwards, position, [self.height, self.width, self.focal]], axis=1)
            rows.append([*matrix.ravel(), 0.5, 4.0])
        self.table = np.array(rows)
        np.save(self.folder / "poses_bounds.npy", self.table)

    def write_colmap(self, model, parameters, ending=".bin", names=None, points=True):
        folder = self.folder / "sparse" / "0"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        cameras = {1: colmap.Camera(1, model, self.width, self.height, np.array(parameters, dtype=float))}
        images = {}
        # Numbered against the order of names, as COLMAP may well do.
        for number, (name, pose) in enumerate(
            reversed(list(zip(names or self.names, self.poses, strict=True))), start=1
        ):
            rotation = (pose[:3, :3] * (1, -1, -1)).T
            images[number] = colmap.Image(
                number,
                colmap.rotmat2qvec(rotation),
                -rotation @ pose[:3, 3],
                1,
                name,
                np.zeros((0, 2)),
                np.zeros(0, int),
            )
        cloud = {
            9 - i: colmap.Point3D(9 - i, xyz, np.array([10 * i, 20, 30]), 0.1, np.array([1, 2]), np.array([0, 0]))
            for i, xyz in enumerate(self.points if points else [])
        }
        colmap.write_model(cameras, images, cloud, str(folder), ending)

    def capture(self):
        return read_capture(self.folder)

    def document(self):
        return json.loads((self.folder / "transforms.json").read_text())

    def only(self, poses):
        """Remove the other form of the poses."""
        if poses == "llff":
            shutil.rmtree(self.folder / "sparse")
        else:
            (self.folder / "poses_bounds.npy").unlink()

    def state(self):
        """Content and age of every file."""
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    return write_capture(
        tmp_path_factory.mktemp("rendered") / "capture",
        views=Scene360.count,
        test_views=0,
        width=Scene360.width,
        height=Scene360.height,
        workers=1,
    )


@pytest.fixture(scope="module")
def _scene(tmp_path_factory, rendered):
    return Scene360(tmp_path_factory.mktemp("data") / "garden", rendered)


@pytest.fixture
def scene(_scene, tmp_path):
    """A scene of the test's own; its folder is called garden."""
    copy = Scene360.__new__(Scene360)
    vars(copy).update(vars(_scene))
    copy.folder = tmp_path / "360_v2" / "garden"
    shutil.copytree(_scene.folder, copy.folder)
    return copy


@pytest.fixture
def fox():
    """The real capture that lies beside a checkout; skipped where there is none."""
    folder = Path(__file__).resolve().parents[3] / "shared" / "data" / "fox"
    if not folder.exists():
        pytest.skip("the fox capture is not here")
    return folder
