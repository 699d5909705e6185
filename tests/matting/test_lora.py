"""Adapters on the mask decoders of all SAMs: where they sit, what they change, and that they come off again."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn
from transformers import Sam2Config

from samnerf.errors import SamNerfError
from samnerf.feature_map import FeatureMap
from samnerf.matting.lora import (
    Ranks,
    adapted_layers,
    adapter_parameters,
    load_adapter,
    put_on,
    take_off,
    with_adapter,
)
from samnerf.teachers.meta_sam import build_mask_decoder, build_prompt_encoder
from samnerf.teachers.sam import SamMaskDecoder
from samnerf.teachers.sam2 import Sam2MaskDecoder


@pytest.fixture(scope="module")
def sam():
    torch.manual_seed(0)
    return SamMaskDecoder(build_prompt_encoder(), build_mask_decoder(), "sam-vit-h", torch.device("cpu"))


@pytest.fixture(scope="module")
def sam2():
    """The decoder of SAM 2.1 large, which all sizes share, with random weights."""
    torch.manual_seed(0)
    return Sam2MaskDecoder(Sam2Config(), "sam2-hiera-large")


def count(decoder):
    return sum(parameter.numel() for parameter in adapter_parameters(decoder).values())


@pytest.mark.parametrize(("teacher", "expected"), [("sam", 180_224), ("sam2", 180_224), ("decoder", 90_112)])
def test_the_number_of_parameters_that_learn(request, teacher, expected):
    decoder = request.getfixturevalue(teacher)
    worn = with_adapter(decoder)
    assert count(worn) == expected
    network = worn.mask_decoder
    learning = [name for name, parameter in network.named_parameters() if parameter.requires_grad]
    assert sum(network.get_parameter(name).numel() for name in learning) == expected
    assert all("lora_" in name for name in learning)
    assert len(adapter_parameters(worn)) == 32
    assert count(decoder) == 0


@pytest.mark.parametrize("teacher", ["sam", "sam2"])
def test_ranks_are_32_and_8(request, teacher):
    shapes = {
        name: tuple(p.shape) for name, p in adapter_parameters(with_adapter(request.getfixturevalue(teacher))).items()
    }
    ranks = {
        part: {min(shape) for name, shape in shapes.items() if name.startswith(part)}
        for part in ("output_hypernetworks_mlps", "transformer.final_attn_token_to_image")
    }
    assert ranks == {"output_hypernetworks_mlps": {32}, "transformer.final_attn_token_to_image": {8}}


def test_a_fresh_adapter_says_nothing(decoder, feature_map, kit):
    plain, worn = (one.decode(feature_map, kit.prompts) for one in (decoder, with_adapter(decoder)))
    torch.testing.assert_close(worn.logits, plain.logits, atol=1e-5, rtol=0)


def test_an_adapter_that_is_taken_off_leaves_no_bit_behind(decoder, feature_map, kit):
    worn = kit.loud(decoder)
    names = [name for name, _ in decoder.mask_decoder.named_parameters()]
    changed = worn.decode(feature_map, kit.prompts).logits
    plain = decoder.decode(feature_map, kit.prompts).logits
    assert (changed - plain).abs().max() > 0.1
    take_off(worn)
    assert torch.equal(worn.decode(feature_map, kit.prompts).logits, plain)
    assert [name for name, _ in worn.mask_decoder.named_parameters()] == names
    put_on(worn)
    assert count(worn) == 90_112


def test_an_adapter_changes_and_leaves_sam2(sam2, kit):
    torch.manual_seed(1)
    levels = [torch.randn(channels, side, side) for channels, side in ((32, 256), (64, 128), (256, 64))]
    feature_map = FeatureMap(levels[2], (80, 120), "stretch", "sam2-hiera-large", finer=(levels[0], levels[1]))
    plain = sam2.decode(feature_map, kit.prompts).logits
    worn = kit.loud(sam2)
    assert not torch.equal(worn.decode(feature_map, kit.prompts).logits, plain)
    take_off(worn)
    assert torch.equal(worn.decode(feature_map, kit.prompts).logits, plain)


def test_gradients_reach_the_adapter_alone(decoder, feature_map, kit):
    worn = kit.loud(decoder)
    worn.predict(feature_map, kit.prompts).logits.sum().backward()
    assert all(
        parameter.grad is None for name, parameter in worn.mask_decoder.named_parameters() if "lora_" not in name
    )
    reached = [name for name, parameter in adapter_parameters(worn).items() if parameter.grad.abs().max() > 0]
    assert any("final_attn" in name for name in reached)
    assert any("hypernetworks_mlps.0" in name for name in reached)


def test_equal_seeds_give_equal_adapters_and_leave_the_generator_alone(decoder):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, again, other = (adapter_parameters(with_adapter(decoder, seed=seed)) for seed in (1, 1, 2))
    assert torch.rand(1) == expected
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_another_network_is_refused(decoder):
    broken = copy.copy(decoder)
    broken.mask_decoder = copy.deepcopy(decoder.mask_decoder)
    del broken.mask_decoder.output_hypernetworks_mlps[3]
    with pytest.raises(SamNerfError, match="needs 12 linear layers below output_hypernetworks_mlps, .* has 9"):
        put_on(broken)
    with pytest.raises(SamNerfError, match="has 0"):
        adapted_layers(nn.Linear(2, 2))


def test_two_adapters_at_once_and_foreign_matrices_are_refused(decoder):
    worn = with_adapter(decoder)
    with pytest.raises(SamNerfError, match="take it off first"):
        put_on(worn)
    state = {name: value.detach() for name, value in adapter_parameters(worn).items()}
    name = next(iter(state))
    with pytest.raises(SamNerfError, match="lacks"):
        load_adapter(worn, {key: value for key, value in state.items() if key != name})
    with pytest.raises(SamNerfError, match="has shape"):
        load_adapter(worn, state | {name: torch.zeros(1)})
    with pytest.raises(SamNerfError, match="has more, which"):
        load_adapter(worn, state | {"more": torch.zeros(1)})
    with pytest.raises(SamNerfError, match="at least 1"):
        replace(Ranks(), attention=0)
