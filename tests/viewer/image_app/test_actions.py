"""What a person can do in the app, without a browser."""

import numpy as np
import pytest
from PIL import Image

from samnerf.errors import SamNerfError
from samnerf.images.segmentation import ImageSegmenter
from samnerf.viewer.image_app.actions import ADD, BOX, TAKE_AWAY, Actions
from samnerf.viewer.image_app.desk import SHOWN
from samnerf.viewer.image_app.examples import EXAMPLES

BALL, CAPSULE = "checkered brown sphere", "plain orange capsule"


@pytest.fixture(scope="module")
def actions(segmenter):
    return Actions(segmenter)


@pytest.fixture
def desk(actions):
    return actions.clear(actions.open_example(None, 0))


def union(desk):
    return np.any([one.mask for one in desk.chosen], axis=0)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_opens_with_an_answer_that_is_right(actions, number):
    opened = actions.open_example(None, number)
    rendering, things = EXAMPLES[number].rendering, EXAMPLES[number].scene.objects
    meant = {"clicks": "striped pink sphere", "words": "plain yellow torus"}[EXAMPLES[number].name]
    truth = rendering.ids == next(thing.id for thing in things if thing.name == meant)
    assert (union(opened) & truth).sum() / (union(opened) | truth).sum() > 0.85
    assert max(rendering.rgb.shape[:2]) == SHOWN
    assert opened.heat == (opened.answer.relevancy is not None)


def test_the_first_own_prompt_replaces_what_came_with_the_example(actions, scene):
    opened = actions.open_example(None, 0)
    clicked = actions.click(opened, ADD, scene.inside(BALL))
    assert clicked.said.points[0].x == scene.inside(BALL)[0]
    assert len(clicked.said.points) == 1
    assert scene.iou(union(clicked), scene.mask(BALL)) > 0.8
    assert actions.undo(clicked).answer is None


def test_a_click_adds_and_another_takes_away(actions, desk, scene):
    both = actions.click(actions.click(desk, ADD, scene.inside(BALL)), TAKE_AWAY, scene.inside(CAPSULE))
    assert [point.label for point in both.said.points] == [1, 0]
    assert scene.iou(union(both), scene.mask(BALL)) > 0.8
    assert not (union(both) & scene.mask(CAPSULE)).any()


def test_two_corners_in_any_order_make_a_box(actions, desk, scene):
    (x1, y1), (x2, y2) = scene.corners(CAPSULE)
    begun = actions.click(desk, BOX, (x2, y1))
    assert begun.corner == (x2, y1)
    assert begun.answer is None
    boxed = actions.click(begun, BOX, (x1, y2))
    assert boxed.corner is None
    assert scene.iou(union(boxed), scene.mask(CAPSULE)) > 0.9
    assert actions.undo(begun).corner is None


def test_a_box_without_area_leaves_the_first_corner(actions, desk):
    begun = actions.click(desk, BOX, (50, 50))
    with pytest.raises(SamNerfError, match="diagonally opposite"):
        actions.click(begun, BOX, (50, 90))
    assert begun.corner == (50, 50)


def test_words_find_a_thing_and_the_threshold_loses_it(actions, desk, scene):
    found = actions.find(desk, " orange capsule ", 0.5, 1)
    assert scene.iou(union(found), scene.mask(CAPSULE)) > 0.9
    assert found.answer.relevancy.shape == found.view.image_size
    lost = actions.adjust(found, 1.0, 1)
    assert lost.chosen == ()
    assert lost.answer.reason == "nothing reaches the relevancy 1 for 'orange capsule'"
    assert actions.undo(lost).said.empty


def test_numbers_without_words_change_nothing(actions, desk):
    assert actions.adjust(desk, 0.9, 3) is desk


@pytest.mark.parametrize(("text", "threshold", "top_k"), [("  ", 0.5, 1), ("ball", 1.5, 1), ("ball", 0.5, 31)])
def test_words_that_make_no_sense_are_refused(actions, desk, text, threshold, top_k):
    with pytest.raises(SamNerfError):
        actions.find(desk, text, threshold, top_k)


