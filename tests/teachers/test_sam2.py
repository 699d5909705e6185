"""The two halves of SAM 2 say together what transformers' `Sam2Processor` and `Sam2Model` say; random weights."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn
from transformers import (
    CLIPSegConfig,
    Sam2Config,
    Sam2HieraDetConfig,
    Sam2ImageProcessor,
    Sam2MaskDecoderConfig,
    Sam2Model,
    Sam2Processor,
    Sam2PromptEncoderConfig,
    Sam2VideoConfig,
    Sam2VideoModel,
    Sam2VisionConfig,
)

from samnerf.errors import SamNerfError
from samnerf.feature_map import FeatureMap, content_size
from samnerf.prompts import Box, Point, PromptSet, Scribble
from samnerf.teachers import pairs, released_sam2
from samnerf.teachers.contracts import BatchMaskDecoder, Encoder, MaskDecoder
from samnerf.teachers.sam2 import Sam2Encoder, Sam2MaskDecoder, image_pixels

NAME = "some-sam2"
SIDE = 128
SIZES = {"landscape": (60, 90), "portrait": (301, 200), "square": (128, 128)}
PROMPTS = {
    "point": PromptSet(points=(Point(20.0, 30.0),)),
    "points": PromptSet(points=(Point(20.0, 30.0), Point(40.5, 12.0, label=0))),
    "box": PromptSet(boxes=(Box(10.0, 5.0, 50.0, 55.0),)),
    "both": PromptSet(points=(Point(20.0, 30.0),), boxes=(Box(10.0, 5.0, 50.0, 55.0),)),
}


def small_config(stability_threshold: float = 0.98) -> Sam2Config:
    """Every part of SAM 2, a few channels wide, for images of 128 x 128 pixels."""
    backbone = Sam2HieraDetConfig(
        hidden_size=16,
        image_size=[SIDE, SIDE],
        blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=[16, 32, 64, 128],
        num_attention_heads_per_stage=[1, 2, 4, 8],
        window_size_per_stage=[8, 4, 4, 2],
        global_attention_blocks=[3],
    )
    return Sam2Config(
        vision_config=Sam2VisionConfig(
            backbone_config=backbone,
            backbone_channel_list=[128, 64, 32, 16],
            backbone_feature_sizes=[[32, 32], [16, 16], [8, 8]],
            fpn_hidden_size=32,
        ),
        prompt_encoder_config=Sam2PromptEncoderConfig(hidden_size=32, image_size=SIDE, patch_size=16),
        mask_decoder_config=Sam2MaskDecoderConfig(
            hidden_size=32,
            mlp_dim=64,
            num_attention_heads=2,
            iou_head_hidden_dim=32,
            dynamic_multimask_stability_thresh=stability_threshold,
        ),
    )


def loud(model: nn.Module) -> nn.Module:
    """Weights of a spread at which every part of the network is heard."""
    torch.manual_seed(0)
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1:
            wide = "embed" in name or "token" in name
            nn.init.normal_(parameter, std=0.5 if wide else parameter[0].numel() ** -0.5)
    return model.eval()


def halves(model: nn.Module, config: Sam2Config) -> tuple[Sam2Encoder, Sam2MaskDecoder]:
    encoder, decoder = Sam2Encoder(config, NAME), Sam2MaskDecoder(config, NAME)
    state = model.state_dict()
    for half in (encoder, decoder):
        half.load_state_dict({name: state[name] for name in half.state_dict()})
    return encoder, decoder


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return loud(Sam2Model(small_config()))


@pytest.fixture(scope="module")
def pair(model) -> tuple[Sam2Encoder, Sam2MaskDecoder]:
    return halves(model, small_config())


@pytest.fixture(scope="module")
def processor() -> Sam2Processor:
    return small_processor(SIDE)


def small_processor(side: int) -> Sam2Processor:
    return Sam2Processor(Sam2ImageProcessor(size={"height": side, "width": side}))


def photograph(size: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)


def transformers_answer(model, processor, image, prompts, candidates, previous=None):
    """Full-size logits, scores and low-resolution logits, by transformers alone."""
    points = [[[[point.x, point.y] for point in prompts.points]]] if prompts.points else None
    labels = [[[point.label for point in prompts.points]]] if prompts.points else None
    boxes = [[[box.x1, box.y1, box.x2, box.y2] for box in prompts.boxes]] if prompts.boxes else None
    inputs = processor(images=image, input_points=points, input_labels=labels, input_boxes=boxes, return_tensors="pt")
    sizes = inputs.pop("original_sizes")
    with torch.no_grad():
        masks = None if previous is None else previous[None]
        output = model(**inputs, input_masks=masks, multimask_output=candidates)
    full = processor.post_process_masks(output.pred_masks, sizes, binarize=False)[0][0]
    return full, output.iou_scores[0, 0], output.pred_masks[0, 0]


def assert_answers_equal(answer, expected):
    full, scores, low = expected
    assert low.std() > 0.1
    torch.testing.assert_close(answer.logits, full, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(answer.scores, scores, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(answer.low_resolution_logits, low, atol=1e-5, rtol=1e-5)


def test_the_halves_keep_the_contracts(pair):
    encoder, decoder = pair
    assert isinstance(encoder, Encoder)
    assert isinstance(decoder, MaskDecoder) and isinstance(decoder, BatchMaskDecoder)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_images_are_stretched_to_the_square_as_sam2s_processor_does(processor, size):
    expected = processor(images=photograph(size), return_tensors="pt")["pixel_values"]
    assert expected.shape == (1, 3, SIDE, SIDE)
    torch.testing.assert_close(image_pixels(photograph(size), SIDE, "stretch"), expected[0], atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("prompts", PROMPTS.values(), ids=PROMPTS)
@pytest.mark.parametrize("candidates", [False, True])
def test_logits_and_scores_equal_transformers(model, pair, processor, size, prompts, candidates):
    encoder, decoder = pair
    image = photograph(size)
    expected = transformers_answer(model, processor, image, prompts, candidates)
    answer = decoder.decode(encoder.encode(image), prompts, candidates)
    assert answer.logits.shape == (3 if candidates else 1, *size)
    assert_answers_equal(answer, expected)


@pytest.mark.parametrize(("name", "candidates"), list(product([*PROMPTS, "nothing"], [False, True])))
def test_a_previous_mask_is_refined_as_transformers_does(model, pair, processor, name, candidates):
    encoder, decoder = pair
    image = photograph(SIZES["portrait"])
    prompts = PROMPTS.get(name, PromptSet())
    features = encoder.encode(image)
    previous = decoder.decode(features, PROMPTS["both"]).low_resolution_logits
    expected = transformers_answer(model, processor, image, prompts, candidates, previous)
    answer = decoder.decode(features, prompts, candidates, previous)
    assert_answers_equal(answer, expected)
    if name != "nothing":
        assert not torch.allclose(answer.logits, decoder.decode(features, prompts, candidates).logits, atol=1e-3)


def test_an_unstable_mask_gives_way_to_the_best_of_three_as_transformers_does(processor):
    image, prompts = photograph(SIZES["square"]), PROMPTS["points"]
    answers = {}
    for threshold in (0.0, 1.1):
        config = small_config(threshold)
        model = loud(Sam2Model(config))
        encoder, decoder = halves(model, config)
        answers[threshold] = decoder.decode(encoder.encode(image), prompts)
        assert_answers_equal(answers[threshold], transformers_answer(model, processor, image, prompts, False))
        three = decoder.decode(encoder.encode(image), prompts, candidates=True)
        gave_way = torch.allclose(answers[threshold].logits, three.best.logits, atol=1e-4)
        assert gave_way == (threshold > 1)


def test_the_no_memory_embedding_belongs_to_the_map(model, pair, processor):
    encoder, _ = pair
    image = photograph(SIZES["landscape"])
    with torch.no_grad():
        pixels = processor(images=image, return_tensors="pt")["pixel_values"]
        fine, middle, coarse = model.get_image_embeddings(pixels)
    features = encoder.encode(image)
    assert model.no_memory_embedding.abs().max() > 0.1
    for level, expected in zip((*features.finer, features.values), (fine, middle, coarse), strict=True):
        torch.testing.assert_close(level, expected[0], atol=1e-5, rtol=1e-5)


def test_a_map_carries_two_finer_levels_and_they_travel_with_it(pair):
    encoder, _ = pair
    features = encoder.encode(photograph(SIZES["landscape"]))
    assert (encoder.channels, encoder.side, encoder.layout) == (32, 8, "stretch")
    assert features.values.shape == (32, 8, 8)
    assert [level.shape for level in features.finer] == [(4, 32, 32), (8, 16, 16)]
    assert all(level.dtype == torch.float16 for level in features.to("cpu", torch.float16).finer)


def test_a_letterboxed_image_is_padded_and_its_mask_has_the_images_size(pair):
    encoder, decoder = pair
    image = photograph(SIZES["landscape"])
    rows, columns = content_size(image.shape[:2], SIDE, "letterbox")
    pixels = image_pixels(image, SIDE, "letterbox")
    assert (rows, columns) == (85, 128)
    assert (pixels[:, :rows] != 0).all() and (pixels[:, rows:] == 0).all()
    assert decoder.decode(encoder.encode(image, "letterbox"), PROMPTS["point"]).logits.shape == (1, *SIZES["landscape"])
    square = photograph(SIZES["square"])
    stretched, letterboxed = (encoder.encode(square, layout) for layout in ("stretch", "letterbox"))
    torch.testing.assert_close(stretched.values, letterboxed.values)


def test_a_scribble_is_its_clicks(pair):
    encoder, decoder = pair
    features = encoder.encode(photograph(SIZES["square"]))
    stroke = Scribble(((10.0, 10.0), (60.0, 70.0)))
    drawn = decoder.decode(features, PromptSet(scribbles=(stroke,)))
    clicked = decoder.decode(features, PromptSet(points=stroke.clicks))
    assert torch.equal(drawn.logits, clicked.logits)


@pytest.mark.parametrize("candidates", [False, True])
@pytest.mark.parametrize("layout", ["stretch", "letterbox"])
def test_many_objects_at_once_get_what_each_gets_alone(pair, layout, candidates):
    encoder, decoder = pair
    features = encoder.encode(photograph(SIZES["portrait"]), layout)
    points = torch.tensor([[[20.0, 30.0], [150.0, 200.0]], [[100.0, 290.0], [5.0, 8.0]], [[60.0, 60.0], [61.0, 9.0]]])
    labels = torch.tensor([[1, 0], [1, 1], [0, 1]])
    together = decoder.decode_batch(features, points, labels, candidates)
    full = decoder.full_size(together.low_resolution_logits, features)
    for i, (clicks, marks) in enumerate(zip(points.tolist(), labels.tolist(), strict=True)):
        said = tuple(Point(x, y, label) for (x, y), label in zip(clicks, marks, strict=True))
        alone = decoder.decode(features, PromptSet(points=said), candidates)
        torch.testing.assert_close(full[i], alone.logits, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(together.scores[i], alone.scores, atol=1e-5, rtol=1e-5)


def test_maps_that_are_not_sam2s_are_refused(pair):
    encoder, decoder = pair
    features = encoder.encode(photograph(SIZES["square"]))
    with pytest.raises(ValueError, match="the map has 0 finer levels; 'some-sam2' makes 2"):
        decoder.decode(replace(features, finer=()), PROMPTS["point"])
    with pytest.raises(ValueError, match="the map is of 'tiny-sam' but this decoder reads 'some-sam2'"):
        decoder.decode(replace(features, teacher="tiny-sam"), PROMPTS["point"])
    with pytest.raises(ValueError, match=r"has shape \(3, 8, 8\); 'some-sam2' makes \(32, 8, 8\)"):
        decoder.decode(FeatureMap(torch.zeros(3, 8, 8), (9, 9), "stretch", NAME), PROMPTS["point"])
    with pytest.raises(SamNerfError, match=r"point \(200, 5\) lies outside the image of 128 x 128 pixels"):
        decoder.decode(features, PromptSet(points=(Point(200.0, 5.0),)))


def test_the_halves_hold_nothing_of_each_other(model, pair):
    of_encoder, of_decoder = (set(half.state_dict()) for half in pair)
    assert not of_encoder & of_decoder
    assert of_encoder | of_decoder == set(model.state_dict())
    assert not any("vision" in name or "conv_s" in name for name in of_decoder)


@pytest.fixture(scope="module")
def released(tmp_path_factory) -> Path:
    """Weights as Meta's SAM 2.1 comes in: transformers' video form, which holds a memory beside what we take."""
    whole = tmp_path_factory.mktemp("checkpoints")
    model = loud(Sam2VideoModel(Sam2VideoConfig()))
    positions = model.prompt_encoder.shared_embedding.positional_embedding
    positions.copy_(model.shared_image_embedding.positional_embedding)
    model.save_pretrained(whole / "sam2-hiera-tiny")
    return whole


@pytest.mark.slow
def test_a_released_folder_loads_by_name_and_answers_as_transformers_does(released, monkeypatch):
    monkeypatch.setenv("SAMNERF_CHECKPOINTS", str(released))
    encoder = pairs.load_encoder("sam2-hiera-tiny", "sam")
    decoder = pairs.load_mask_decoder("sam2-hiera-tiny")
    spec = pairs.feature_specs("sam2-hiera-tiny")["sam"]
    assert (encoder.name, encoder.channels, encoder.side, encoder.layout) == (
        spec.teacher,
        spec.channels,
        spec.side,
        spec.layout,
    )
    assert encoder.weights_hash == pairs.installed_weights_hash("sam2-hiera-tiny", "sam")
    image = photograph(SIZES["portrait"])
    model = Sam2Model.from_pretrained(released / "sam2-hiera-tiny").eval()
    expected = transformers_answer(model, small_processor(1024), image, PROMPTS["both"], True)
    assert_answers_equal(decoder.decode(encoder.encode(image), PROMPTS["both"], True), expected)


def decoder_alone(released: Path) -> dict[str, torch.Tensor]:
    """Enough of the released tensors to load the decoder; of each block of the image encoder there is one left."""
    state = safetensors.torch.load_file(released / "sam2-hiera-tiny" / "model.safetensors")
    return {name: tensor for name, tensor in state.items() if ".blocks." not in name or "layer_norm1.bias" in name}


@pytest.mark.parametrize("missing", released_sam2.POSITIONS)
def test_positions_written_under_one_of_their_two_names_are_found(released, tmp_path, missing):
    state = decoder_alone(released)
    positions = state.pop(missing)
    Sam2Config().save_pretrained(tmp_path)
    safetensors.torch.save_file(state, tmp_path / "model.safetensors")
    loaded = released_sam2.load_mask_decoder("sam2-hiera-tiny", tmp_path, torch.device("cpu")).state_dict()
    assert all(torch.equal(loaded[name], positions) for name in released_sam2.POSITIONS)


def test_weights_that_lack_a_tensor_are_named(released, tmp_path):
    state = decoder_alone(released)
    del state["mask_decoder.iou_token.weight"]
    Sam2Config().save_pretrained(tmp_path)
    safetensors.torch.save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(SamNerfError, match=r"model.safetensors lack mask_decoder.iou_token.weight"):
        released_sam2.load_mask_decoder("sam2-hiera-tiny", tmp_path, torch.device("cpu"))


def test_weights_under_the_name_of_another_size_are_named(released, tmp_path):
    (tmp_path / "model.safetensors").symlink_to(released / "sam2-hiera-tiny" / "model.safetensors")
    large = Sam2HieraDetConfig(hidden_size=144, blocks_per_stage=[2, 6, 36, 4])
    Sam2Config(vision_config=Sam2VisionConfig(backbone_config=large)).save_pretrained(tmp_path)
    for load in (released_sam2.load_encoder, released_sam2.load_mask_decoder):
        with pytest.raises(SamNerfError, match=r"model.safetensors: a SAM 2 of width 96 with 12 blocks .* expected"):
            load("sam2-hiera-large", tmp_path, torch.device("cpu"))
        with pytest.raises(
            SamNerfError,
            match=r"config.json: a SAM 2 of width 144 with 48 blocks \(sam2-hiera-large\), expected sam2-hiera-tiny",
        ):
            load("sam2-hiera-tiny", tmp_path, torch.device("cpu"))


def test_weights_of_something_else_are_named(tmp_path):
    Sam2Config().save_pretrained(tmp_path)
    safetensors.torch.save_file({"clip.logit_scale": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(SamNerfError, match="have no image encoder of a SAM 2; expected sam2-hiera-tiny"):
        released_sam2.load_encoder("sam2-hiera-tiny", tmp_path, torch.device("cpu"))


def test_another_architecture_is_named(tmp_path):
    CLIPSegConfig().save_pretrained(tmp_path)
    with pytest.raises(SamNerfError, match=r"a model of type 'clipseg'; expected a SAM 2 \(sam2-hiera-tiny\)"):
        released_sam2.load_encoder("sam2-hiera-tiny", tmp_path, torch.device("cpu"))


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"model_type": "sam2", "vision_config": {"backbone_config": 3}}'])
def test_a_malformed_configuration_is_named(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(SamNerfError, match=r"config.json .*a SAM 2"):
        released_sam2.load_mask_decoder("sam2-hiera-tiny", tmp_path, torch.device("cpu"))


def test_a_folder_without_weights_or_configuration_says_what_it_lacks(tmp_path):
    with pytest.raises(SamNerfError, match=r"config.json is missing .* expected the configuration of a SAM 2"):
        released_sam2.load_encoder("sam2-hiera-tiny", tmp_path, torch.device("cpu"))
    Sam2Config().save_pretrained(tmp_path)
    with pytest.raises(SamNerfError, match="neither model.safetensors nor pytorch_model.bin; put the weights of SAM 2"):
        released_sam2.load_encoder("sam2-hiera-tiny", tmp_path, torch.device("cpu"))


def test_missing_weights_say_where_they_belong(tmp_path, monkeypatch):
    monkeypatch.setenv("SAMNERF_CHECKPOINTS", str(tmp_path))
    with pytest.raises(SamNerfError, match=r"sam2-hiera-small .*sam2-hiera-small"):
        pairs.load_mask_decoder("sam2-hiera-small")
