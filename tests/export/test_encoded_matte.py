"""Encoded mattes: the layout that SAM for Nuke reads, and files that give back every bit."""

import numpy as np
import OpenEXR
import pytest
import torch

from samnerf.errors import SamNerfError
from samnerf.export.encoded_matte import (
    from_matte,
    matte_size,
    read_encoded_matte,
    to_matte,
    write_encoded_matte,
)
from samnerf.export.exr import read_exr, write_exr
from samnerf.feature_map import FeatureMap

NUKE = (256, 64, 64)
SIZE = (90, 160)


def random_map(shape=NUKE, teacher="sam-vit-h", layout="stretch", size=SIZE):
    values = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    return FeatureMap(values, size, layout, teacher)


def exr_header(path):
    return OpenEXR.File(str(path)).header()


def test_every_pixel_holds_what_the_contract_says():
    values = random_map().values
    matte = to_matte(values)
    r, q = np.mgrid[:1024, :1024]
    assert matte.dtype == np.float32
    np.testing.assert_array_equal(matte, values.numpy()[r // 4, (r % 4) * 16 + q // 64, q % 64])


@pytest.mark.parametrize(
    ("shape", "size"),
    [(NUKE, (1024, 1024)), ((128, 32, 32), (256, 512)), ((32, 8, 8), (32, 64)), ((64, 8, 8), (64, 64))],
)
def test_a_map_fills_its_picture_and_comes_back(shape, size):
    values = random_map(shape).values
    assert matte_size(shape) == size == to_matte(values).shape
    assert torch.equal(from_matte(to_matte(values), shape), values)


@pytest.mark.parametrize("shape", [(3, 5, 5), (16, 4, 4)])
def test_a_map_without_a_picture_is_refused(shape):
    with pytest.raises(ValueError, match="fills no picture"):
        matte_size(shape)


@pytest.mark.parametrize(("teacher", "level"), [("sam-vit-h", "high"), ("sam-vit-b", "fast")])
def test_the_file_is_what_sam_for_nuke_reads(tmp_path, teacher, level):
    path = tmp_path / "shot.0001.exr"
    write_encoded_matte(path, random_map(teacher=teacher))
    header = exr_header(path)
    for window in ("dataWindow", "displayWindow"):
        assert np.asarray(header[window]).tolist() == [[0, 0], [1023, 1023]]
    assert header["type"] == OpenEXR.scanlineimage
    assert header["compression"] == OpenEXR.ZIP_COMPRESSION
    assert header["nuke/sam/detailLevel"] == level
    with OpenEXR.File(str(path), separate_channels=True) as file:
        assert len(file.parts) == 1
        assert list(file.channels()) == ["A"]
        assert file.channels()["A"].pixels.dtype == np.float32
    assert read_exr(path).attributes["samnerf/readers"] == "SAM for Nuke, samnerf"


@pytest.mark.parametrize(("teacher", "shape"), [("tiny-sam", (128, 32, 32)), ("sam-vit-l", NUKE)])
def test_what_nuke_has_no_decoder_for_says_so_and_names_no_level(tmp_path, teacher, shape):
    write_encoded_matte(tmp_path / "a.exr", random_map(shape, teacher))
    attributes = read_exr(tmp_path / "a.exr").attributes
    assert "nuke/sam/detailLevel" not in attributes
    assert attributes["samnerf/readers"].startswith("samnerf alone")
    assert attributes["samnerf/mapShape"] == " ".join(map(str, shape))


def test_reading_gives_back_every_bit(tmp_path):
    given = random_map((128, 32, 32), "tiny-sam")
    write_encoded_matte(tmp_path / "a.exr", given, "ab" * 32)
    read = read_encoded_matte(tmp_path / "a.exr")
    assert torch.equal(read.feature_map.values, given.values)
    assert (read.feature_map.image_size, read.feature_map.layout, read.feature_map.teacher) == (
        SIZE,
        "stretch",
        "tiny-sam",
    )
    assert read.weights_hash == "ab" * 32
    assert read_encoded_matte(tmp_path / "a.exr", (10, 20)).feature_map.image_size == (10, 20)


@pytest.mark.parametrize(
    ("attributes", "teacher"), [({"nuke/sam/detailLevel": "high"}, "sam-vit-h"), ({}, "sam-vit-b")]
)
def test_a_file_of_sam_for_nuke_needs_the_size_of_its_plate(tmp_path, attributes, teacher):
    values = random_map().values
    write_exr(tmp_path / "a.exr", {"A": to_matte(values)}, attributes)
    with pytest.raises(SamNerfError, match="does not say how large its plate is; give --size"):
        read_encoded_matte(tmp_path / "a.exr")
    read = read_encoded_matte(tmp_path / "a.exr", SIZE).feature_map
    assert read.teacher == teacher and torch.equal(read.values, values)


@pytest.mark.parametrize(
    ("channels", "attributes", "message"),
    [
        ({"R": (8, 8)}, {}, "no channel A, but R"),
        ({"A": (512, 512)}, {}, r"\(512, 512\) pixels"),
        ({"A": (1024, 1024)}, {"samnerf/mapShape": "256 64"}, "3 whole numbers were expected"),
        ({"A": (1024, 1024)}, {"samnerf/mapShape": "128 32 32"}, r"takes \(256, 512\)"),
        ({"A": (1024, 1024)}, {"samnerf/imageSize": "1920 -1"}, "2 whole numbers were expected"),
    ],
)
def test_what_is_no_encoded_matte_is_refused(tmp_path, channels, attributes, message):
    said = {"samnerf/imageSize": "160 90", **attributes}
    write_exr(tmp_path / "a.exr", {name: np.zeros(size, np.float32) for name, size in channels.items()}, said)
    with pytest.raises(SamNerfError, match=message):
        read_encoded_matte(tmp_path / "a.exr")


def test_values_that_are_no_numbers_are_neither_written_nor_read(tmp_path):
    broken = random_map()
    broken.values[3, 2, 1] = torch.nan
    with pytest.raises(SamNerfError, match="values that are no numbers"):
        write_encoded_matte(tmp_path / "a.exr", broken)
    assert not any(tmp_path.iterdir())
    write_exr(tmp_path / "b.exr", {"A": to_matte(broken.values)})
    with pytest.raises(SamNerfError, match="values that are no numbers"):
        read_encoded_matte(tmp_path / "b.exr", SIZE)


def test_maps_with_finer_levels_are_refused(tmp_path):
    with pytest.raises(SamNerfError, match="use sam-vit-h or sam-vit-b"):
        write_encoded_matte(tmp_path / "a.exr", random_map(teacher="sam2-hiera-tiny"))


def test_letterbox_is_not_passed_off_as_stretch(tmp_path):
    with pytest.raises(SamNerfError, match="samnerf extract --layout stretch and train with"):
        write_encoded_matte(tmp_path / "a.exr", random_map(layout="letterbox"))
