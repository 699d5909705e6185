"""Soft mattes as PNG: sixteen bits, rounded to the nearest; and the folders of masks."""

import json

import numpy as np
import pytest
from PIL import Image

from samnerf.export.mask_files import MaskFolder, write_soft_matte


@pytest.mark.parametrize("size", [(1, 1), (19, 24), (2160, 4096)])
def test_an_alpha_comes_back_to_half_a_step(tmp_path, size):
    alpha = np.broadcast_to(np.linspace(0, 1, size[1], dtype=np.float32), size)
    write_soft_matte(tmp_path / "a.png", alpha)
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.mode == "I;16"
        pixels = np.asarray(picture)
    assert pixels.shape == size
    np.testing.assert_allclose(pixels / 65535, alpha, atol=0.5001 / 65535, rtol=1e-6)


def test_values_are_rounded_to_the_nearest(tmp_path):
    steps = np.array([[0, 0.49, 0.51, 1000.4, 65534.6, 65535]], np.float32)
    write_soft_matte(tmp_path / "a.png", steps / np.float32(65535))
    with Image.open(tmp_path / "a.png") as picture:
        assert np.asarray(picture).tolist() == [[0, 0, 1, 1000, 65535, 65535]]


@pytest.mark.parametrize("value", [-0.1, 1.1, np.nan])
def test_an_alpha_that_is_none_is_refused(tmp_path, value):
    with pytest.raises(ValueError, match="values that are not from 0 to 1"):
        write_soft_matte(tmp_path / "a.png", np.full((2, 2), value, np.float32))
    assert not list(tmp_path.iterdir())


def test_folders_of_objects_differ_and_are_short_enough_for_a_file_system(tmp_path):
    names = {1: "a 2", 2: "a!", 3: "a?", 4: "A 2", 5: "\U0001e900" * 90, 6: "куб"}
    entries = json.loads(MaskFolder(tmp_path, names, "key").write_index([], {}).read_text())["objects"]
    folders = [entry["folder"].removeprefix("masks/") for entry in entries]
    assert len({folder.casefold() for folder in folders}) == len(names)
    assert all(len(folder.encode()) <= 210 for folder in folders)
    assert folders[5] == "куб"
