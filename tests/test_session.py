"""Laws of prompting."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from samnerf.errors import SamNerfError
from samnerf.prompts import Box, Phrase, Point, PromptSet, Scribble, WorldPoint
from samnerf.session import Session, visible_points


@pytest.fixture
def session(toy):
    return Session(toy.MaskDecoder(), toy.TextDecoder())


def iou_of(view, prediction, toy, *ids, field=None):
    truth = np.isin((field or toy.Field()).ids(view.camera), ids)
    mask = prediction.mask().numpy()
    return (truth & mask).sum() / (truth | mask).sum()


@pytest.mark.parametrize("size", [(96, 128), (128, 96), (112, 112), (75, 101)])
@pytest.mark.parametrize("layout", ["letterbox", "stretch"])
def test_a_click_masks_what_it_hits_whatever_the_aspect(session, toy, size, layout):
    view = toy.view(field=toy.Field(layout=layout), height=size[0], width=size[1], focal=90.0)
    prompts = PromptSet(points=(Point(*toy.centre(view, 1)),))
    assert iou_of(view, session.segment(view, prompts), toy, 1) > 0.75


def test_every_source_of_a_view_gives_the_same_mask(session, toy):
    distilled, image = toy.view(), toy.image_view()
    prompts = PromptSet(points=(Point(*toy.centre(distilled, 2)),))
    overlap = session.segment(distilled, prompts).mask() & session.segment(image, prompts).mask()
    assert overlap.sum() > 0.8 * session.segment(distilled, prompts).mask().sum()


def test_the_same_prompts_give_the_same_mask(session, toy):
    prompts = PromptSet(points=(Point(64.0, 48.0),), phrase=Phrase("square", 0.4, 3))
    first, second = (session.segment(toy.view(), prompts) for _ in range(2))
    assert torch.equal(first.logits, second.logits)
    assert torch.equal(first.scores, second.scores)


def test_a_negative_point_takes_away(session, toy):
    view = toy.view()
    both = PromptSet(points=(Point(*toy.centre(view, 1)), Point(*toy.centre(view, 2))))
    assert iou_of(view, session.segment(view, both), toy, 1, 2) > 0.75
    less = replace(both, points=(*both.points, Point(*toy.centre(view, 2), label=0)))
    assert iou_of(view, session.segment(view, less), toy, 1) > 0.75


def test_a_scribble_is_as_good_as_the_points_along_it(session, toy):
    view = toy.view()
    x, y = toy.centre(view, 1)
    scribble = PromptSet(scribbles=(Scribble(((x - 3, y - 3), (x + 3, y + 3))),))
    click = PromptSet(points=(Point(x, y),))
    assert torch.equal(session.segment(view, scribble).mask(), session.segment(view, click).mask())


def test_a_box_masks_what_fills_it(session, toy):
    view = toy.view()
    x, y = toy.centre(view, 3)
    prediction = session.segment(view, PromptSet(boxes=(Box(x - 8, y - 8, x + 8, y + 8),)))
    assert iou_of(view, prediction, toy, 3) > 0.7


def test_several_boxes_mask_the_union_of_each_ones_mask(session, toy):
    view = toy.view()
    boxes = [Box(x - 8, y - 8, x + 8, y + 8) for x, y in (toy.centre(view, 2), toy.centre(view, 3))]
    single = [session.segment(view, PromptSet(boxes=(box,))).mask() for box in boxes]
    together = session.segment(view, PromptSet(boxes=tuple(boxes)))
    assert torch.equal(together.mask(), single[0] | single[1])


def test_the_decoder_gets_at_most_one_box_and_only_image_points(session, toy):
    view = toy.view()
    session.segment(
        view,
        PromptSet(
            points=(Point(64.0, 48.0),),
            boxes=(Box(1.0, 2.0, 30.0, 40.0), Box(60.0, 40.0, 90.0, 80.0)),
            scribbles=(Scribble(((5.0, 5.0), (9.0, 9.0))),),
            world_points=(WorldPoint(-0.6, 0.0, 0.1),),
        ),
    )
    for prompts in session.mask_decoder.decoded:
        assert len(prompts.boxes) <= 1
        assert not prompts.scribbles
        assert not prompts.world_points
        assert prompts.phrase is None


def test_candidates_come_in_threes_with_scores(session, toy):
    prediction = session.segment(toy.view(), PromptSet(points=(Point(64.0, 48.0),)), candidates=True)
    assert prediction.logits.shape == (3, 96, 128)
    assert prediction.scores.shape == (3,)


def test_refinement_feeds_the_answer_back(toy):
    prompts = PromptSet(points=(Point(64.0, 48.0),))
    scores = [float(Session(toy.MaskDecoder(), refinements=n).segment(toy.view(), prompts).scores[0]) for n in (0, 1)]
    assert scores == pytest.approx([0.8, 0.9])


def test_of_candidates_the_best_is_fed_back_on_request(toy):
    prompts = PromptSet(points=(Point(64.0, 48.0),))
    session = Session(toy.MaskDecoder(), refine_candidates=True)
    prediction = session.segment(toy.view(), prompts, candidates=True)
    assert prediction.scores.tolist() == pytest.approx([0.9, 0.2, 0.1])


def test_words_alone_mask_the_thing_they_name(session, toy):
    view = toy.view()
    prediction = session.segment(view, PromptSet(phrase=Phrase("red square")))
    assert iou_of(view, prediction, toy, 1) > 0.75


def test_words_for_several_things_mask_them_all_when_several_are_asked_for(session, toy):
    view = toy.view()
    every = session.segment(view, PromptSet(phrase=Phrase("square", top_k=200)))
    assert iou_of(view, every, toy, 1, 2, 3) > 0.75
    one = session.segment(view, PromptSet(phrase=Phrase("square", top_k=1)))
    assert max(iou_of(view, one, toy, i) for i in (1, 2, 3)) > 0.7


def test_words_for_what_is_not_there_mask_nothing_and_say_so(session, toy):
    answer = session.answer(toy.view(), PromptSet(phrase=Phrase("yellow banana", top_k=5)))
    assert not answer.prediction.mask().any()
    assert float(answer.prediction.scores[0]) == 0
    assert "yellow banana" in (answer.reason or "")


def test_a_negative_click_strikes_out_what_words_found(session, toy):
    view = toy.view()
    prompts = PromptSet(points=(Point(*toy.centre(view, 1), label=0),), phrase=Phrase("square", top_k=200))
    assert iou_of(view, session.segment(view, prompts), toy, 2, 3) > 0.7


def test_a_click_beside_words_says_which_of_the_things_is_meant(session, toy):
    view = toy.view()
    prompts = PromptSet(points=(Point(*toy.centre(view, 2)),), phrase=Phrase("square", top_k=200))
    assert iou_of(view, session.segment(view, prompts), toy, 2) > 0.7


@pytest.mark.parametrize("size", [(96, 128), (128, 96), (64, 128)])
@pytest.mark.parametrize("layout", ["letterbox", "stretch"])
def test_relevancy_lies_on_the_thing_whatever_the_aspect(session, toy, size, layout):
    view = toy.view(field=toy.Field(layout=layout), height=size[0], width=size[1], focal=60.0)
    relevancy = session.relevancy(view, "red square")
    assert relevancy.shape == size
    truth = torch.from_numpy(toy.Field().ids(view.camera) == 1)
    found = relevancy > 0.75
    assert (found & truth).sum() / (found | truth).sum() > 0.6


def test_a_world_point_masks_the_same_thing_in_every_view(session, toy):
    point = PromptSet(world_points=(WorldPoint(-0.6, 0.0, 0.1),))
    for x in (-0.5, 0.0, 0.3):
        view = toy.view(x=x)
        assert iou_of(view, session.segment(view, point), toy, 1) > 0.75


def test_a_hidden_world_point_does_not_count(session, toy):
    roof = toy.Field((*toy.squares, toy.Square(5, -0.6, 0.0, 1.5, 0.4)))
    view = toy.view(field=roof)
    answer = session.answer(view, PromptSet(world_points=(WorldPoint(-0.6, 0.0, 0.1),)))
    assert not answer.prediction.mask().any()
    assert answer.reason == "none of its positive points is visible"
    # From the side the roof hides nothing.
    aside = toy.view(field=roof, x=-2.0, focal=60.0)
    assert len(visible_points(aside, (WorldPoint(-0.7, 0.0, 0.1),))) == 1


def test_world_points_behind_the_camera_or_outside_the_image_do_not_count(toy):
    view = toy.view()
    assert visible_points(view, (WorldPoint(0.0, 0.0, 5.0), WorldPoint(50.0, 0.0, 0.0))) == []


def test_the_label_of_a_world_point_is_kept(toy):
    assert visible_points(toy.view(), (WorldPoint(-0.6, 0.0, 0.1, label=0),))[0].label == 0


def test_image_prompts_of_another_view_are_left_out(session, toy):
    answer = session.answer(toy.view("b"), PromptSet(points=(Point(64.0, 48.0),), view="a"))
    assert answer.decoded == ()
    assert answer.reason == "its prompts belong to view 'a'"


def test_only_negative_prompts_mask_nothing(session, toy):
    answer = session.answer(toy.view(), PromptSet(points=(Point(64.0, 48.0, label=0),)))
    assert answer.reason == "it has no positive prompt"
    assert not answer.prediction.mask().any()


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        (PromptSet("fox"), "'fox' has no prompts"),
        (PromptSet(points=(Point(500.0, 3.0),)), "outside the image"),
        (PromptSet(boxes=(Box(200.0, 200.0, 300.0, 300.0),)), "outside"),
        (PromptSet(phrase=Phrase("  ")), "the phrase is empty"),
    ],
)
def test_what_cannot_be_answered_is_said_in_words(session, toy, prompts, message):
    with pytest.raises(SamNerfError, match=message):
        session.segment(toy.view(), prompts)


def test_words_need_a_text_decoder(toy):
    with pytest.raises(SamNerfError, match="needs a text decoder"):
        Session(toy.MaskDecoder()).segment(toy.view(), PromptSet(phrase=Phrase("red square")))


def test_world_points_need_a_camera(session, toy):
    with pytest.raises(SamNerfError, match="has no camera"):
        session.segment(toy.image_view(), PromptSet(world_points=(WorldPoint(0.0, 0.0, 0.0),)))
