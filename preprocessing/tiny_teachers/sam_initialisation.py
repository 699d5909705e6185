"""Weights with which the decoder of the tiny SAM begins, so that a click matters from its first step.

From PyTorch's own beginnings a decoder of this size sits on a plateau for thousands of steps. Here it is born with
the way from a click to a mask laid out, fitted to the maps of a trained image encoder (in the manner of data-dependent
initialisation, Kraehenbuehl et al. 2016, arXiv:1511.06856):

1. In the self-attentions output tokens look for the label of a click, and for nothing else, and take over its place.
2. Tokens then look for that place in the image. Queries and keys are projected alike, into the directions in which
   features vary least, so that only positions speak there.
3. What is read at the place comes through the directions in which features vary most.
4. Image cells compare themselves with what the tokens have read, in those same directions, and note how it went.
"""

from typing import Any, cast

import torch
from jaxtyping import Float
from segment_anything.modeling.transformer import Attention
from torch import Tensor, nn

from samnerf.teachers.tiny_sam import CHANNELS, TinySam

LABEL_LENGTH = 4.0
"""Of the label of a positive click, and of what output tokens have in common; a position's is 8."""
TOKEN_SCALE = 0.2
"""Deviation of all else in labels and tokens, so that what they read outweighs what they are."""
LABEL_GAIN = 2.4
"""Of the projections by which output tokens find the label."""
PLACE_GAIN = 3.0
"""Of those by which they find the place in the image."""
LIKENESS_GAIN = 1.5
"""Of those by which cells compare themselves with the tokens."""
NOTE_GAIN = 0.3
"""Of what a comparison leaves in the cell."""
POSITIVE_CLICK = 1
"""Among SAM's four kinds of points; corners of boxes get no label at birth, because nothing is seen at them."""


@torch.no_grad()
def standardise_maps(network: TinySam, maps: Float[Tensor, "images channels side side"]) -> None:
    """Let the encoder's last layer take off the mean of its maps and scale their mean square to 1.

    Contrast alone leaves them with one large common direction, in which all likenesses would look alike.
    """
    norm = network.image_encoder.norm
    mean = maps.mean(dim=(0, 2, 3))
    scale = 1 / (maps - mean[:, None, None]).square().mean().sqrt()
    norm.weight.mul_(scale)
    norm.bias.sub_(mean).mul_(scale)


@torch.no_grad()
def initialise_decoder(
    network: TinySam, maps: Float[Tensor, "images channels side side"], generator: torch.Generator
) -> None:
    """Give prompt encoder and mask decoder the weights that the module's head describes, for such standardised maps."""
    prompt_encoder, decoder = network.prompt_encoder, network.mask_decoder
    label, common = LABEL_LENGTH * _orthogonal(CHANNELS, generator)[:2]
    points = [cast(nn.Embedding, embedding).weight for embedding in prompt_encoder.point_embeddings]
    tokens = [decoder.mask_tokens.weight, decoder.iou_token.weight]
    for weight in [*points, prompt_encoder.not_a_point_embed.weight, *tokens]:
        weight.normal_(std=TOKEN_SCALE, generator=generator)
    points[POSITIVE_CLICK].add_(label)
    for weight in tokens:
        weight.add_(common)
    nn.init.zeros_(prompt_encoder.no_mask_embed.weight)

    cells = maps.movedim(1, -1).flatten(0, -2)
    _, directions = torch.linalg.eigh(cells.T @ cells)  # eigenvalues ascend
    silent, speaking = directions.T[: CHANNELS // 2], directions.T[CHANNELS // 2 :]
    # The reflection that swaps what a query says and what a key says of it.
    between = nn.functional.normalize(common - label, dim=0)
    swap = torch.eye(CHANNELS, device=between.device) - 2 * between[:, None] * between
    transformer = decoder.transformer
    for layer in cast(Any, transformer.layers):
        towards_label = LABEL_GAIN * _orthogonal(CHANNELS, generator)
        _set(layer.self_attn.q_proj, towards_label)
        _set(layer.self_attn.k_proj, towards_label @ swap)
        _carry_through(layer.self_attn, _orthogonal(CHANNELS, generator))
        nn.init.zeros_(layer.mlp.lin2.weight)
        reading, noting = layer.cross_attn_token_to_image, layer.cross_attn_image_to_token
        _look_for_places(reading, silent, generator)
        _carry_through(reading, _orthogonal(CHANNELS // 2, generator) @ speaking)
        for projection in (noting.q_proj, noting.k_proj):
            _set(projection, LIKENESS_GAIN * reading.v_proj.weight)
        note = _orthogonal(CHANNELS, generator)
        _set(noting.v_proj, note[: CHANNELS // 2])
        _set(noting.out_proj, NOTE_GAIN * note[CHANNELS // 2 :].T)
    final = transformer.final_attn_token_to_image
    _look_for_places(final, silent, generator)
    _carry_through(final, _orthogonal(CHANNELS // 2, generator) @ speaking)

    for network_of_mask in decoder.output_hypernetworks_mlps:
        for layer in cast(Any, network_of_mask.layers):
            _set(layer, torch.randn(layer.weight.shape, generator=generator) * (2 / layer.in_features) ** 0.5)
    for layer in decoder.output_upscaling:
        if isinstance(layer, nn.ConvTranspose2d):
            layer.weight.normal_(std=(2 / layer.in_channels) ** 0.5, generator=generator)
            nn.init.zeros_(cast(Tensor, layer.bias))


def _look_for_places(attention: Attention, silent: Float[Tensor, "half channels"], generator: torch.Generator) -> None:
    for projection in (attention.q_proj, attention.k_proj):
        nn.init.zeros_(projection.bias)
    attention.q_proj.weight.copy_(PLACE_GAIN * _orthogonal(len(silent), generator) @ silent)
    attention.k_proj.weight.copy_(attention.q_proj.weight)


def _carry_through(attention: Attention, values: Float[Tensor, "inner channels"]) -> None:
    """Values by this matrix with orthonormal rows, outputs by its transpose: what is read comes out undamped."""
    _set(attention.v_proj, values)
    _set(attention.out_proj, values.T)


def _set(layer: nn.Linear, weight: Float[Tensor, "outputs inputs"]) -> None:
    layer.weight.copy_(weight)
    nn.init.zeros_(layer.bias)


def _orthogonal(size: int, generator: torch.Generator) -> Float[Tensor, "size size"]:
    return torch.linalg.qr(torch.randn(size, size, generator=generator)).Q
