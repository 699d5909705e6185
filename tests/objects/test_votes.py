"""What views say of an object, and how they come to agree."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from samnerf.objects.support import Support
from samnerf.objects.votes import Vote, agreed, first_votes, judged, overlap, seen_points
from samnerf.prompts import PromptSet, WorldPoint
from samnerf.session import Session


def nobody(*_):
    pass


@pytest.fixture
def session(toy):
    return Session(toy.MaskDecoder(), toy.TextDecoder())


@pytest.fixture
def support(toy):
    return toy.support()


def truth(toy, one, object_id):
    return toy.Field().ids(one.samples.camera) == object_id


def true_vote(toy, one, object_id):
    return Vote(one, torch.from_numpy(truth(toy, one, object_id)).float().flatten())


def test_points_are_seen_where_they_are_and_not_where_they_are_hidden(toy, support):
    said = PromptSet(
        world_points=(WorldPoint(-0.6, 0.0, 0.1), WorldPoint(-0.6, 0.0, -0.5, 0), WorldPoint(9.0, 9.0, 0.0))
    )
    (seen,) = seen_points(support.views[4], said)
    assert (seen.x, seen.y) == pytest.approx(toy.centre(support.views[4].view, 1), abs=1.0)
    assert seen.label == 1
    assert seen_points(support.views[4], PromptSet()) == ()


def test_every_view_that_sees_a_point_votes(toy, session, support):
    said = PromptSet(world_points=(WorldPoint(0.5, 0.3, 0.1),))
    heard = []
    votes = first_votes(session, support.views, said, lambda *what: heard.append(what))
    assert len(votes) == 9
    assert all(overlap(vote.mask, truth(toy, vote.by, 2)) > 0.75 for vote in votes)
    assert heard == [("asking the views", done, 9) for done in range(1, 10)]


def test_a_view_that_sees_none_does_not_vote(session, support):
    assert first_votes(session, support.views, PromptSet(world_points=(WorldPoint(0.0, 0.0, -3.0),)), nobody) == []
    assert first_votes(session, support.views, PromptSet(world_points=(WorldPoint(0.5, 0.3, 0.1, 0),)), nobody) == []


def test_the_surface_of_a_vote_lies_on_what_it_says(toy, support):
    surface = true_vote(toy, support.views[2], 3).surface
    square = toy.squares[2]
    assert len(surface) == truth(toy, support.views[2], 3).sum()
    assert float((surface[:, 2] - square.z).abs().max()) < 1e-5
    assert float((surface[:, 0] - square.x).abs().max()) < square.half


def test_the_surface_of_air_is_nothing(toy):
    field = toy.Field()

    def air(camera):
        samples = field.render_samples(camera)
        return replace(samples, weights=samples.weights * 0.1)

    one = Support([toy.view("a", field)], air).views[0]
    assert len(true_vote(toy, one, 1).surface) == 0


def test_true_votes_agree_on_the_truth(toy, support):
    verdict = agreed([true_vote(toy, one, 1) for one in support.views])
    for vote in verdict.votes:
        assert vote.agreement(verdict.grid) > 0.95
        assert vote.weight > 0.8


def test_one_view_that_contradicts_all_others_loses_its_weight(toy, support):
    votes = [true_vote(toy, one, 1) for one in support.views]
    votes[4] = Vote(support.views[4], torch.from_numpy(truth(toy, support.views[4], 2)).float().flatten())
    verdict = agreed(votes)
    liar = verdict.votes[4]
    assert liar.weight < 0.01
    assert min(vote.weight for vote in verdict.votes if vote is not liar) > 0.7
    assert overlap(verdict.votes[0].mask, (support.views[4].alpha(verdict.grid) > 0.5).numpy()) > 0.0
    assert overlap(truth(toy, support.views[4], 1), (support.views[4].alpha(verdict.grid) > 0.5).numpy()) > 0.9


def test_a_hypothesis_that_is_right_is_confirmed(toy, session, support):
    verdict = judged(session, support.views, toy.grid(1), PromptSet("red"), nobody)
    assert len(verdict.votes) == 9
    assert verdict.confirmed > 0.75


def test_views_that_show_nothing_of_a_hypothesis_are_not_asked(toy, session, support):
    nowhere = replace(toy.grid(1), lower=torch.full((3,), 50.0))
    verdict = judged(session, support.views, nowhere, PromptSet("red"), nobody)
    assert (verdict.votes, verdict.confirmed, verdict.grid) == ((), 0.0, nowhere)
    assert session.mask_decoder.decoded == []


def test_every_view_is_asked_with_a_box_clicks_inside_and_the_negative_clicks_that_it_sees(toy, session, support):
    said = PromptSet("red", world_points=(WorldPoint(0.5, 0.3, 0.1, 0), WorldPoint(-0.6, 0.0, 0.1, 1)))
    judged(session, support.views[4:5], toy.grid(1), said, nobody)
    asked = session.mask_decoder.decoded[0]
    rows, columns = np.nonzero(toy.Field().ids(support.views[4].view.camera) == 1)
    (box,) = asked.boxes
    assert (box.x1, box.y1, box.x2, box.y2) == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert [point.label for point in asked.points] == [1, 1, 0]
    for point in asked.points[:2]:
        assert truth(toy, support.views[4], 1)[int(point.y), int(point.x)]
    assert (asked.points[2].x, asked.points[2].y) == pytest.approx(toy.centre(support.views[4].view, 2), abs=1.0)


def test_overlap_is_iou_and_two_empty_masks_are_the_same():
    one = np.array([True, True, False, False])
    assert overlap(one, one) == 1
    assert overlap(one, ~one) == 0
    assert overlap(one, np.array([False, True, True, False])) == pytest.approx(1 / 3)
    assert overlap(~one & one, ~one & one) == 1
