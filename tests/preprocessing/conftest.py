"""A capture of a few small photographs, and an encoder that looks at nothing but mean colours."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from samnerf.feature_map import FeatureMap, cell_centres


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


@pytest.fixture
def fox():
    """The real capture that lies beside a checkout; skipped where there is none."""
    folder = Path(__file__).resolve().parents[3] / "shared" / "data" / "fox"
    if not folder.exists():
        pytest.skip("the fox capture is not here")
    return folder
