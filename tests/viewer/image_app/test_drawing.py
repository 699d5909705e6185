"""What the app shows of a desk, in pixels and in words."""

from dataclasses import replace

import numpy as np
import pytest

from samnerf.images.result import ImageMask, ImageSegmentation
from samnerf.objects.palette import object_colour
from samnerf.prompts import Box, Phrase, Point
from samnerf.view import ImageView
from samnerf.viewer.image_app.desk import Desk, Said
from samnerf.viewer.image_app.drawing import OPACITY, draw_desk
from samnerf.viewer.image_app.words import candidate_labels, sentence, status

GREY = np.full((60, 80, 3), 128, np.uint8)


def never(kind, image):
    raise AssertionError("nothing has to be encoded")


def block(rows, columns, size=(60, 80)):
    mask = np.zeros(size, bool)
    mask[rows, columns] = True
    return mask


def desk_with(*masks, relevancy=None, reason=None, image=GREY, **about):
    found = tuple(ImageMask(i, mask, 0.9 - 0.1 * i) for i, mask in enumerate(masks, start=1))
    answer = ImageSegmentation(image.shape[:2], "prompt", found, relevancy=relevancy, reason=reason)
    return replace(Desk("photo.png", ImageView("photo", image, never), image), answer=answer, **about)


def test_a_desk_without_answer_shows_the_picture():
    assert np.array_equal(draw_desk(Desk("a", ImageView("a", GREY, never), GREY)), GREY)


def test_a_mask_changes_its_pixels_and_no_others():
    mask = block(slice(10, 30), slice(20, 50))
    drawn = draw_desk(desk_with(mask))
    assert np.array_equal((drawn != GREY).any(-1), mask)


def test_a_small_mask_is_seen_above_a_large_one_of_higher_score():
    large, small = np.ones((60, 80), bool), block(slice(10, 40), slice(20, 60))
    drawn = draw_desk(desk_with(large, small))
    expected = (1 - OPACITY) * 128 + OPACITY * np.array(object_colour(2))
    np.testing.assert_allclose(drawn[25, 40], expected, atol=1)


def test_masks_are_drawn_at_the_size_that_is_shown():
    image = np.full((30, 40, 3), 128, np.uint8)
    drawn = draw_desk(replace(desk_with(block(slice(5, 15), slice(10, 25), (30, 40)), image=image), shown=GREY))
    assert np.array_equal((drawn != GREY).any(-1), block(slice(10, 30), slice(20, 50)))


@pytest.mark.parametrize("said", [Said(points=(Point(20.0, 15.0, 0),)), Said(boxes=(Box(10.0, 10.0, 30.0, 20.0),))])
def test_what_was_said_is_drawn_even_if_it_gave_nothing(said):
    drawn = draw_desk(desk_with(history=(Said(), said)))
    rows, columns = np.nonzero((drawn != GREY).any(-1))
    assert (rows.mean() + 0.5, columns.mean() + 0.5) == pytest.approx((15, 20), abs=1)


def test_the_first_corner_of_a_box_is_drawn():
    assert (draw_desk(desk_with(corner=(20.0, 15.0)))[14, 19] != 128).any()


def test_the_heat_map_is_shown_on_request_with_its_scale():
    image = np.full((240, 320, 3), 128, np.uint8)
    relevancy = np.zeros((240, 320), np.float32)
    relevancy[:, 160:] = 1
    warm = desk_with(relevancy=relevancy, heat=True, image=image)
    drawn = draw_desk(warm).astype(int).sum(-1)
    assert drawn[:100, 165:].min() > drawn[:100, :155].max()
    assert drawn[-100:, -60:].min() < drawn[:100, :155].min()
    assert np.array_equal(draw_desk(replace(warm, heat=False)), image)
    assert np.array_equal(draw_desk(desk_with(heat=True)), GREY)


def test_the_status_says_what_to_do_and_what_came_of_it():
    mask = block(slice(0, 30), slice(0, 40))
    assert "Click an object" in status(Desk("a.png", ImageView("a", GREY, never), GREY))
    assert "80 &times; 60 pixels" in status(Desk("a.png", ImageView("a", GREY, never), GREY))
    assert "Click the opposite one" in status(desk_with(corner=(1.0, 1.0)))
    assert "<b>One object,</b> score 0.80, 25.0 % of the picture." in status(desk_with(mask, seconds=0.02))
    assert "20 ms" in status(desk_with(mask, seconds=0.02))
    assert "<b>2 objects,</b> scores 0.70 to 0.80." in status(desk_with(mask, mask))
    assert "The mask is empty" in status(desk_with(np.zeros((60, 80), bool)))


def test_words_from_outside_are_escaped():
    said = Said(phrase=Phrase("<script>"))
    desk = desk_with(reason="nothing reaches the relevancy 0.5 for '<script>'", history=(Said(), said))
    assert "&lt;script&gt;" in status(desk)
    assert "<script>" not in status(desk) + status(replace(desk, answer=None, name="<script>.png"))


def test_candidates_are_labelled_with_their_scores():
    mask = block(slice(0, 9), slice(0, 9))
    three = tuple(ImageMask(1, mask, score) for score in (0.91, 0.5, 0.25))
    desk = replace(desk_with(mask), answer=ImageSegmentation((60, 80), "prompt", three))
    assert candidate_labels(desk) == [("1. 0.91", 0), ("2. 0.50", 1), ("3. 0.25", 2)]
    assert candidate_labels(desk_with(mask)) == []


def test_an_error_becomes_a_sentence():
    assert sentence("there is nothing to undo") == "There is nothing to undo."