def test_three_candidates_come_with_scores_and_can_be_chosen(actions, desk, scene):
    clicked = actions.click(desk, ADD, scene.inside(BALL))
    assert clicked.candidate_scores == ()
    three = actions.offer_three(clicked, True)
    assert len(three.candidate_scores) == 3
    assert list(three.candidate_scores) == sorted(three.candidate_scores, reverse=True)
    last = actions.choose(three, 2)
    assert last.chosen[0] is three.answer.found[2]
    assert actions.click(last, ADD, scene.inside(BALL)).candidate == 0
    assert actions.offer_three(last, False).candidate_scores == ()


def test_everything_replaces_prompts_and_is_undone(actions, desk, scene):
    clicked = actions.click(desk, ADD, scene.inside(BALL))
    everything = actions.find_everything(clicked, 6, 0.5, 0.5)
    assert everything.answer.mode == "automatic"
    assert max(scene.iou(one.mask, scene.mask(CAPSULE)) for one in everything.chosen) > 0.9
    assert actions.undo(everything).said == clicked.said
    assert actions.click(everything, ADD, scene.inside(BALL)).answer.mode == "prompt"


def test_undo_goes_back_step_by_step_and_then_says_so(actions, desk, scene):
    steps = [desk]
    for name in (BALL, CAPSULE):
        steps.append(actions.click(steps[-1], ADD, scene.inside(name)))
    back = actions.undo(steps[2])
    assert np.array_equal(union(back), union(steps[1]))
    empty = actions.undo(back)
    assert empty.answer is None
    with pytest.raises(SamNerfError, match="nothing to undo"):
        actions.undo(empty)


def test_a_click_beside_the_picture_is_refused(actions, desk):
    with pytest.raises(SamNerfError, match="beside the picture"):
        actions.click(desk, ADD, (SHOWN + 20, 10))


def test_a_picture_is_encoded_once_whatever_is_asked(scene, monkeypatch):
    segmenter = ImageSegmenter("tiny")
    encoded = []
    for kind in ("sam", "clipseg"):
        encoder = segmenter.encoder(kind)
        whole = encoder.encode
        monkeypatch.setattr(encoder, "encode", lambda image, k=kind, w=whole: encoded.append(k) or w(image))
    actions = Actions(segmenter)
    desk = actions.open_example(None, 0)
    assert encoded == ["sam"]
    desk = actions.click(actions.click(desk, ADD, scene.inside(BALL)), TAKE_AWAY, scene.inside(CAPSULE))
    desk = actions.adjust(actions.find(actions.offer_three(desk, True), "ball", 0.5, 1), 0.2, 2)
    actions.clear(actions.undo(desk))
    actions.open_example(None, 0)
    assert encoded == ["sam", "clipseg"]


def test_desks_of_two_people_share_no_prompts(actions, scene):
    one, other = actions.clear(actions.open_example(None, 0)), actions.clear(actions.open_example(None, 0))
    clicked = actions.click(one, ADD, scene.inside(BALL))
    assert other.said.empty
    assert other.view is clicked.view
    assert actions.click(other, ADD, scene.inside(CAPSULE)).said.points != clicked.said.points


@pytest.mark.parametrize(("mode", "size"), [("L", (60, 90)), ("RGBA", (90, 60)), ("P", (1200, 400))])
def test_a_file_of_any_kind_opens_and_clicks_land_in_its_own_pixels(actions, tmp_path, mode, size):
    Image.new("RGB", size, (90, 140, 200)).convert(mode).save(tmp_path / "my photo.png")
    desk = actions.open_file(None, str(tmp_path / "my photo.png"))
    assert desk.name == "my photo.png"
    assert max(desk.shown.shape[:2]) == SHOWN
    rows, columns = desk.shown.shape[:2]
    clicked = actions.click(desk, ADD, (columns / 2, rows / 2))
    assert (clicked.said.points[0].x, clicked.said.points[0].y) == pytest.approx((size[0] / 2, size[1] / 2))
    assert clicked.chosen[0].mask.shape == (size[1], size[0])


def test_a_new_picture_keeps_the_settings(actions, desk, tmp_path):
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    assert actions.open_file(actions.offer_three(desk, True), str(tmp_path / "a.png")).settings.multimask_output


def test_a_file_that_is_no_picture_is_named_without_its_folder(actions, tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(SamNerfError, match=r"^image a\.png cannot be read"):
        actions.open_file(None, str(tmp_path / "a.png"))
