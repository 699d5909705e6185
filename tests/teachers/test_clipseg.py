"""The two halves of CLIPSeg say together what transformers' `CLIPSegForImageSegmentation` says; random weights."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from transformers import CLIPSegConfig, CLIPSegForImageSegmentation

from samnerf.errors import SamNerfError
from samnerf.feature_map import FeatureMap, covered_cells
from samnerf.teachers.clipseg import ClipSegEncoder, ClipSegTextDecoder, image_pixels
from samnerf.teachers.phrase_tokens import END_OF_TEXT, phrase_codes, phrase_tokens
from samnerf.teachers.tiny_clipseg import (
    CHANNELS,
    IMAGE_SIDE,
    NAME,
    SIDE,
    WEIGHTS,
    WIDTH,
    PyramidEmbedding,
    load_tiny_clipseg_decoder,
    load_tiny_clipseg_encoder,
    packed,
    read_tiny_clipseg,
    tiny_clipseg_config,
)

SIZES = {"landscape": (48, 90), "portrait": (91, 60), "square": (64, 64)}


def small_config() -> CLIPSegConfig:
    """Levels of unequal distance, a phrase that enters at the second, no complex upscaling."""
    return CLIPSegConfig(
        text_config={"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2},
        vision_config={
            "hidden_size": 24,
            "intermediate_size": 48,
            "num_hidden_layers": 5,
            "num_attention_heads": 3,
            "image_size": 64,
            "patch_size": 8,
        },
        projection_dim=12,
        extract_layers=[0, 1, 3],
        reduce_dim=16,
        decoder_num_attention_heads=2,
        decoder_intermediate_size=32,
        conditional_layer=1,
    )


def released_shape() -> CLIPSegConfig:
    """The released rd64-refined in every width, with fewer layers, and the legacy number for the end of text."""
    return CLIPSegConfig(
        text_config={"num_hidden_layers": 1, "eos_token_id": 2},
        vision_config={"num_hidden_layers": 4, "patch_size": 16},
        extract_layers=[0, 1, 2],
        use_complex_transposed_convolution=True,
    )


CONFIGS = {"small": (small_config, 64), "tiny": (tiny_clipseg_config, 256), "released": (released_shape, 352)}


def whole(config: CLIPSegConfig) -> CLIPSegForImageSegmentation:
    """Weights of a spread at which every part of the network is heard; the tiny one with its stem."""
    torch.manual_seed(0)
    model = CLIPSegForImageSegmentation(config).eval()
    if config.vision_config.hidden_size == WIDTH:
        model.clip.vision_model.embeddings.patch_embedding = PyramidEmbedding()
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5 if "embedding" not in name else 0.5)
    return model


def halves(model: CLIPSegForImageSegmentation, image_side: int) -> tuple[ClipSegEncoder, ClipSegTextDecoder]:
    encoder = ClipSegEncoder(model.config, "some-clipseg", image_side)
    stem = model.clip.vision_model.embeddings.patch_embedding
    if isinstance(stem, PyramidEmbedding):
        encoder.vision_model.embeddings.patch_embedding = PyramidEmbedding()
    decoder = ClipSegTextDecoder(model.config, "some-clipseg")
    encoder.load_weights(model.state_dict())
    decoder.load_weights(model.state_dict())
    return encoder, decoder


@pytest.fixture(scope="module")
def model() -> CLIPSegForImageSegmentation:
    return whole(small_config())


@pytest.fixture(scope="module")
def pair(model) -> tuple[ClipSegEncoder, ClipSegTextDecoder]:
    return halves(model, 64)


def noise_image(size: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", CONFIGS)
def test_encoder_and_decoder_together_are_transformers_clipseg(name):
    config, side = CONFIGS[name]
    model = whole(config())
    encoder, decoder = halves(model, side)
    image = noise_image((70, 50))
    for phrase in ("red cube", "a photo of a striped torus"):
        with torch.no_grad():
            pixels = image_pixels(image, side, "stretch")[None]
            expected = model(input_ids=phrase_tokens([phrase]), pixel_values=pixels).logits.squeeze()
        relevancy = decoder.relevancy(encoder.encode(image), phrase)
        assert relevancy.std() > 0.01
        torch.testing.assert_close(relevancy, torch.sigmoid(expected), atol=1e-5, rtol=0)


def test_the_released_configuration_makes_192_channels_on_22_cells():
    encoder = ClipSegEncoder(released_shape(), "clipseg", image_side=352)
    assert (encoder.channels, encoder.side) == (192, 22)


def test_the_halves_hold_nothing_of_each_other(pair):
    encoder, decoder = pair
    of_encoder, of_decoder = set(encoder.exported_weights()), set(decoder.exported_weights())
    assert all(name.startswith(("clip.vision_model.", "decoder.reduces.")) for name in of_encoder)
    assert not of_encoder & of_decoder
    assert not any("vision" in name or "reduces" in name for name in of_decoder)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("layout", ["stretch", "letterbox"])
def test_maps_and_relevancies_lie_on_the_image_in_every_layout(pair, size, layout):
    encoder, decoder = pair
    feature_map = encoder.encode(noise_image(size), layout)
    assert (feature_map.image_size, feature_map.layout, feature_map.teacher) == (size, layout, "some-clipseg")
    assert feature_map.values.shape == (48, 8, 8)
    relevancy = decoder.relevancy(feature_map, "cube")
    inside = covered_cells(size, relevancy.shape[0], layout)
    assert inside.all() == (layout == "stretch" or size[0] == size[1])
    assert (relevancy[~inside] == 0).all()
    assert ((relevancy[inside] > 0) & (relevancy[inside] < 1)).float().mean() > 0.95


def test_stretch_is_the_default_and_pixels_that_fit_are_only_normalised():
    image = noise_image((64, 64))
    pixels = image_pixels(image, 64, "stretch")
    restored = pixels * torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    restored = restored + torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    torch.testing.assert_close(restored * 255, torch.from_numpy(image).permute(2, 0, 1).float(), atol=1e-3, rtol=0)
    assert ClipSegEncoder.layout == "stretch"


def test_a_map_without_summary_is_read_with_its_mean_cell_as_class_token(pair):
    encoder, decoder = pair
    encoded = encoder.encode(noise_image((64, 64)))
    bare = replace(encoded, summary=None)
    stood_in = replace(encoded, summary=encoded.values.flatten(1).mean(dim=1))
    torch.testing.assert_close(decoder.relevancy(bare, "cube"), decoder.relevancy(stood_in, "cube"))
    assert not torch.equal(decoder.relevancy(bare, "cube"), decoder.relevancy(encoded, "cube"))


def test_half_precision_maps_are_read(pair):
    encoder, decoder = pair
    encoded = encoder.encode(noise_image((64, 64)))
    half = decoder.relevancy(encoded.to("cpu", torch.float16), "cube")
    torch.testing.assert_close(half, decoder.relevancy(encoded, "cube"), atol=0.05, rtol=0)


def test_a_phrase_is_embedded_once_until_the_weights_change(model):
    _, decoder = halves(model, 64)
    calls = []
    decoder.text_projection.register_forward_hook(lambda *_: calls.append(1))
    empty = FeatureMap(torch.zeros(48, 8, 8), (64, 64), "stretch", "some-clipseg")
    for phrase in ("red cube", " red cube ", "blue cube", "red cube"):
        decoder.relevancy(empty, phrase)
    assert len(calls) == 2
    decoder.load_weights(model.state_dict())
    decoder.relevancy(empty, "red cube")
    assert len(calls) == 3


def test_an_embedding_is_read_at_the_end_of_the_text_whatever_it_is_filled_up_with(model, pair):
    _, decoder = pair
    with torch.no_grad():
        alone = decoder.embed(["cube"])
        beside_longer = decoder.embed(["cube", "a photo of a striped red torus"])[:1]
        full = F.pad(phrase_tokens(["cube"]), (0, 70), value=END_OF_TEXT)
        filled = model.clip.get_text_features(full).pooler_output
    torch.testing.assert_close(alone, beside_longer, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(alone, filled, atol=1e-6, rtol=1e-5)


def test_codes_are_those_of_clip():
    assert phrase_codes("A striped  red cube") == (49406, 320, 22192, 736, 11353, 49407)


@pytest.mark.parametrize("phrase", ["", "   ", "\n"])
def test_an_empty_phrase_is_refused(pair, phrase):
    encoder, decoder = pair
    with pytest.raises(SamNerfError, match="the phrase is empty"):
        decoder.relevancy(encoder.encode(noise_image((64, 64))), phrase)


def test_a_phrase_longer_than_clip_reads_is_refused():
    assert len(phrase_codes("cube " * 75)) == 77
    with pytest.raises(SamNerfError, match="76 word pieces; CLIP reads 75"):
        phrase_codes("cube " * 76)


def test_the_map_of_another_teacher_is_refused(pair):
    _, decoder = pair
    foreign = FeatureMap(torch.zeros(48, 8, 8), (64, 64), "stretch", "tiny-sam")
    with pytest.raises(ValueError, match="maps of 'some-clipseg', not of 'tiny-sam'"):
        decoder.relevancy(foreign, "cube")
    thin = FeatureMap(torch.zeros(4, 8, 8), (64, 64), "stretch", "some-clipseg")
    with pytest.raises(ValueError, match="has 48 channels, not 4"):
        decoder.relevancy(thin, "cube")


def test_weights_of_something_else_are_named(model):
    state = model.state_dict()
    encoder = ClipSegEncoder(model.config, "some-clipseg")
    missing = {name: tensor for name, tensor in state.items() if name != "decoder.reduces.0.bias"}
    with pytest.raises(SamNerfError, match=r"file\.bin lacks decoder\.reduces\.0\.bias"):
        encoder.load_weights(missing, "file.bin")
    with pytest.raises(SamNerfError, match=r"decoder\.reduces\.0\.bias has shape \(7,\).* needs \(16,\)"):
        encoder.load_weights(state | {"decoder.reduces.0.bias": torch.zeros(7)})


class TestTheBundledWeights:
    """Of `samnerf/teachers/weights/tiny_clipseg.safetensors`."""

    def test_load_apart_and_find_words(self):
        encoder, decoder = load_tiny_clipseg_encoder(), load_tiny_clipseg_decoder()
        assert (encoder.name, encoder.side, encoder.channels) == (NAME, SIDE, CHANNELS)
        assert len(encoder.weights_hash) == 64
        assert not any(parameter.requires_grad for half in (encoder, decoder) for parameter in half.parameters())
        image = np.full((IMAGE_SIDE, IMAGE_SIDE, 3), 140, dtype=np.uint8)
        image[100:160, 40:100] = (216, 18, 20)
        image[100:160, 160:220] = (26, 56, 216)
        feature_map = encoder.encode(image)
        for phrase, columns in (("red", slice(40, 100)), ("blue", slice(160, 220))):
            relevancy = decoder.relevancy(feature_map, phrase)
            full = F.interpolate(relevancy[None, None], (IMAGE_SIDE, IMAGE_SIDE), mode="bilinear")[0, 0]
            assert full[104:156, columns].mean() > 4 * full.mean()

    def test_survive_unpacking_and_packing(self):
        state, _ = read_tiny_clipseg(WEIGHTS)
        again = packed(load_tiny_clipseg_encoder(), load_tiny_clipseg_decoder())
        words = "clip.text_model.embeddings.token_embedding."
        assert torch.equal(state[words + "weight"][again[words + "known_codes"].long()], again[words + "known_rows"])
        assert all(torch.equal(state[name], tensor) for name, tensor in again.items() if not name.startswith(words))

    def test_are_small(self):
        assert WEIGHTS.stat().st_size < 6e6

    def test_missing_or_damaged_files_are_named(self, tmp_path):
        with pytest.raises(SamNerfError, match=r"none\.safetensors do not exist; `samnerf train-teachers` makes them"):
            load_tiny_clipseg_encoder(weights=tmp_path / "none.safetensors")
        damaged = tmp_path / "damaged.safetensors"
        damaged.write_bytes(WEIGHTS.read_bytes()[:1000])
        with pytest.raises(SamNerfError, match=r"damaged\.safetensors cannot be read"):
            load_tiny_clipseg_decoder(weights=damaged)
