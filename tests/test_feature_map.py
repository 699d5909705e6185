"""Where the cells of a feature map look, held against SAM's own resizing."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from segment_anything.utils.transforms import ResizeLongestSide

from samnerf.feature_map import LAYOUTS, FeatureMap, cell_centres, content_size, covered_cells

SIZES = [(480, 270), (270, 480), (256, 256), (1, 7), (3, 1000), (1023, 1024), (683, 1024), (4000, 3001)]
SIDES = [32, 64, 256, 1024]


def feature_map(image_size=(480, 270), layout="letterbox", side=32, summary=None):
    return FeatureMap(torch.zeros(4, side, side), image_size, layout, "fake", summary)


@pytest.mark.parametrize("image_size", SIZES)
@pytest.mark.parametrize("side", SIDES)
def test_letterboxed_content_is_as_large_as_sam_resizes_it(image_size, side):
    height, width = ResizeLongestSide.get_preprocess_shape(*image_size, side)
    assert content_size(image_size, side, "letterbox") == (max(1, height), max(1, width))


@pytest.mark.parametrize("image_size", SIZES)
def test_stretched_content_fills_the_grid(image_size):
    assert content_size(image_size, 64, "stretch") == (64, 64)
    assert covered_cells(image_size, 64, "stretch").all()


@pytest.mark.parametrize("image_size", SIZES)
def test_points_lie_where_sam_puts_them_to_within_its_rounding(image_size):
    points = np.random.default_rng(0).random((50, 2)) * [image_size[1], image_size[0]]
    sam = ResizeLongestSide(1024).apply_coords(points, image_size)
    ours = feature_map(image_size, side=64).to_cells(torch.from_numpy(points)) * (1024 / 64)
    # SAM rounds the resized image to whole pixels, which shifts the far edge by half a pixel at most.
    torch.testing.assert_close(ours, torch.from_numpy(sam), atol=0.5 + 1e-9, rtol=0)


@pytest.mark.parametrize("image_size", SIZES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_to_pixels_inverts_to_cells(image_size, layout):
    points = torch.rand(20, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 500
    one = feature_map(image_size, layout)
    torch.testing.assert_close(one.to_pixels(one.to_cells(points)), points)
    torch.testing.assert_close(one.to_cells(one.to_pixels(points)), points)


@pytest.mark.parametrize("image_size", SIZES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_cell_centres_are_the_halves_of_the_grid(image_size, layout):
    one = feature_map(image_size, layout)
    y, x = torch.meshgrid(torch.arange(32) + 0.5, torch.arange(32) + 0.5, indexing="ij")
    torch.testing.assert_close(one.to_cells(cell_centres(image_size, 32, layout)), torch.stack([x, y], dim=-1))


@pytest.mark.parametrize("image_size", SIZES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_covered_cells_are_those_whose_centre_lies_in_the_image(image_size, layout):
    centres = cell_centres(image_size, 32, layout)
    inside = (centres[..., 0] < image_size[1]) & (centres[..., 1] < image_size[0])
    assert torch.equal(feature_map(image_size, layout).covered, inside)


def test_the_padding_is_right_of_a_portrait_and_below_a_landscape():
    portrait, landscape = covered_cells((480, 240), 32, "letterbox"), covered_cells((240, 480), 32, "letterbox")
    assert portrait[:, :16].all()
    assert not portrait[:, 16:].any()
    assert torch.equal(landscape, portrait.T)
    assert covered_cells((100, 100), 32, "letterbox").all()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("image_size", [(480, 270), (270, 480)])
def test_the_far_corner_of_the_image_is_the_far_corner_of_its_content(layout, image_size):
    corner = feature_map(image_size, layout).to_cells(torch.tensor([float(image_size[1]), float(image_size[0])]))
    down, across = (32.0, 32.0) if layout == "stretch" else (32 * size / 480 for size in image_size)
    torch.testing.assert_close(corner, torch.tensor([across, down]))


def test_moving_a_map_moves_its_summary_and_keeps_the_rest():
    moved = feature_map(summary=torch.ones(4)).to("cpu", torch.float64)
    assert moved.values.dtype == moved.summary.dtype == torch.float64
    assert (moved.image_size, moved.layout, moved.teacher) == ((480, 270), "letterbox", "fake")
    assert feature_map().to("cpu").summary is None


def test_moving_a_map_moves_its_finer_levels():
    levels = (torch.ones(2, 128, 128), torch.ones(3, 64, 64))
    moved = replace(feature_map(), finer=levels).to("cpu", torch.float16)
    assert [level.shape for level in moved.finer] == [level.shape for level in levels]
    assert all(level.dtype == torch.float16 for level in moved.finer)
    assert feature_map().to("cpu").finer == ()


def test_a_finer_level_that_is_not_square_is_refused():
    with pytest.raises(ValueError, match=r"values have shape \(2, 64, 32\)"):
        replace(feature_map(), finer=(torch.zeros(2, 64, 32),))


def test_a_grid_that_is_not_square_is_refused():
    with pytest.raises(ValueError, match=r"values have shape \(4, 3, 2\); expected \[channels, side, side\]"):
        FeatureMap(torch.zeros(4, 3, 2), (4, 4), "letterbox", "fake")
