"""Captures of noise: what their pixels show does not matter, that they are the right ones does."""

import json

import numpy as np
import pytest
from nerfstudio.data.datasets.base_dataset import InputDataset
from PIL import Image

from samnerf.preprocessing.dataparser import CaptureDataParserConfig


def write_noise(folder, sizes, modes=("RGB",), masks=False, blocks=1):
    """A capture with an image of each size (H, W), the last for testing; colours in squares of `blocks` pixels."""
    (folder / "images").mkdir(parents=True)
    frames = []
    for i, (height, width) in enumerate(sizes):
        mode, random = modes[i % len(modes)], np.random.default_rng(i)
        channels = {"L": (), "RGB": (3,), "RGBA": (4,)}[mode]
        shape = (-(-height // blocks), -(-width // blocks), *channels)
        noise = random.integers(0, 256, shape, dtype=np.uint8).repeat(blocks, 0).repeat(blocks, 1)[:height, :width]
        Image.fromarray(noise).save(folder / f"images/{i:03d}.png", compress_level=1)
        pose = np.eye(4)
        pose[:3, 3] = np.cos(i), np.sin(i), 0.1 * i
        lens = {"fl_x": width, "fl_y": width, "cx": width / 2, "cy": height / 2, "w": width, "h": height}
        frames.append({"file_path": f"images/{i:03d}.png", "transform_matrix": pose.tolist(), **lens})
        if masks:
            frames[-1]["mask_path"] = f"masks/{i:03d}.png"
            (folder / "masks").mkdir(exist_ok=True)
            inside = random.integers(0, 2, (height, width)).astype(np.uint8) * 255
            Image.fromarray(inside).save(folder / frames[-1]["mask_path"])
    paths = [frame["file_path"] for frame in frames]
    splits = {"train_filenames": paths[:-1], "test_filenames": paths[-1:]}
    (folder / "transforms.json").write_text(json.dumps({**splits, "frames": frames}))
    return folder


@pytest.fixture
def noise(tmp_path):
    """`noise(sizes, ...)` writes a capture in the test's folder."""
    return lambda *args, name="noise", **kwargs: write_noise(tmp_path / name, *args, **kwargs)


@pytest.fixture
def data_set():
    """`data_set(capture)` is nerfstudio's data set of its training images."""

    def make(capture, scale_factor=1.0, **config):
        outputs = CaptureDataParserConfig(data=capture, **config).setup().get_dataparser_outputs("train")
        return InputDataset(outputs, scale_factor)

    return make
