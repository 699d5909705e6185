"""SAM behind our contracts says what `segment_anything.SamPredictor` says; random weights, no training needed."""

import numpy as np
import pytest
import torch
from segment_anything import SamPredictor
from segment_anything.modeling import Sam

from samnerf.errors import SamNerfError
from samnerf.feature_map import FeatureMap
from samnerf.prompts import Box, Point, PromptSet
from samnerf.teachers.sam import SamEncoder, SamMaskDecoder, normalised_input
from samnerf.teachers.tiny_sam import CHANNELS, INPUT_SIDE, NAME, SIDE, TinySam

SHAPES = {"landscape": (60, 90), "portrait": (301, 200), "square": (256, 256)}
PROMPTS = {
    "point": PromptSet(points=(Point(20.0, 30.0),)),
    "points": PromptSet(points=(Point(20.0, 30.0), Point(40.5, 12.0, label=0))),
    "box": PromptSet(boxes=(Box(10.0, 5.0, 50.0, 55.0),)),
    "both": PromptSet(points=(Point(20.0, 30.0),), boxes=(Box(10.0, 5.0, 50.0, 55.0),)),
}


@pytest.fixture(scope="module")
def network() -> TinySam:
    torch.manual_seed(0)
    return TinySam().eval()


@pytest.fixture(scope="module")
def predictor(network: TinySam) -> SamPredictor:
    network.image_encoder.img_size = INPUT_SIDE
    return SamPredictor(Sam(network.image_encoder, network.prompt_encoder, network.mask_decoder))


@pytest.fixture(scope="module")
def encoder(network: TinySam) -> SamEncoder:
    return SamEncoder(network.image_encoder, NAME, "", CHANNELS, SIDE, INPUT_SIDE, torch.device("cpu"))


@pytest.fixture(scope="module")
def decoder(network: TinySam) -> SamMaskDecoder:
    return SamMaskDecoder(network.prompt_encoder, network.mask_decoder, NAME, torch.device("cpu"))


def photograph(shape: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("prompts", PROMPTS.values(), ids=PROMPTS)
@pytest.mark.parametrize("candidates", [False, True])
def test_logits_and_scores_equal_the_predictors(predictor, encoder, decoder, shape, prompts, candidates):
    image = photograph(shape)
    predictor.set_image(image)
    points = np.array([[p.x, p.y] for p in prompts.points]) if prompts.points else None
    labels = np.array([p.label for p in prompts.points]) if prompts.points else None
    box = np.array([[b.x1, b.y1, b.x2, b.y2] for b in prompts.boxes])[0] if prompts.boxes else None
    expected, scores, low = predictor.predict(points, labels, box, multimask_output=candidates, return_logits=True)
    answer = decoder.decode(encoder.encode(image), prompts, candidates)
    torch.testing.assert_close(answer.logits, torch.from_numpy(expected), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(answer.scores, torch.from_numpy(scores), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(answer.low_resolution_logits, torch.from_numpy(low), atol=1e-5, rtol=1e-5)


def test_refinement_equals_the_predictors_mask_input(predictor, encoder, decoder):
    image = photograph(SHAPES["portrait"])
    predictor.set_image(image)
    click = PROMPTS["point"]
    first = decoder.decode(encoder.encode(image), click)
    expected, _, _ = predictor.predict(
        np.array([[20.0, 30.0]]),
        np.array([1]),
        mask_input=first.low_resolution_logits.numpy(),
        multimask_output=False,
        return_logits=True,
    )
    second = decoder.decode(encoder.encode(image), click, previous=first.low_resolution_logits)
    torch.testing.assert_close(second.logits, torch.from_numpy(expected), atol=1e-5, rtol=1e-5)


def test_a_stretched_input_has_no_padding_and_a_letterboxed_one_has():
    image = np.full((40, 80, 3), 255, dtype=np.uint8)
    stretched = normalised_input(image, 64, "stretch")
    letterboxed = normalised_input(image, 64, "letterbox")
    assert (stretched != 0).all()
    assert (letterboxed[:, :32] != 0).all() and (letterboxed[:, 32:] == 0).all()


def test_a_stretched_square_is_a_letterboxed_square(encoder):
    image = photograph((128, 128))
    torch.testing.assert_close(encoder.encode(image, "stretch").values, encoder.encode(image, "letterbox").values)


def test_a_map_of_another_teacher_is_refused(decoder):
    foreign = FeatureMap(torch.zeros(CHANNELS, SIDE, SIDE), (10, 10), "letterbox", "sam-vit-h")
    with pytest.raises(ValueError, match="the map is of 'sam-vit-h' but this decoder reads 'tiny-sam'"):
        decoder.decode(foreign, PROMPTS["point"])


def test_a_click_outside_the_image_is_named(decoder):
    features = FeatureMap(torch.zeros(CHANNELS, SIDE, SIDE), (20, 30), "letterbox", NAME)
    with pytest.raises(SamNerfError, match=r"point \(31, 5\) lies outside the image of 30 x 20 pixels"):
        decoder.decode(features, PromptSet(points=(Point(31.0, 5.0),)))


def test_two_boxes_for_one_object_are_refused(decoder):
    features = FeatureMap(torch.zeros(CHANNELS, SIDE, SIDE), (20, 30), "letterbox", NAME)
    boxes = (Box(1.0, 1.0, 5.0, 5.0), Box(6.0, 6.0, 9.0, 9.0))
    with pytest.raises(SamNerfError, match="2 boxes; one object takes at most one"):
        decoder.decode(features, PromptSet(boxes=boxes))
