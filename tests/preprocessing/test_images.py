"""Images are what nerfstudio makes of them, or refused."""

import numpy as np
import pytest
import torch
from nerfstudio.cameras.cameras import Cameras
from nerfstudio.data.dataparsers.base_dataparser import DataparserOutputs
from nerfstudio.data.datasets.base_dataset import InputDataset
from nerfstudio.model_components.renderers import RGBRenderer
from PIL import Image

from samnerf.errors import SamNerfError
from samnerf.preprocessing.images import read_image

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 9, 4), dtype=np.uint8)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_an_image_is_read_as_nerfstudio_compares_it(tmp_path, mode):
    path = tmp_path / "image.png"
    Image.fromarray(PIXELS, "RGBA").convert(mode).save(path) if mode != "RGBA" else Image.fromarray(PIXELS).save(path)
    cameras = Cameras(torch.eye(4)[None, :3], 1.0, 1.0, 4.5, 3.0, 9, 6)
    theirs = InputDataset(DataparserOutputs([path], cameras)).get_image_float32(0)
    blended = RGBRenderer(background_color="last_sample").blend_background(theirs)
    ours = torch.from_numpy(read_image(path)).float() / 255
    torch.testing.assert_close(ours, blended, atol=0.5 / 255 + 1e-6, rtol=0)


@pytest.mark.parametrize("mode", ["P", "LA", "1", "I;16"])
def test_what_nerfstudio_would_misread_is_refused(tmp_path, mode):
    path = tmp_path / "image.png"
    image = Image.fromarray(np.zeros((4, 4), np.uint16)) if mode == "I;16" else Image.new(mode, (4, 4))
    image.save(path)
    with pytest.raises(SamNerfError, match=f"image .*image.png is of PIL mode '{mode}'.*convert it"):
        read_image(path)


def test_a_missing_or_truncated_image_is_named(tmp_path):
    path = tmp_path / "image.png"
    with pytest.raises(SamNerfError, match=r"image .*image.png does not exist"):
        read_image(path)
    Image.fromarray(PIXELS).save(path)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(SamNerfError, match=r"image .*image.png cannot be read, it may be truncated"):
        read_image(path)
