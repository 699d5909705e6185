"""Laws of masks that are cut by depth."""

import numpy as np
import pytest
import torch

from samnerf.camera import Camera
from samnerf.masks import MaskPrediction
from samnerf.prompts import Box, Point, PromptSet
from samnerf.session import Session
from samnerf.view import ImageView
from samnerf.visible_surface import VisibleSurface, cut_prediction

HEIGHT, WIDTH = 40, 60
CAMERA = Camera(torch.eye(3, 4), 60.0, 60.0, WIDTH / 2, HEIGHT / 2, HEIGHT, WIDTH)
NEAR, FAR = np.s_[8:32, 8:30], np.s_[8:32, 30:52]
"""Two things side by side in the picture, the second far behind the first; the wall is farther still."""


def depth(**changes):
    seen = torch.full((HEIGHT, WIDTH), 6.0)
    seen[NEAR], seen[FAR] = 2.0, 4.0
    for where, value in changes.values():
        seen[where] = value
    return seen


@pytest.fixture
def both():
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[NEAR] = mask[FAR] = True
    return mask


def only(where):
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[where] = True
    return mask


@pytest.mark.parametrize(("click", "meant"), [((20, 15), NEAR), ((20, 45), FAR)])
def test_of_two_things_that_overlap_the_clicked_one_stays(both, click, meant):
    assert np.array_equal(VisibleSurface.of(CAMERA, depth()).cut(both, [click]), only(meant))


def test_two_clicks_keep_both(both):
    assert np.array_equal(VisibleSurface.of(CAMERA, depth()).cut(both, [(20, 15), (20, 45)]), both)


def test_without_a_click_the_largest_stays(both):
    both[8:32, 50:52] = False
    assert np.array_equal(VisibleSurface.of(CAMERA, depth()).cut(both), only(NEAR))


def test_a_hole_is_not_filled_with_what_is_seen_through_it(both):
    hole = np.s_[16:24, 14:22]
    cut = VisibleSurface.of(CAMERA, depth(hole=(hole, 6.0))).cut(both, [(10, 10)])
    assert np.array_equal(cut, only(NEAR) & ~only(hole))


def test_what_a_thin_thing_hides_in_the_middle_stays_one(both):
    """A post before the thing splits its mask, but not the thing."""
    post = np.s_[:, 19:20]
    mask = only(NEAR) & ~only(post)
    assert np.array_equal(VisibleSurface.of(CAMERA, depth(post=(post, 1.0))).cut(mask, [(20, 10)]), mask)


def test_a_slanted_surface_is_one():
    """A floor that runs from under the camera to the horizon's foot."""
    rows = torch.arange(HEIGHT) + 0.5
    seen = 1.0 / ((rows + 14) / 60.0)
    floor = seen[:, None].expand(HEIGHT, WIDTH)
    mask = np.ones((HEIGHT, WIDTH), bool)
    assert VisibleSurface.of(CAMERA, floor).cut(mask, [(20, 30)]).all()


def test_a_click_beside_the_mask_and_an_empty_mask_change_nothing(both):
    surface = VisibleSurface.of(CAMERA, depth())
    assert np.array_equal(surface.cut(both, [(2, 2)]), both)
    assert not surface.cut(np.zeros_like(both), [(2, 2)]).any()


def test_a_speck_is_not_what_was_meant(both):
    """A floater of one pixel, right under the click."""
    speck = np.s_[20:21, 15:16]
    assert VisibleSurface.of(CAMERA, depth(speck=(speck, 0.5))).cut(both, [(20, 15)])[NEAR].mean() > 0.99


def test_of_many_specks_those_beside_what_was_meant_stay(both):
    """Each second pixel floats: those of the near thing just before it, those of the far one far behind."""
    specks = np.zeros_like(both)
    specks[8:32:2, 8:52:2] = True
    mask, seen = both.copy(), depth()
    seen[torch.from_numpy(specks)] = torch.where(seen == 2.0, 1.85, 9.0)[torch.from_numpy(specks)]
    cut = VisibleSurface.of(CAMERA, seen).cut(mask, [(21, 15)])
    assert cut[NEAR].all()
    assert not cut[FAR].any()


def test_logits_of_what_is_cut_away_are_surely_negative_also_around_it(both):
    logits = torch.from_numpy(np.where(both, 3.0, -1.0)).float()
    prediction = MaskPrediction(logits[None], torch.tensor([0.9]), torch.zeros(1, 4, 4))
    cut = cut_prediction(prediction, VisibleSurface.of(CAMERA, depth()), [Point(15.5, 20.5)])
    assert np.array_equal(cut.mask().numpy(), only(NEAR))
    assert (cut.logits[0][FAR] < -5).all()
    assert (cut.logits[0, 8:32, 53:58] < -5).all()
    assert (cut.logits[0, 8:32, 2:8] == -1).all()
    assert (prediction.logits == logits).all()
    assert cut.scores is prediction.scores


@pytest.fixture
def session(toy):
    """One whose decoder takes everything for one thing."""

    class Both(toy.MaskDecoder):
        def decode(self, feature_map, prompts, candidates=False, previous=None):
            mask = np.zeros((HEIGHT, WIDTH), bool)
            mask[NEAR] = mask[FAR] = True
            logits = torch.from_numpy(np.where(mask, 3.0, -3.0)).float()[None]
            count = 3 if candidates else 1
            return MaskPrediction(logits.expand(count, -1, -1), torch.ones(count), torch.zeros(count, 4, 4))

    return Session(Both())


@pytest.fixture
def view(toy):
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    encode = toy.view().feature_map("sam")
    return ImageView("a", picture, lambda kind, image: encode, CAMERA, depth())


@pytest.mark.parametrize("candidates", [False, True])
def test_a_session_cuts_in_views_with_depth_and_keeps_what_the_decoder_gave(session, view, both, candidates):
    said = PromptSet(points=(Point(15.5, 20.5),))
    answer = session.answer(view, said, candidates)
    assert np.array_equal(answer.prediction.mask().numpy(), only(NEAR))
    assert np.array_equal(answer.uncut.mask().numpy(), both)
    assert np.array_equal(session.segment(view, said, candidates, by_depth=False).mask().numpy(), both)


def test_boxes_are_cut_one_by_one_and_united(session, view, both):
    one, other = Box(8.0, 8.0, 30.0, 32.0), Box(30.0, 8.0, 52.0, 32.0)
    said = PromptSet(points=(Point(15.5, 20.5), Point(40.5, 20.5)), boxes=(one, other))
    assert np.array_equal(session.segment(view, said).mask().numpy(), both)


def test_a_session_may_leave_masks_uncut(session, view, both):
    uncut = Session(session.mask_decoder, by_depth=False)
    said = PromptSet(points=(Point(15.5, 20.5),))
    assert np.array_equal(uncut.segment(view, said).mask().numpy(), both)


def test_alpha_is_cut_as_the_mask_is(session, view):
    answer = session.answer(view, PromptSet(points=(Point(15.5, 20.5),)))
    alpha = answer.cut(torch.ones(HEIGHT, WIDTH))
    assert (alpha[NEAR] == 1).all()
    assert (alpha[FAR] == 0).all()
