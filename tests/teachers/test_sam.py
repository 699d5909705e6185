"""SAM behind our contracts says what `segment_anything.SamPredictor` says; random weights, no training needed."""

import numpy as np
import pytest
import torch
from segment_anything import SamPredictor
from segment_anything.modeling import ImageEncoderViT, Sam
from torch import nn

from samnerf.errors import SamNerfError
from samnerf.feature_map import FeatureMap
from samnerf.prompts import Box, Point, PromptSet
from samnerf.teachers.contracts import BatchEncoder
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


def predicted(predictor, image, prompts, candidates, previous=None):
    """What `SamPredictor` says: full-size logits, scores and low-resolution logits."""
    predictor.set_image(image)
    points = np.array([[p.x, p.y] for p in prompts.points]) if prompts.points else None
    labels = np.array([p.label for p in prompts.points]) if prompts.points else None
    box = np.array([[b.x1, b.y1, b.x2, b.y2] for b in prompts.boxes])[0] if prompts.boxes else None
    mask = None if previous is None else previous.numpy()
    return predictor.predict(points, labels, box, mask, multimask_output=candidates, return_logits=True)


def assert_answer_equals(answer, expected):
    logits, scores, low = map(torch.from_numpy, expected)
    torch.testing.assert_close(answer.logits, logits, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(answer.scores, scores, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(answer.low_resolution_logits, low, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("prompts", PROMPTS.values(), ids=PROMPTS)
@pytest.mark.parametrize("candidates", [False, True])
def test_logits_and_scores_equal_the_predictors(predictor, encoder, decoder, shape, prompts, candidates):
    image = photograph(shape)
    answer = decoder.decode(encoder.encode(image), prompts, candidates)
    assert_answer_equals(answer, predicted(predictor, image, prompts, candidates))


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("name", [*PROMPTS, "nothing"])
@pytest.mark.parametrize("candidates", [False, True])
def test_a_previous_mask_is_refined_as_by_the_predictor(predictor, encoder, decoder, shape, name, candidates):
    image, prompts = photograph(shape), PROMPTS.get(name, PromptSet())
    features = encoder.encode(image)
    previous = decoder.decode(features, PROMPTS["point"]).low_resolution_logits
    answer = decoder.decode(features, prompts, candidates, previous)
    assert_answer_equals(answer, predicted(predictor, image, prompts, candidates, previous))


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


class TestBatches:
    """Of images of any aspects, through the encoder at once."""

    IMAGES = tuple(photograph(shape) for shape in (*SHAPES.values(), (40, 160)))

    @pytest.mark.parametrize("layout", ["letterbox", "stretch", None])
    @pytest.mark.parametrize("batch_size", [1, 3, 8])
    def test_say_what_each_image_gets_alone(self, network, encoder, layout, batch_size):
        batched = self.encoder(network.image_encoder, batch_size=batch_size)
        assert isinstance(batched, BatchEncoder)
        maps = batched.encode_batch(self.IMAGES, layout)
        assert len(maps) == len(self.IMAGES)
        for image, got in zip(self.IMAGES, maps, strict=True):
            alone = encoder.encode(image, layout)
            torch.testing.assert_close(got.values, alone.values, atol=1e-5, rtol=1e-5)
            assert (got.image_size, got.layout, got.teacher) == (alone.image_size, alone.layout, alone.teacher)

    def test_none_is_no_batch(self, encoder):
        assert encoder.encode_batch([]) == []

    def test_a_cpu_takes_one_image_at_once_in_full_precision(self, encoder):
        assert (encoder.batch_size, encoder.half) == (1, False)

    def test_are_halved_when_memory_runs_out_and_stay_so(self, network):
        seen = []

        class Tight(nn.Module):
            def forward(self, pixels):
                seen.append(len(pixels))
                if len(pixels) > 2:
                    raise torch.OutOfMemoryError("CUDA out of memory")
                return network.image_encoder(pixels)

        encoder = self.encoder(Tight(), batch_size=8)
        maps = encoder.encode_batch(self.IMAGES + self.IMAGES[:1])
        assert (seen, encoder.batch_size) == ([5, 2, 2, 1], 2)
        assert [one.image_size for one in maps] == [image.shape[:2] for image in (*self.IMAGES, self.IMAGES[0])]
        encoder.encode_batch(self.IMAGES)
        assert seen[4:] == [2, 2]

    def test_one_image_that_does_not_fit_is_an_error_with_a_cure(self):
        class Full(nn.Module):
            def forward(self, pixels):
                raise torch.OutOfMemoryError("CUDA out of memory")

        with pytest.raises(SamNerfError, match="out of memory: tiny-sam does not fit with even one image at a time"):
            self.encoder(Full(), batch_size=4).encode_batch(self.IMAGES)

    def test_half_precision_says_the_same_more_roughly(self, network, encoder):
        halved = self.encoder(network.image_encoder, half=True).encode(self.IMAGES[0])
        whole = encoder.encode(self.IMAGES[0])
        assert halved.values.dtype == torch.float32
        torch.testing.assert_close(halved.values, whole.values, atol=0.03, rtol=0)
        assert not torch.equal(halved.values, whole.values)

    def test_a_compiled_encoder_says_the_same(self):
        torch.manual_seed(0)
        network = ImageEncoderViT(img_size=64, depth=2, embed_dim=32, num_heads=2, out_chans=8)
        encoder = SamEncoder(network, NAME, "", 8, 4, 64, torch.device("cpu"))
        plain = encoder.encode(self.IMAGES[0])
        encoder.compile(backend="eager")
        torch.testing.assert_close(encoder.encode(self.IMAGES[0]).values, plain.values)

    @staticmethod
    def encoder(network, **options):
        return SamEncoder(network, NAME, "", CHANNELS, SIDE, INPUT_SIDE, torch.device("cpu"), **options)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("candidates", [False, True])
def test_many_objects_at_once_are_each_what_they_are_alone(encoder, decoder, shape, candidates):
    features = encoder.encode(photograph(shape))
    points = torch.tensor([[[20.0, 30.0], [40.5, 12.0]], [[5.0, 6.0], [59.0, 59.0]], [[0.0, 0.0], [33.0, 8.0]]])
    labels = torch.tensor([[1, 0], [1, 1], [0, 1]])
    together = decoder.decode_batch(features, points, labels, candidates)
    logits = decoder.full_size(together.low_resolution_logits, features)
    for i, (clicks, said) in enumerate(zip(points.tolist(), labels.tolist(), strict=True)):
        prompts = PromptSet(points=tuple(Point(x, y, label) for (x, y), label in zip(clicks, said, strict=True)))
        alone = decoder.decode(features, prompts, candidates)
        torch.testing.assert_close(together.scores[i], alone.scores, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(logits[i], alone.logits, atol=1e-5, rtol=1e-5)
