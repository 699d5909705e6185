"""Low-rank adapters (Hu et al. 2021, arXiv:2106.09685) on a SAM's mask decoder, by the `peft` library.

They sit on the three linear layers of each of the four hypernetworks, which make a mask out of a token, and on the
query, key, value and output of the last attention from tokens to image; everything else is frozen. SAM, SAM 2 and the
tiny SAM have these layers under the same parents, whatever they call the layers themselves. On SAM 2.1 large that makes
180,224 parameters.
"""

import copy
import re
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from samnerf.errors import SamNerfError
from samnerf.teachers.prompted_decoder import PromptedDecoder

HYPERNETWORKS = "output_hypernetworks_mlps"
ATTENTION = "transformer.final_attn_token_to_image"
HYPERNETWORK_LAYERS = 12
"""Three of each of four."""
ATTENTION_LAYERS = 4
_NAME = "matting"
_PARAMETER = re.compile(rf"(.+\.lora_[AB])\.{_NAME}(\.weight)")

Decoder = TypeVar("Decoder", bound=PromptedDecoder)


@dataclass(frozen=True)
class Ranks:
    """Of the matrices that are added to a layer's own."""

    hypernetworks: int = 32
    attention: int = 8

    def __post_init__(self) -> None:
        if min(self.hypernetworks, self.attention) < 1:
            raise SamNerfError(f"the ranks are {self.hypernetworks} and {self.attention} but must be at least 1")


def mask_network(decoder: PromptedDecoder) -> nn.Module:
    """The network in which adapters sit.

    Raises:
        SamNerfError: if the decoder has none.
    """
    network = getattr(decoder, "mask_decoder", None)
    if not isinstance(network, nn.Module):
        raise SamNerfError(
            f"the mask decoder of {decoder.teacher!r} has no network that a matting adapter could sit on"
        )
    return network


def adapted_layers(network: nn.Module) -> tuple[list[str], list[str]]:
    """Names of the layers that an adapter sits on: those of the hypernetworks, those of the attention.

    Raises:
        SamNerfError: if there are not twelve and four, so that the network is no SAM's mask decoder.
    """
    linear = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    found = ([name for name in linear if name.startswith(f"{parent}.")] for parent in (HYPERNETWORKS, ATTENTION))
    hypernetworks, attention = found
    for parent, names, expected in (
        (HYPERNETWORKS, hypernetworks, HYPERNETWORK_LAYERS),
        (ATTENTION, attention, ATTENTION_LAYERS),
    ):
        if len(names) != expected:
            raise SamNerfError(
                f"a matting adapter needs {expected} linear layers below {parent}, "
                f"but this mask decoder has {len(names)}"
            )
    return hypernetworks, attention


def put_on(decoder: PromptedDecoder, ranks: Ranks = Ranks(), seed: int = 0) -> None:
    """Put a fresh adapter on a decoder, which then answers as before; only the adapter learns.

    Args:
        decoder: changed in place, without an adapter so far.
        ranks: of its matrices.
        seed: of the first matrix of each pair; the second is zero.

    Raises:
        SamNerfError: if the decoder is no SAM's, or wears an adapter already.
    """
    from peft import LoraConfig, inject_adapter_in_model

    network = mask_network(decoder)
    if _layers_with_adapter(network):
        raise SamNerfError(
            f"the mask decoder of {decoder.teacher!r} wears a matting adapter already; take it off first"
        )
    hypernetworks, attention = adapted_layers(network)
    rank_of = dict.fromkeys(hypernetworks, ranks.hypernetworks) | dict.fromkeys(attention, ranks.attention)
    patterns = {f"^{re.escape(name)}": rank for name, rank in rank_of.items()}
    config = LoraConfig(
        r=ranks.attention,
        lora_alpha=ranks.attention,
        rank_pattern=patterns,
        alpha_pattern=patterns,  # alpha as large as the rank: what is added counts as it is
        target_modules=list(rank_of),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inject_adapter_in_model(config, network, adapter_name=_NAME)
    network.eval()


def take_off(decoder: PromptedDecoder) -> None:
    """Take the adapter off: the decoder has its own layers again, and answers to the bit as it did without."""
    network = mask_network(decoder)
    for name, layer in _layers_with_adapter(network).items():
        parent, _, own = name.rpartition(".")
        setattr(network.get_submodule(parent), own, layer.base_layer)
    if hasattr(network, "peft_config"):
        delattr(network, "peft_config")
    network.requires_grad_(False)


def with_adapter(decoder: Decoder, ranks: Ranks = Ranks(), seed: int = 0) -> Decoder:
    """A copy of a decoder that wears a fresh adapter; the decoder itself stays as it is."""
    worn = copy.deepcopy(decoder)
    put_on(worn, ranks, seed)
    return worn


def adapter_parameters(decoder: PromptedDecoder) -> dict[str, nn.Parameter]:
    """The matrices of the adapter that a decoder wears, by the layer they sit on."""
    named = ((_PARAMETER.fullmatch(name), value) for name, value in mask_network(decoder).named_parameters())
    return {match.group(1) + match.group(2): value for match, value in named if match}


def load_adapter(decoder: PromptedDecoder, state: dict[str, Tensor]) -> None:
    """Give the adapter that a decoder wears its matrices.

    Raises:
        SamNerfError: naming the first matrix that is missing, left over, or of another shape.
    """
    own = adapter_parameters(decoder)
    for name, value in own.items():
        if name not in state:
            raise SamNerfError(f"the matting adapter lacks {name}; it belongs to another mask decoder")
        if state[name].shape != value.shape:
            raise SamNerfError(
                f"the matting adapter's {name} has shape {tuple(state[name].shape)}, expected {tuple(value.shape)}; "
                "it belongs to another mask decoder"
            )
    if left_over := sorted(set(state) - set(own)):
        raise SamNerfError(f"the matting adapter has {left_over[0]}, which this mask decoder does not")
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(state[name])


def _layers_with_adapter(network: nn.Module) -> dict[str, Any]:
    from peft.tuners.lora import LoraLayer

    return {name: cast(Any, layer) for name, layer in network.named_modules() if isinstance(layer, LoraLayer)}
