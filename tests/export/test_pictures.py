"""Laws of drawing."""

import numpy as np
import pytest
from scipy import ndimage

from samnerf.export.pictures import Sheet, colour_bar, draw_prompts, draw_sheet, heat_map, overlay, with_bar
from samnerf.prompts import Box, Point, PromptSet, Scribble

GREY = np.full((60, 80, 3), 128, np.uint8)


def square(rows, columns):
    mask = np.zeros((60, 80), bool)
    mask[rows, columns] = True
    return mask


def test_an_overlay_changes_the_mask_and_nothing_else():
    mask = square(slice(10, 30), slice(20, 50))
    picture = overlay(GREY, [(mask, (255, 0, 0))])
    assert (picture[~mask] == GREY[~mask]).all()
    assert (picture[mask][:, 0] > 128).all()
    assert (picture[mask][:, 1] < 128).any()


def test_an_empty_overlay_is_the_view():
    assert np.array_equal(overlay(GREY, []), GREY)
    assert np.array_equal(overlay(GREY, [(np.zeros((60, 80), bool), (255, 0, 0))]), GREY)


def test_a_mask_over_everything_has_no_rim():
    picture = overlay(GREY, [(np.ones((60, 80), bool), (255, 0, 0))])
    assert (picture == picture[0, 0]).all()


def test_relevancy_brightens():
    relevancy = np.zeros((60, 80), np.float32)
    relevancy[:, 40:] = 1
    picture = heat_map(GREY, relevancy).astype(int).sum(-1)
    assert picture[:, 40:].min() > picture[:, :40].max()


def test_the_bar_shows_the_colours_of_the_map_from_one_down_to_nothing():
    bar = colour_bar(256)[:, 0].astype(float)
    ramp = heat_map(np.zeros((1, 256, 3), np.uint8), np.linspace(1, 0, 256, dtype=np.float32)[None])[0].astype(float)
    assert (np.diff(bar.sum(-1)) <= 3).all()
    bright = bar.min(-1) > 20  # where both have colour enough to compare their shares of red and green
    np.testing.assert_allclose((ramp[:, 0] / ramp.sum(-1))[bright], (bar[:, 0] / bar.sum(-1))[bright], atol=0.01)
    assert with_bar(GREY).shape[0] == 60


def test_a_click_is_drawn_where_it_is():
    drawn = draw_prompts(GREY, [(PromptSet(points=(Point(50.0, 20.0),)), (0, 0, 255))])
    rows, columns = np.nonzero((np.abs(drawn.astype(int) - 128) > 8).any(-1))
    assert (rows.mean() + 0.5, columns.mean() + 0.5) == pytest.approx((20, 50), abs=0.6)
    assert max(np.ptp(rows), np.ptp(columns)) < 18


def test_a_picture_keeps_its_pixels_away_from_what_is_drawn():
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    drawn = draw_prompts(noise, [(PromptSet(points=(Point(0.5, 59.5),)), (0, 0, 255))])
    assert (drawn[-6:, :6] != noise[-6:, :6]).any()
    assert np.array_equal(drawn[:45], noise[:45])
    assert np.array_equal(drawn[:, 20:], noise[:, 20:])
    assert np.array_equal(draw_prompts(noise, [(PromptSet(), (0, 0, 255))]), noise)


def test_boxes_and_scribbles_are_drawn():
    prompts = PromptSet(boxes=(Box(10.0, 10.0, 30.0, 30.0),), scribbles=(Scribble(((50.0, 10.0), (70.0, 50.0))),))
    drawn = np.abs(draw_prompts(GREY, [(prompts, (255, 0, 0))]).astype(int) - 128).sum(-1) > 30
    assert drawn[10, 20]
    assert drawn[20, 10]
    assert drawn[30, 60]
    assert not drawn[20, 20]


def test_a_sheet_has_room_for_every_picture_and_word():
    rows = [("frame 1", [(GREY, "click"), (with_bar(GREY), "a phrase " * 40)]), ("frame 2", [(GREY, ""), (GREY, "")])]
    legend = [(f"striped red cube {i}", (255, 0, 0)) for i in range(9)]
    sheet = draw_sheet(Sheet("Title", "subtitle", ["view", "heat"], rows, 1, legend, "footer " * 50), tile=200)
    assert sheet.width > 2 * 200
    assert sheet.height > 2 * 150
    border = np.asarray(sheet)[:, -20:]
    assert (border == border[0, 0]).all(), "nothing runs over the margin"


def test_a_row_needs_a_picture_for_every_column():
    with pytest.raises(ValueError, match="row 'a' has 1 pictures for 2 columns"):
        draw_sheet(Sheet("t", "s", ["x", "y"], [("a", [(GREY, "")])]))


def test_masks_may_come_one_by_one_and_overlap():
    random = np.random.default_rng(0)
    rgb = random.integers(0, 256, (450, 500, 3), dtype=np.uint8)
    masks = []
    for top, left, height, width in ((0, 0, 200, 300), (100, 250, 350, 250), (40, 60, 1, 1), (5, 5, 0, 0)):
        mask = np.zeros((450, 500), bool)
        mask[top : top + height, left : left + width] = True
        masks.append((mask, tuple(random.integers(0, 256, 3).tolist())))
    expected = rgb.astype(np.float32)
    for mask, colour in masks:
        expected[mask] += 0.45 * (np.array(colour, np.float32) - expected[mask])
    for mask, colour in masks:
        inner = ndimage.binary_erosion(mask, iterations=2, border_value=1)
        expected[mask & ~inner] = 0.8 * np.array(colour, np.float32) + 0.2 * 255
    assert np.array_equal(overlay(rgb, iter(masks)), expected.round().clip(0, 255).astype(np.uint8))
