"""Miniature data sets in the layouts of the published ones, made of the toy world or of plain arrays."""

import json

import numpy as np
import pytest
from PIL import Image


def save_mask(path, mask):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.where(mask, 255, 0).astype(np.uint8)).save(path)


def save_picture(path, size):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (size[1], size[0]), (90, 90, 90)).save(path)


class MiniatureData:
    """Writes the layouts; masks are given by who calls."""

    save_mask = staticmethod(save_mask)

    @staticmethod
    def nvos(folder, task, target, truth, reference, positive, negative):
        """The scribbles lie at a quarter of the reference image's resolution."""
        scene = task.partition("_")[0]
        save_mask(folder / "masks" / task / f"{target}_mask.png", truth)
        save_picture(folder / "masks" / task / f"{target}.JPG", truth.shape)
        save_picture(folder / "reference_image" / task / f"{reference}.JPG", truth.shape)
        for kind, scribble in (("pos", positive), ("neg", negative)):
            save_mask(folder / "scribbles" / task / f"{kind}_0_{scene}.png", scribble)
        save_picture(folder / "scribbles" / task / f"vis_0_{scene}.png", positive.shape)

    @staticmethod
    def spin_nerf(folder, scene, masks):
        for view, mask in masks.items():
            save_mask(folder / scene / f"{view}.png", mask)
            save_mask(folder / scene / f"{view}_pseudo.png", ~mask)
            save_mask(folder / scene / f"{view}_cutout.png", ~mask)
        (folder / scene / "annotations.json").write_text("{}")

    @staticmethod
    def lerf_ovs(folder, scene, frame, size, objects):
        """Objects are (category, box x1 y1 x2 y2); the polygon is the box."""
        entries = [
            {"category": category, "bbox": box, "segmentation": [[x, y] for x, y in _corners(*box)]}
            for category, box in objects
        ]
        info = {"name": f"{frame}.jpg", "width": size[1], "height": size[0]}
        path = folder / "label" / scene / f"{frame}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"info": info, "objects": entries}))

    @staticmethod
    def lerf_mask(folder, scene, masks, train=()):
        """Masks by (view, words)."""
        for (view, words), mask in masks.items():
            save_mask(folder / scene / "test_mask" / view / f"{words}.png", mask)
        for name in train:
            save_picture(folder / scene / "images_train" / f"{name}.jpg", (4, 4))


def _corners(x1, y1, x2, y2):
    return (x1, y1), (x2, y1), (x2, y2), (x1, y2)


@pytest.fixture(scope="session")
def miniature():
    """Writers of the published layouts (see `MiniatureData`)."""
    return MiniatureData


@pytest.fixture
def run_folder(tmp_path):
    """Makes a run that can be found by its scene's name."""

    def make(scene, timestamp="run", method="samnerf-tiny"):
        config = tmp_path / "runs" / scene / method / timestamp / "config.yml"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text("")
        return config

    return make


@pytest.fixture
def toy_capture(toy, tmp_path):
    """The ground truth of the toy scene's photographs, twice as large as the trained scene has it."""
    folder = tmp_path / "capture"
    for name in ("masks", "depth"):
        (folder / name).mkdir(parents=True)
    for i in range(5):
        camera = toy.look_down(x=0.1 * i)
        Image.fromarray(toy.Field().ids(camera)).save(folder / "masks" / f"frame_{i}.png")
        np.save(folder / "depth" / f"frame_{i}.npy", 2 * toy.Field().render_colour(camera)[1].numpy())
    things = [
        {
            "id": square.id, "colour": toy.names[square.id].split()[0], "shape": "square", "material": "plain",
            "centre": [square.x, square.y, square.z], "size": [2 * square.half, 2 * square.half, 0.01],
        }
        for square in toy.squares
    ]  # fmt: skip
    (folder / "objects.json").write_text(json.dumps({"objects": things}))
    return folder
