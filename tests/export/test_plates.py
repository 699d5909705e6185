"""Plates: light, size and curve before the encoder sees them; which frames there are."""

import numpy as np
import OpenEXR
import pytest
import torch
from PIL import Image

from samnerf.errors import SamNerfError
from samnerf.export.exr import write_exr
from samnerf.export.light import linear_light
from samnerf.export.plates import find_plates, read_plate, square_input


def test_plates_are_resized_in_linear_light_and_get_the_curve_afterwards():
    stripes = np.zeros((8, 64, 3), np.float32)
    stripes[:, ::2] = 1.0
    # The middle of black and white is half the light, and that is brighter than half of sRGB.
    np.testing.assert_allclose(square_input(stripes, 8)[:, :, 3:5], 0.735357, atol=1e-5)
    np.testing.assert_allclose(square_input(stripes, 8, bypass_srgb=True)[:, :, 3:5], 0.5, atol=1e-5)


def test_beyond_0_to_1_is_cut_off_and_no_number_stays_where_it_is():
    plate = np.full((4, 4, 3), 0.5, np.float32)
    plate[0, 0], plate[3, 3] = np.nan, np.inf
    plate[0, 3] = -7
    square = square_input(plate, 4, bypass_srgb=True)
    assert square[:, 0, 0].tolist() == [0, 0, 0] and square[:, 3, 3].tolist() == [1, 1, 1]
    assert square[:, 0, 3].tolist() == [0, 0, 0] and square[:, 1, 1].tolist() == [0.5, 0.5, 0.5]


def test_the_square_input_encodes_as_an_8_bit_picture_does(encoder):
    random = np.random.default_rng(0)
    picture = random.integers(0, 256, (256, 256, 3), dtype=np.uint8)
    direct = encoder.encode(picture, "stretch")
    light = linear_light(picture / 255).astype(np.float32)
    square = encoder.encode_square(square_input(light, 256), (256, 256))
    torch.testing.assert_close(square.values, direct.values, atol=2e-4, rtol=0)
    with pytest.raises(ValueError, match="'tiny-sam' sees 256"):
        encoder.encode_square(torch.zeros(3, 8, 8), (8, 8))


def test_a_linear_plate_and_its_srgb_picture_say_the_same(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    Image.fromarray(picture).save(tmp_path / "a.png")
    light = linear_light(picture / 255).astype(np.float32)
    write_exr(tmp_path / "a.exr", {channel: light[..., i] for i, channel in enumerate("RGB")})
    np.testing.assert_array_equal(read_plate(tmp_path / "a.exr"), read_plate(tmp_path / "a.png"))
    np.testing.assert_allclose(read_plate(tmp_path / "a.png", bypass_srgb=True), picture / 255, atol=1e-7)


def test_frames_are_numbered_by_the_names_of_plates_or_counted(tmp_path):
    for name in ("shot_v2.1003.png", "shot_v2.1001.png", ".shot.1009.png", "notes.txt"):
        (tmp_path / name).touch()
    assert [plate.number for plate in find_plates(tmp_path, 5)] == [1001, 1003]
    (tmp_path / "title.png").touch()
    assert [plate.number for plate in find_plates(tmp_path, 5)] == [5, 6, 7]
    with pytest.raises(SamNerfError, match="does not exist"):
        find_plates(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SamNerfError, match="holds no plates"):
        find_plates(tmp_path / "empty")


def test_plates_without_colour_or_with_a_part_of_their_format_are_refused(tmp_path):
    write_exr(tmp_path / "a.exr", {"Z": np.zeros((4, 4), np.float32)})
    with pytest.raises(SamNerfError, match="no channel R, but Z"):
        read_plate(tmp_path / "a.exr")
    window = (np.array([0, 0], np.int32), np.array([7, 7], np.int32))
    header = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIP_COMPRESSION, "displayWindow": window}
    OpenEXR.File(header, {c: np.zeros((4, 4), np.float32) for c in "RGB"}).write(str(tmp_path / "b.exr"))
    with pytest.raises(SamNerfError, match="data window is not its display window"):
        read_plate(tmp_path / "b.exr")
