"""EXR files: what is written is read, Nuke finds every object in a layer of its own, and depth is what it says."""

import errno
import os
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
import torch

from samnerf.camera import Camera
from samnerf.errors import SamNerfError
from samnerf.export.exr import (
    colour_channels,
    layer_names,
    optical_depth,
    read_exr,
    read_mattes,
    write_depth,
    write_exr,
    write_mattes,
)

RANDOM = np.random.default_rng(0)
SIZE = (18, 23)
HALF = RANDOM.random(SIZE).astype(np.float16)
SINGLE = (RANDOM.random(SIZE) * 1e9).astype(np.float32)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), SIZE, (40, 3)])
def test_channels_and_attributes_come_back_bit_by_bit(tmp_path, size):
    channels = {"a.A": RANDOM.random(size).astype(np.float16), "Z": RANDOM.random(size).astype(np.float32)}
    write_exr(tmp_path / "new" / "a.exr", channels, {"said": "Füchslein, 狐", "empty": ""})
    image = read_exr(tmp_path / "new" / "a.exr")
    assert image.channels.keys() == channels.keys()
    for name, pixels in channels.items():
        assert image.channels[name].dtype == pixels.dtype
        np.testing.assert_array_equal(image.channels[name], pixels)
    assert image.attributes["said"] == "Füchslein, 狐"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.exr"]


def test_the_file_is_zipped_scanlines_whose_windows_are_the_image(tmp_path):
    write_exr(tmp_path / "a.exr", {"Z": SINGLE})
    header = OpenEXR.File(str(tmp_path / "a.exr")).header()
    assert header["compression"] == OpenEXR.ZIP_COMPRESSION
    assert header["type"] == OpenEXR.scanlineimage
    for window in ("dataWindow", "displayWindow"):
        assert [tuple(corner) for corner in header[window]] == [(0, 0), (SIZE[1] - 1, SIZE[0] - 1)]


def test_a_view_into_another_array_is_written_as_it_looks(tmp_path):
    flipped, turned = HALF[::2, ::-1], HALF.T
    for view in (flipped, turned):
        assert not view.flags.c_contiguous
        write_exr(tmp_path / "a.exr", {"a.A": view})
        np.testing.assert_array_equal(read_exr(tmp_path / "a.exr").channels["a.A"], view)


def test_what_was_given_is_left_alone(tmp_path):
    channels = {"Z": SINGLE}
    write_exr(tmp_path / "a.exr", channels)
    assert channels["Z"] is SINGLE


@pytest.mark.parametrize("kept", [0, 3, 300, -10])
def test_a_damaged_file_is_named(tmp_path, kept):
    path = tmp_path / "a.exr"
    write_exr(path, {"Z": SINGLE})
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(SamNerfError, match=r"a\.exr is no EXR file, or a damaged one"):
        read_exr(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SamNerfError, match=r"EXR file .*a\.exr does not exist"):
        read_exr(tmp_path / "a.exr")


def test_a_full_disk_is_named_and_the_old_file_stays(tmp_path, monkeypatch):
    path = tmp_path / "a.exr"
    write_exr(path, {"Z": SINGLE})
    old = path.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(SamNerfError, match=r"no space left on the disk .* while writing a\.exr"):
        write_exr(path, {"Z": SINGLE * 2})
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        ({}, "at least one channel"),
        ({"a.A": HALF, "b.A": HALF[1:]}, "channels of one size"),
        ({"a.A": HALF.astype(np.float64)}, "'a.A' is float64 but must be float16 or float32"),
    ],
)
def test_what_exr_cannot_hold_is_refused(tmp_path, channels, message):
    with pytest.raises(ValueError, match=message):
        write_exr(tmp_path / "a.exr", channels)
    assert not list(tmp_path.iterdir())


def test_layers_are_words_that_nuke_keeps():
    names = ["red cube", "3 mugs", "Füchslein", "狐", "rgba", "Depth", "a.b/c", "_x_", "Red-Cube", "red_cube_2"]
    layers = layer_names(names)
    assert list(layers.values()) == [
        "red_cube",
        "object_3_mugs",
        "Fuchslein",
        "object",
        "rgba_object",
        "Depth_object",
        "a_b_c",
        "x",
        "Red_Cube_2",
        "red_cube_2_2",
    ]


