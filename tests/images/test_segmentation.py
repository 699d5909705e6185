"""Pictures and views in, masks with scores out, with the bundled teachers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from samnerf.errors import SamNerfError
from samnerf.images.prompts import ImagePrompts
from samnerf.images.result import ImageMask, ImageSegmentation
from samnerf.images.segmentation import ImageSegmenter, segment_image, segment_view
from samnerf.images.settings import ImageSettings
from samnerf.preprocessing.synthetic.training_images import training_image
from samnerf.session import Session

PICTURE = training_image(0, 1, 160)
FEW = ImageSettings(points_per_side=5, iou_thres=0.4, stability_score_thresh=0.6)


@pytest.fixture(scope="module")
def segmenter() -> ImageSegmenter:
    return ImageSegmenter()


def truth(name: str) -> np.ndarray:
    return PICTURE.ids == next(one.id for one in PICTURE.objects if one.name == name)


def centre(mask: np.ndarray) -> list[float]:
    rows, columns = np.nonzero(mask)
    return [float(columns.mean()) + 0.5, float(rows.mean()) + 0.5]


def box(mask: np.ndarray) -> list[int]:
    rows, columns = np.nonzero(mask)
    return [int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1]


def overlap(mask: np.ndarray, other: np.ndarray) -> float:
    return (mask & other).sum() / (mask | other).sum()


CUBE, CAPSULE = truth("striped pink cube"), truth("striped pink capsule")


def test_a_click_finds_its_object_with_a_score(segmenter):
    found = segmenter.segment(PICTURE.rgb, ImagePrompts(points=centre(CUBE)))
    assert found.mode == "prompt" and found.reason is None
    assert found.masks.shape == (1, 160, 160) and found.scores.shape == (1,)
    assert 0.5 < found.scores[0] <= 1.01
    assert overlap(found.masks[0], CUBE) > 0.7
    assert tuple(found.boxes[0]) == tuple(box(found.masks[0]))


def assert_the_best_score_wins(found: ImageSegmentation) -> None:
    """Every pixel of the ID map belongs to the mask of the highest score there; and there are pixels to decide."""
    scores = np.where(found.masks, found.scores[:, None, None], -1.0)
    winners = np.where(found.masks.any(0), found.object_ids[scores.argmax(0)], 0)
    assert (found.masks.sum(0) > 1).any()
    assert np.array_equal(found.id_map, winners)


def test_n_boxes_are_n_objects_in_one_id_map(segmenter):
    found = segmenter.segment(PICTURE.rgb, ImagePrompts(boxes=[box(CUBE), box(CAPSULE)]))
    assert found.object_ids.tolist() == [1, 2]
    assert overlap(found.masks[0], CUBE) > 0.7 and overlap(found.masks[1], CAPSULE) > 0.7
    for number, said in enumerate((CUBE, CAPSULE)):
        alone = segmenter.segment(PICTURE.rgb, ImagePrompts(boxes=box(said)))
        assert np.array_equal(alone.masks[0], found.masks[number])
    assert found.id_map.dtype == np.uint16
    assert_the_best_score_wins(found)


def test_a_label_of_0_beside_a_box_takes_away(segmenter):
    both = box(CUBE | CAPSULE)
    alone = segmenter.segment(PICTURE.rgb, ImagePrompts(points=centre(CAPSULE), boxes=both))
    without = segmenter.segment(
        PICTURE.rgb, ImagePrompts(points=[centre(CAPSULE), centre(CUBE)], labels=[0, 1], boxes=both)
    )
    assert [point.label for _, said in without.decoded for point in said.points] == [0, 1]
    assert overlap(alone.masks[0], CAPSULE) > 0.5
    assert overlap(without.masks[0], CUBE) > overlap(without.masks[0], CAPSULE)


def test_candidates_come_in_threes_best_first(segmenter):
    prompts = ImagePrompts(boxes=[box(CUBE), box(CAPSULE)])
    found = segmenter.segment(PICTURE.rgb, prompts, ImageSettings(multimask_output=True))
    assert found.object_ids.tolist() == [1, 1, 1, 2, 2, 2]
    assert (np.diff(found.scores.reshape(2, 3)) <= 0).all()
    assert [one.score for one in found.best] == found.scores[[0, 3]].tolist()


@pytest.mark.parametrize("candidates", [False, True])
def test_refinement_is_one_pass_and_can_be_switched_off(toy, candidates):
    decoder = toy.MaskDecoder()
    settings = ImageSettings(multimask_output=candidates)
    prompts = ImagePrompts(points=[64, 48])
    refined = segment_view(toy.image_view(), Session(decoder), prompts, settings)
    assert (len(decoder.decoded), float(refined.scores[0])) == (2, pytest.approx(0.9))
    once = segment_view(toy.image_view(), Session(decoder), prompts, replace(settings, use_m2m=False))
    assert (len(decoder.decoded), float(once.scores[0])) == (3, pytest.approx(0.8))


def test_words_find_their_object_and_show_where_they_fit(segmenter):
    found = segmenter.segment(PICTURE.rgb, ImagePrompts(text="striped pink capsule", threshold=0.3, top_k=3))
    assert overlap(found.masks[0], CAPSULE) > 0.5
    assert found.relevancy.shape == (160, 160)
    assert found.relevancy[CAPSULE].mean() > found.relevancy[PICTURE.ids == 0].mean()


def test_fewer_places_than_asked_for_are_no_error(segmenter):
    def prompts(threshold: float) -> ImagePrompts:
        return ImagePrompts(text="striped pink capsule", threshold=threshold, top_k=30)

    best = float(segmenter.segment(PICTURE.rgb, prompts(0.3)).relevancy.max())
    found = segmenter.segment(PICTURE.rgb, prompts(best - 1e-3))
    assert len(found.found) == 1
    assert 0 < sum(len(said.points) for _, said in found.decoded) < 30


def test_a_phrase_that_fits_nowhere_is_an_empty_result_that_says_so(segmenter):
    found = segmenter.segment(PICTURE.rgb, ImagePrompts(text="yellow torus", threshold=1.0, top_k=-5))
    assert (found.masks.shape, found.scores.shape, found.boxes.shape) == ((0, 160, 160), (0,), (0, 4))
    assert not found.id_map.any()
    assert found.reason == "nothing reaches the relevancy 1 for 'yellow torus'"


def test_random_places_are_those_of_their_seed(segmenter):
    def points(seed: int) -> list:
        prompts = ImagePrompts(text="striped pink capsule", threshold=0.3, top_k=-4, seed=seed)
        return [(p.x, p.y) for _, said in segmenter.segment(PICTURE.rgb, prompts).decoded for p in said.points]

    assert len(points(1)) == 4
    assert points(1) == points(1) != points(2)


def test_only_negative_points_are_an_empty_result_that_says_so(segmenter):
    found = segmenter.segment(PICTURE.rgb, ImagePrompts(points=[5, 5], labels=[0]))
    assert not found.found and found.reason == "it has no positive prompt"


def test_nothing_said_is_automatic_and_overlaps_go_to_the_best(segmenter):
    found = segmenter.segment(PICTURE.rgb, settings=FEW)
    assert found.mode == "automatic" and len(found.found) >= 2
    assert all(one.stability >= FEW.stability_score_thresh and one.score > FEW.iou_thres for one in found.found)
    assert_the_best_score_wins(found)


def test_zero_automatic_masks_are_a_result_too(segmenter):
    found = segmenter.segment(PICTURE.rgb, settings=replace(FEW, iou_thres=1.0))
    assert found.masks.shape == (0, 160, 160) and not found.id_map.any()
    assert "no point of the grid gave a mask" in found.reason and "lower these two" in found.reason


@pytest.mark.parametrize("percent", [50.0, 61.0, 200.0])
def test_another_input_size_leaves_prompts_and_masks_in_original_pixels(segmenter, percent):
    x1, y1, x2, y2 = box(CUBE)
    prompts = ImagePrompts(points=centre(CUBE), boxes=[x1, y1, x2, y2])
    rgb = np.ascontiguousarray(PICTURE.rgb[:137])
    found = segmenter.segment(rgb, prompts, ImageSettings(input_size_percent=percent, apply_postprocessing=False))
    assert found.masks.shape == (1, 137, 160)
    assert overlap(found.masks[0], CUBE[:137]) > 0.6
    ((_, said),) = found.decoded
    assert (said.boxes[0].x2, said.points[0].y) == pytest.approx((x2, centre(CUBE)[1]))


def test_a_half_sized_mask_is_restored_in_blocks(segmenter):
    settings = ImageSettings(input_size_percent=50.0, apply_postprocessing=False)
    mask = segmenter.segment(PICTURE.rgb, ImagePrompts(points=centre(CUBE)), settings).masks[0]
    blocks = mask.reshape(80, 2, 80, 2)
    np.testing.assert_array_equal(blocks.all((1, 3)), blocks.any((1, 3)))
    automatic = segmenter.segment(PICTURE.rgb, settings=replace(FEW, input_size_percent=50.0))
    assert all(one.mask.shape == (160, 160) for one in automatic.found) and automatic.found


def test_post_processing_fills_holes_and_removes_sprinkles(toy):
    class Frayed(toy.MaskDecoder):
        def decode(self, feature_map, prompts, candidates=False, previous=None):
            answer = super().decode(feature_map, prompts, candidates, previous)
            answer.logits[:] = -1.0
            answer.logits[:, 20:60, 20:60] = 1.0
            answer.logits[:, 40, 40] = -1.0  # a hole
            answer.logits[:, 0, 0] = 1.0  # a sprinkle
            return answer

    view = toy.image_view(height=256, width=256)
    prompts = ImagePrompts(points=[200, 200])
    frayed = segment_view(view, Session(Frayed()), prompts, ImageSettings(apply_postprocessing=False)).masks[0]
    clean = segment_view(view, Session(Frayed()), prompts, ImageSettings()).masks[0]
    assert not frayed[40, 40] and clean[40, 40]
    assert frayed[0, 0] and not clean[0, 0]


def test_a_view_of_a_trained_scene_is_segmented_like_a_photograph(toy):
    view = toy.view()
    session = Session(toy.MaskDecoder(), toy.TextDecoder())
    found = segment_view(view, session, ImagePrompts(text="green square"), ImageSettings())
    assert overlap(found.masks[0], toy.Field().ids(view.camera) == 2) > 0.7
    with pytest.raises(SamNerfError, match="features of view 'a' are rendered.*set input_size_percent to 100"):
        segment_view(view, session, ImagePrompts(points=[1, 1]), ImageSettings(input_size_percent=50.0))


def test_a_point_outside_is_named_in_pixels_of_the_original(segmenter):
    with pytest.raises(SamNerfError, match=r"point \(170, 5\) lies outside the image of 160 x 160 pixels"):
        segmenter.segment(PICTURE.rgb, ImagePrompts(points=[170, 5]), ImageSettings(input_size_percent=50.0))


@pytest.mark.parametrize("shape", [(50, 1), (1, 50), (1, 1)])
def test_pictures_one_pixel_wide_are_segmented(segmenter, shape):
    pixels = np.zeros((*shape, 3), np.uint8)
    said = segmenter.segment(pixels, ImagePrompts(points=[0.5, 0.5], text="red cube", threshold=0.0))
    assert said.masks.shape == (1, *shape) and said.relevancy.shape == shape
    settings = ImageSettings(points_per_side=2, iou_thres=0.0, stability_score_thresh=0.0, crop_n_layers=1)
    assert segmenter.segment(pixels, settings=settings).id_map.shape == shape


def test_more_than_255_objects_keep_their_ids():
    masks = [np.zeros((20, 20), bool) for _ in range(300)]
    for i, mask in enumerate(masks):
        mask.flat[i] = True
    found = ImageSegmentation((20, 20), "automatic", tuple(ImageMask(i + 1, m, 0.5) for i, m in enumerate(masks)))
    assert found.id_map.max() == 300
    np.testing.assert_array_equal(found.id_map.flat[:300], np.arange(1, 301))


@pytest.mark.parametrize("kind", [str, Path])
def test_a_file_is_segmented_by_the_one_call(tmp_path, kind):
    Image.fromarray(PICTURE.rgb).save(tmp_path / "picture.png")
    found = segment_image(kind(tmp_path / "picture.png"), ImagePrompts(points=centre(CUBE)))
    assert overlap(found.masks[0], CUBE) > 0.7


def test_teachers_that_do_not_exist_are_named():
    with pytest.raises(SamNerfError, match="no teachers called 'huge'"):
        ImageSegmenter("huge")
