"""Automatic masks are those of `segment_anything`, and there may be none of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from segment_anything import SamAutomaticMaskGenerator
from segment_anything.modeling import Sam

from samnerf.errors import SamNerfError
from samnerf.images.automatic_masks import RunLengths, automatic_masks
from samnerf.images.settings import ImageSettings
from samnerf.preprocessing.synthetic.training_images import training_image
from samnerf.teachers.sam import SamEncoder, SamMaskDecoder
from samnerf.teachers.tiny_sam import CHANNELS, INPUT_SIDE, NAME, SIDE, WEIGHTS, TinySam
from samnerf.teachers.weights_files import fill, read_safetensors
from samnerf.view import ImageView

EASY = ImageSettings(points_per_side=6, points_per_batch=8, iou_thres=0.3, stability_score_thresh=0.5)
SHARED = (
    "points_per_side",
    "points_per_batch",
    "stability_score_thresh",
    "stability_score_offset",
    "box_nms_thresh",
    "crop_n_layers",
    "crop_nms_thresh",
    "crop_overlap_ratio",
    "crop_n_points_downscale_factor",
    "min_mask_region_area",
)
"""Settings of the same name there and here."""
CASES = {
    "the whole picture": {},
    "good and stable ones": {"iou_thres": 0.7, "stability_score_thresh": 0.9, "stability_score_offset": 0.5},
    "another threshold": {"mask_threshold": 0.7, "box_nms_thresh": 0.9},
    "crops": {"crop_n_layers": 1, "crop_n_points_downscale_factor": 2, "crop_nms_thresh": 0.9},
    "two layers of crops": {"crop_n_layers": 2, "points_per_side": 2, "crop_overlap_ratio": 0.5},
    "cleaned": {"min_mask_region_area": 25, "box_nms_thresh": 0.9, "crop_nms_thresh": 0.95},
}


class Segmenter:
    """The tiny SAM behind our contracts, and as the package knows it."""

    def __init__(self, network: TinySam, image: np.ndarray):
        network.image_encoder.img_size = INPUT_SIDE
        self.sam = Sam(network.image_encoder, network.prompt_encoder, network.mask_decoder).eval()
        self.decoder = SamMaskDecoder(network.prompt_encoder, network.mask_decoder, NAME, torch.device("cpu"))
        encoder = SamEncoder(network.image_encoder, NAME, "", CHANNELS, SIDE, INPUT_SIDE, torch.device("cpu"))
        self.view = ImageView("image", image, lambda kind, image: encoder.encode(image))


@pytest.fixture(scope="module")
def trained() -> Segmenter:
    network = TinySam()
    fill(network, read_safetensors(WEIGHTS, ""), WEIGHTS)
    return Segmenter(network, np.ascontiguousarray(training_image(0, 1, 200).rgb[40:]))


@pytest.fixture(scope="module")
def newborn() -> Segmenter:
    torch.manual_seed(3)
    return Segmenter(TinySam(), np.random.default_rng(1).integers(0, 256, (110, 75, 3), dtype=np.uint8))


def agree(segmenter: Segmenter, settings: ImageSettings, least: int) -> None:
    """The same masks in the same order; `least` says how many there must be for that to mean something."""
    segmenter.sam.mask_threshold = settings.mask_threshold
    same = {name: getattr(settings, name) for name in SHARED}
    generator = SamAutomaticMaskGenerator(segmenter.sam, pred_iou_thresh=settings.iou_thres, **same)
    expected = generator.generate(segmenter.view.rgb)
    found = automatic_masks(segmenter.view, segmenter.decoder, settings)
    assert len(found) == len(expected) >= least
    assert [one.object_id for one in found] == list(range(1, len(found) + 1))
    for one, theirs in zip(found, expected, strict=True):
        assert (one.mask != theirs["segmentation"]).sum() <= 3
        assert one.score == pytest.approx(theirs["predicted_iou"], abs=1e-5)
        assert one.stability == pytest.approx(theirs["stability_score"], abs=1e-2)
        assert one.point == pytest.approx(theirs["point_coords"][0])
        x, y, width, height = theirs["bbox"]  # SAM's boxes end on the last pixel, ours one past it
        np.testing.assert_allclose(one.box, (x, y, x + width + 1, y + height + 1), atol=1)


@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_masks_scores_boxes_and_order_are_those_of_segment_anything(trained, changes):
    agree(trained, replace(EASY, **changes), least=2)


def test_random_weights_give_what_they_give_segment_anything(newborn):
    settings = ImageSettings(
        points_per_side=4, iou_thres=0.0, stability_score_thresh=0.0, box_nms_thresh=1.0, crop_nms_thresh=1.0
    )
    agree(newborn, settings, least=20)
    agree(newborn, replace(settings, crop_n_layers=1), least=40)


def test_what_nothing_satisfies_is_no_mask(trained):
    assert automatic_masks(trained.view, trained.decoder, replace(EASY, iou_thres=1.0)) == ()
    settings = replace(EASY, iou_thres=1.0, crop_n_layers=1, min_mask_region_area=9)
    assert automatic_masks(trained.view, trained.decoder, settings) == ()


def test_a_rendered_feature_map_is_searched_as_a_whole_but_not_in_crops(trained, toy):
    class Renderer(toy.Field):
        def render_feature_maps(self, camera):
            return {"sam": trained.view.feature_map("sam")}

    height, width = trained.view.image_size
    rendered = toy.view(field=Renderer(), height=height, width=width)
    expected = automatic_masks(trained.view, trained.decoder, EASY)
    found = automatic_masks(rendered, trained.decoder, EASY)
    assert [one.score for one in found] == [one.score for one in expected]
    with pytest.raises(SamNerfError, match="features of view 'a' are rendered.*set crop_n_layers to 0"):
        automatic_masks(rendered, trained.decoder, replace(EASY, crop_n_layers=1))


def test_masks_one_pixel_wide_are_told_apart_only_if_they_differ(trained):
    encoder = trained.view.encode
    line = ImageView("line", np.zeros((60, 1, 3), np.uint8), encoder)
    settings = ImageSettings(points_per_side=4, iou_thres=0.0, stability_score_thresh=0.0)
    found = automatic_masks(line, trained.decoder, settings)
    assert 0 < len(found) < 3 * 16
    assert all(one.box[2] == 1 for one in found)


def test_a_decoder_of_one_object_at_a_time_is_named(toy):
    with pytest.raises(
        SamNerfError, match="automatic masks need a decoder that answers many points at once; 'toy-sam'"
    ):
        automatic_masks(toy.image_view(), toy.MaskDecoder(), EASY)


@pytest.mark.parametrize("picture", [np.zeros((1, 1), bool), np.eye(5, 7, dtype=bool), ~np.eye(5, 7, dtype=bool)])
def test_run_lengths_keep_the_mask(picture):
    np.testing.assert_array_equal(RunLengths.of(picture).mask, picture)