def test_any_names_give_different_layers_of_a_length_that_every_reader_takes():
    long = "a thing with a name of more than thirty letters"
    names = [f"{long} {i}" for i in range(120)] + [chr(code) * 3 for code in range(32, 400)]
    layers = layer_names(names)
    assert len({layer.casefold() for layer in layers.values()}) == len(names)
    for layer in layers.values():
        assert len(f"{layer}.A") <= 31
        assert layer.isascii() and layer.isidentifier()


def test_two_objects_of_one_name_are_refused():
    with pytest.raises(SamNerfError, match="two objects are called 'cube'"):
        layer_names(["cube", "fox", "cube"])


def test_mattes_come_back_by_name_to_a_thousandth(tmp_path):
    mattes = {"red cube": SINGLE / SINGLE.max(), "Red Cube": HALF, "狐": np.zeros(SIZE), "all": np.ones(SIZE)}
    write_mattes(tmp_path / "m.exr", mattes)
    channels = read_exr(tmp_path / "m.exr").channels
    assert set(channels) == {"red_cube.A", "Red_Cube_2.A", "object.A", "all.A"}
    assert all(pixels.dtype == np.float16 for pixels in channels.values())
    back = read_mattes(tmp_path / "m.exr")
    assert list(back) == list(mattes)
    for name, alpha in mattes.items():
        np.testing.assert_allclose(back[name], alpha, atol=1e-3)


def test_the_view_beneath_the_mattes_is_scene_linear(tmp_path):
    rgb = RANDOM.integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    rgb[0, 0], rgb[0, 1] = 0, 255
    write_mattes(tmp_path / "m.exr", {"a": HALF}, rgb)
    channels = read_exr(tmp_path / "m.exr").channels
    assert set(channels) == {"R", "G", "B", "a.A"}
    linear = np.stack([channels[name] for name in "RGB"], axis=-1).astype(np.float64)
    assert linear[0, 0].max() == 0 and linear[0, 1].min() == 1
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    np.testing.assert_array_equal(np.rint(encoded * 255), rgb)


def test_a_middle_grey_is_darker_in_linear_light():
    grey = colour_channels(np.full((1, 1, 3), 188, np.uint8))
    assert all(abs(float(pixels[0, 0]) - 0.5029) < 1e-3 for pixels in grey.values())


@pytest.mark.parametrize("value", [-0.01, 1.01, np.nan, np.inf])
def test_an_alpha_that_is_none_is_refused(tmp_path, value):
    with pytest.raises(ValueError, match="alpha of 'a' has values that are not from 0 to 1"):
        write_mattes(tmp_path / "m.exr", {"a": np.full(SIZE, value, np.float32)})


def test_a_file_without_mattes_is_named(tmp_path):
    write_depth(tmp_path / "d.exr", SINGLE)
    with pytest.raises(SamNerfError, match=r"d\.exr holds no mattes"):
        read_mattes(tmp_path / "d.exr")


def test_depth_is_one_channel_that_nuke_calls_depth(tmp_path):
    write_depth(tmp_path / "d.exr", SINGLE.astype(np.float64))
    channels = read_exr(tmp_path / "d.exr").channels
    assert list(channels) == ["Z"]
    assert channels["Z"].dtype == np.float32
    np.testing.assert_array_equal(channels["Z"], SINGLE)


def test_a_wall_across_the_optical_axis_has_one_depth():
    camera = Camera(torch.eye(4)[:3], 20.0, 25.0, 9.0, 8.0, *SIZE)
    rows, columns = torch.meshgrid(torch.arange(SIZE[0]), torch.arange(SIZE[1]), indexing="ij")
    centres = torch.stack([columns, rows], dim=-1) + 0.5
    distances = 3 / -camera.ray_directions(centres)[..., 2]  # where the rays meet the plane z = -3
    depth = optical_depth(distances.numpy(), camera)
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth, 3, rtol=1e-6)
    with pytest.raises(ValueError, match="distances are of"):
        optical_depth(distances.numpy()[1:], camera)


def test_a_large_picture_with_mattes(tmp_path):
    size = (2160, 4096)
    alpha = np.zeros(size, np.float32)
    alpha[500:1500, 700:3000] = 0.5
    write_mattes(tmp_path / "m.exr", {"a": alpha}, np.zeros((*size, 3), np.uint8))
    np.testing.assert_array_equal(read_mattes(tmp_path / "m.exr")["a"], alpha)
