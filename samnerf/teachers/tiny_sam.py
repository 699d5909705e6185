"""The tiny SAM: Meta's prompt encoder and mask decoder at half width, behind a small convolutional encoder.

It sees 256 x 256 pixels, and its map has 32 x 32 cells of 128 channels. The image encoder is a feature
pyramid (Lin et al. 2017, arXiv:1612.03144) of residual blocks without any absolute position, so that what
it says of a place depends on the surroundings and not on where in the image they stand: such features are
easy to distil.
"""

from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from segment_anything.modeling import MaskDecoder, PromptEncoder, TwoWayTransformer
from segment_anything.modeling.transformer import Attention
from torch import Tensor, nn

from samnerf.teachers.sam import SamEncoder, SamMaskDecoder
from samnerf.teachers.weights_files import BUNDLED, fill, read_safetensors, weights_hash

NAME = "tiny-sam"
INPUT_SIDE = 256
SIDE = 32
CHANNELS = 128
WEIGHTS = BUNDLED / "tiny_sam.safetensors"
HEADS = 4
POSITION_SHARPNESS = 2.0
"""Scale of the random Fourier positions; SAM's own, 1, would blur neighbouring cells of so small an image."""
CLICK_ATTENTION = 5.0
"""Gain, at birth, of the shared query and key projections by which tokens find the click in the image."""
LABEL_ATTENTION = 2.4
"""Gain, at birth, of those by which output tokens find the click among the tokens."""
CLICK_LABEL = 4.0
"""Length, at birth, of the label of a positive click."""
TOKEN_SCALE = 0.2
"""Size, at birth, of all other labels and tokens, so that what they read outweighs what they are."""


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside the identity (He et al. 2015, arXiv:1512.03385), group-normalised."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.GroupNorm(8, channels),
            nn.GELU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.GroupNorm(8, channels),
            nn.GELU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        last = self.body[-1]
        assert isinstance(last, nn.Conv2d)
        nn.init.zeros_(last.weight)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Same shape."""
        return x + self.body(x)


class TinyImageEncoder(nn.Module):
    """[N, 3, 256, 256] normalised pixels -> [N, 128, 32, 32] features."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 32, 4, stride=2, padding=1),
            nn.GELU(),
            nn.Conv2d(32, 48, 3, stride=2, padding=1),
            ResidualBlock(48),
            nn.Conv2d(48, 96, 3, stride=2, padding=1),
        )
        self.fine = nn.Sequential(*[ResidualBlock(96) for _ in range(2)])
        self.coarse = nn.Sequential(
            nn.Conv2d(96, 160, 3, stride=2, padding=1),
            *[ResidualBlock(160) for _ in range(3)],
            nn.Conv2d(160, 96, 1),
        )
        self.merged = nn.Sequential(*[ResidualBlock(96) for _ in range(2)])
        self.neck = nn.Sequential(nn.GELU(), nn.Conv2d(96, CHANNELS, 1))
        self.norm = nn.LayerNorm(CHANNELS)

    def forward(self, pixels: Float[Tensor, "n 3 256 256"]) -> Float[Tensor, "n 128 32 32"]:
        """Encode a batch."""
        fine = self.fine(self.stem(pixels))
        coarse = F.interpolate(self.coarse(fine), scale_factor=2.0, mode="bilinear", align_corners=False)
        features = self.neck(self.merged(fine + coarse))
        return self.norm(features.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class TinySam(nn.Module):
    """The three networks under the names that SAM's own checkpoints use."""

    def __init__(self) -> None:
        super().__init__()
        self.image_encoder = TinyImageEncoder()
        self.prompt_encoder = tiny_prompt_encoder()
        self.mask_decoder = tiny_mask_decoder()
        wake(self.prompt_encoder, self.mask_decoder)


def tiny_prompt_encoder() -> PromptEncoder:
    """Meta's prompt encoder, with sharper positions."""
    encoder = PromptEncoder(
        embed_dim=CHANNELS,
        image_embedding_size=(SIDE, SIDE),
        input_image_size=(INPUT_SIDE, INPUT_SIDE),
        mask_in_chans=16,
    )
    encoder.pe_layer.get_buffer("positional_encoding_gaussian_matrix").mul_(POSITION_SHARPNESS)
    return encoder


def tiny_mask_decoder() -> MaskDecoder:
    """Meta's mask decoder at half width."""
    return MaskDecoder(
        num_multimask_outputs=3,
        transformer=TwoWayTransformer(depth=2, embedding_dim=CHANNELS, mlp_dim=512, num_heads=HEADS),
        transformer_dim=CHANNELS,
        iou_head_depth=3,
        iou_head_hidden_dim=CHANNELS,
    )


@torch.no_grad()
def wake(prompt_encoder: PromptEncoder, decoder: MaskDecoder) -> None:
    """Weights to begin training with, in which a click matters from the first step.

    Every output token looks for tokens that bear the label of a positive click, and takes over where that is;
    attention to the image then starts at the click, because queries and keys are projected alike; what is read
    there comes through undamped, because values and outputs are projected by an orthogonal matrix and its
    transpose; and the hypernetworks pass it on at full strength. From PyTorch's own beginnings a decoder of
    this size sits on a plateau for a thousand steps.
    """
    for embedding in [*prompt_encoder.point_embeddings, prompt_encoder.not_a_point_embed]:
        cast(nn.Embedding, embedding).weight.mul_(TOKEN_SCALE)
    click = F.normalize(torch.randn(1, CHANNELS), dim=1) * CLICK_LABEL
    cast(nn.Embedding, prompt_encoder.point_embeddings[1]).weight.copy_(click)
    for tokens in (decoder.mask_tokens, decoder.iou_token):
        tokens.weight.mul_(TOKEN_SCALE).add_(click)
    transformer = decoder.transformer
    for layer in cast(Any, transformer.layers):
        nn.init.orthogonal_(layer.self_attn.q_proj.weight, gain=LABEL_ATTENTION)
        _carry_through(layer.self_attn)
        nn.init.zeros_(layer.mlp.lin2.weight)
        nn.init.zeros_(layer.cross_attn_image_to_token.out_proj.weight)
    for attention in token_to_image_attentions(decoder):
        attention.q_proj.weight.mul_(CLICK_ATTENTION)
        _carry_through(attention)
    for network in decoder.output_hypernetworks_mlps:
        for layer in cast(Any, network.layers):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    for layer in decoder.output_upscaling:
        if isinstance(layer, nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, std=(2 / layer.in_channels) ** 0.5)
            nn.init.zeros_(cast(Tensor, layer.bias))
    nn.init.zeros_(prompt_encoder.no_mask_embed.weight)


def token_to_image_attentions(decoder: MaskDecoder) -> list[Attention]:
    """The attentions by which tokens read the image, the final one last."""
    transformer = decoder.transformer
    layers = cast(nn.ModuleList, transformer.layers)
    attentions = [layer.cross_attn_token_to_image for layer in layers] + [transformer.final_attn_token_to_image]
    return cast(list[Attention], attentions)


def _carry_through(attention: Attention) -> None:
    nn.init.zeros_(attention.q_proj.bias)
    attention.k_proj.load_state_dict(attention.q_proj.state_dict())
    nn.init.orthogonal_(attention.v_proj.weight)
    attention.out_proj.weight.copy_(attention.v_proj.weight.T)
    nn.init.zeros_(attention.v_proj.bias)
    nn.init.zeros_(attention.out_proj.bias)


def load_encoder(device: torch.device, weights: Path = WEIGHTS) -> SamEncoder:
    """The image encoder alone."""
    network = TinyImageEncoder()
    fill(network, read_safetensors(weights, "image_encoder."), weights)
    return SamEncoder(network, NAME, weights_hash(weights), CHANNELS, SIDE, INPUT_SIDE, device)


def load_mask_decoder(device: torch.device, weights: Path = WEIGHTS) -> SamMaskDecoder:
    """Prompt encoder and mask decoder alone."""
    prompt_encoder, mask_decoder = tiny_prompt_encoder(), tiny_mask_decoder()
    fill(prompt_encoder, read_safetensors(weights, "prompt_encoder."), weights)
    fill(mask_decoder, read_safetensors(weights, "mask_decoder."), weights)
    return SamMaskDecoder(prompt_encoder, mask_decoder, NAME, device)
