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
from samnerf.preprocessing.images import find_pictures, read_header, read_image, read_picture, rgb_pixels

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


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (7, 3)])
def test_the_header_of_a_tiny_jpeg_is_read_to_its_end(tmp_path, size):
    path = tmp_path / "image.jpg"
    Image.new("RGB", size).save(path)
    assert read_header(path, decode=True).size == size[::-1]


GREY = PIXELS[..., 0]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_a_single_picture_may_be_of_any_mode(tmp_path, mode):
    path = tmp_path / ("image.tif" if mode == "CMYK" else "image.png")
    image = Image.fromarray(PIXELS[..., :3]).convert(mode)
    image.save(path)
    np.testing.assert_array_equal(read_picture(path), np.asarray(image.convert("RGB")))


def test_transparent_pixels_lie_on_black_in_palettes_too(tmp_path):
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    image.putpalette([200, 100, 50, 10, 20, 30])
    image.save(tmp_path / "image.png", transparency=0)
    assert read_picture(tmp_path / "image.png").tolist() == [[[0, 0, 0], [10, 20, 30]]]


def test_sixteen_bits_become_eight(tmp_path):
    levels = np.array([[0, 257, 32768, 65535]], np.uint16)
    Image.fromarray(levels).save(tmp_path / "image.png")
    assert read_picture(tmp_path / "image.png")[0, :, 0].tolist() == [0, 1, 128, 255]
    Image.fromarray(levels.astype(np.int32)).save(tmp_path / "image.tif")
    assert read_picture(tmp_path / "image.tif")[0, :, 0].tolist() == [0, 1, 128, 255]


@pytest.mark.parametrize(("orientation", "turned"), [(3, np.rot90(GREY, 2)), (6, np.rot90(GREY, 3))])
def test_a_single_picture_is_turned_as_exif_says(tmp_path, orientation, turned):
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(GREY).save(tmp_path / "image.png", exif=exif)
    np.testing.assert_array_equal(read_picture(tmp_path / "image.png")[..., 0], turned)


def test_floating_point_numbers_and_what_is_no_image_are_named(tmp_path):
    Image.fromarray(np.ones((2, 2), np.float32)).save(tmp_path / "image.tif")
    with pytest.raises(SamNerfError, match=r"image .*image.tif holds floating-point numbers"):
        read_picture(tmp_path / "image.tif")
    Image.fromarray(np.full((2, 2), 70000, np.int32)).save(tmp_path / "image.tif")
    with pytest.raises(SamNerfError, match=r"image .*image.tif holds numbers beyond 16 bits"):
        read_picture(tmp_path / "image.tif")
    (tmp_path / "image.tif").write_bytes(b"words")
    with pytest.raises(SamNerfError, match=r"image .*image.tif cannot be read.*it is not an image"):
        read_picture(tmp_path / "image.tif")


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 2), (4, 5, 3), (4, 5, 4), (4, 1), (1, 1, 3)])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_arrays_of_any_number_of_channels_become_colour(shape, kind):
    most = np.iinfo(kind).max
    assert (rgb_pixels(np.full(shape, most, kind)) == 255).all()
    assert rgb_pixels(np.zeros(shape, kind)).shape == (*shape[:2], 3)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((4, 5)), "type float64 came; expected uint8 or uint16"),
        (np.zeros(5, np.uint8), r"shape \(5, 1\) came|shape \(5,\) came"),
        (np.zeros((4, 5, 5), np.uint8), r"shape \(4, 5, 5\) came"),
        (np.zeros((0, 5), np.uint8), r"shape \(0, 5, 1\) came"),
    ],
)
def test_an_array_that_is_no_image_is_named(pixels, message):
    with pytest.raises(SamNerfError, match=message):
        rgb_pixels(pixels)


def test_pictures_are_found_in_folders_in_order_and_once(tmp_path):
    for name in ("b.png", "a.JPG", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "empty").mkdir()
    named = [tmp_path / "b.png", tmp_path, tmp_path / "missing.png"]
    assert [path.name for path in find_pictures(named)] == ["b.png", "a.JPG", "missing.png"]
    with pytest.raises(SamNerfError, match="folder .*empty holds no pictures"):
        find_pictures([tmp_path / "empty"])
