"""Reduced images: which are chosen, and that making them can be interrupted."""

import numpy as np
import pytest
from PIL import Image, ImageCms

from samnerf.errors import SamNerfError
from samnerf.preprocessing import image_folders
from samnerf.preprocessing.image_folders import automatic_scale, existing_scales, image_files, make_images, scaled


@pytest.fixture
def folder(tmp_path):
    """Five photographs of 22 x 13 pixels."""
    (tmp_path / "images").mkdir()
    for i in range(5):
        pixels = np.random.default_rng(i).integers(0, 256, (13, 22, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{i}.{'JPG' if i % 2 else 'png'}")
    return tmp_path


@pytest.mark.parametrize(
    ("longer_side", "scale"),
    [(640, 1), (1600, 1), (1601, 2), (3118, 2), (3200, 2), (4946, 4), (5187, 4), (6400, 4), (12000, 8), (99999, 8)],
)
def test_the_first_scale_with_at_most_1600_pixels_is_chosen(longer_side, scale):
    # 3118 is the width of the data set's indoor scenes, 4946 to 5187 that of its outdoor ones.
    assert automatic_scale(longer_side) == scale


@pytest.mark.parametrize(
    ("side", "scale", "expected"),
    [(4946, 4, 1237), (3286, 4, 822), (4946, 8, 618), (3286, 8, 411), (3361, 1, 3361), (1, 8, 1)],
)
def test_sides_are_rounded_as_the_data_set_rounds_them(side, scale, expected):
    assert scaled(side, scale) == expected


def test_images_are_listed_in_the_order_of_names(tmp_path):
    for name in ("b.JPG", "a.png", "c/d.jpeg", ".hidden.png", ".cache/e.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert image_files(tmp_path) == ["a.png", "b.JPG", "c/d.jpeg"]


def test_images_are_resized_by_lanczos_under_their_names(folder):
    seen = []
    assert make_images(folder, 4, lambda done, total: seen.append((done, total))) == 5
    assert seen == [(i, 5) for i in range(6)]
    assert existing_scales(folder) == (1, 4)
    assert image_files(folder / "images_4") == image_files(folder / "images")
    for name in image_files(folder / "images"):
        with Image.open(folder / "images" / name) as original, Image.open(folder / "images_4" / name) as small:
            expected = np.asarray(original.resize((6, 3), Image.Resampling.LANCZOS), dtype=float)
            assert small.format == original.format
            assert np.abs(np.asarray(small, dtype=float) - expected).max() <= (30 if name.endswith("JPG") else 0)


def test_the_colour_profile_is_kept(folder):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for name in ("0.png", "1.JPG"):
        Image.new("RGB", (22, 13)).save(folder / "images" / name, icc_profile=profile)
    make_images(folder, 2)
    for name in ("0.png", "1.JPG"):
        with Image.open(folder / "images_2" / name) as small:
            assert small.info["icc_profile"] == profile


@pytest.mark.parametrize("after", range(4))
def test_an_interrupted_run_goes_on_where_it_stopped(folder, monkeypatch, after):
    resize, resized = image_folders._resize, []

    def interrupted(source, target, scale):
        if len(resized) == after:
            raise KeyboardInterrupt
        resized.append(target)
        resize(source, target, scale)

    monkeypatch.setattr(image_folders, "_MOST_THREADS", 1)
    monkeypatch.setattr(image_folders, "_resize", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make_images(folder, 2)
    monkeypatch.setattr(image_folders, "_resize", resize)
    before = {path: path.stat().st_mtime_ns for path in resized}
    assert make_images(folder, 2) == 5 - after
    assert {path: path.stat().st_mtime_ns for path in resized} == before
    assert image_files(folder / "images_2") == image_files(folder / "images")
    assert make_images(folder, 2) == 0


def test_a_damaged_original_is_named_and_leaves_no_half_image(folder):
    path = folder / "images" / "4.png"
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(SamNerfError, match=r"images/4.png cannot be read, it may be truncated"):
        make_images(folder, 2)
    assert sorted(entry.name for entry in (folder / "images_2").iterdir()) == ["0.png", "1.JPG", "2.png", "3.JPG"]


def test_images_of_other_names_are_left_alone(folder):
    make_images(folder, 2)
    for i, name in enumerate(image_files(folder / "images_2")):
        (folder / "images_2" / name).rename(folder / "images_2" / f"image{i:03d}.png")
    assert make_images(folder, 2) == 0
    (folder / "images_2" / "image000.png").unlink()
    with pytest.raises(
        SamNerfError, match=r"images_2 holds image001.png, which is not in .*images; move images_2 away"
    ):
        make_images(folder, 2)


def test_without_originals_nothing_can_be_made(folder):
    make_images(folder, 2)
    (folder / "images").rename(folder / "elsewhere")
    assert make_images(folder, 2) == 0
    with pytest.raises(SamNerfError, match=r"images_4 cannot be made: there are no images in .*images"):
        make_images(folder, 4)
