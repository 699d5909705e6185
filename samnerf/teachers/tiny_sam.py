"""The tiny SAM: Meta's prompt encoder and mask decoder at half width, behind a small convolutional encoder.

It sees 256 x 256 pixels, and its map has 32 x 32 cells of 128 channels.
"""

from pathlib import Path

import torch
from segment_anything.modeling import MaskDecoder, PromptEncoder, TwoWayTransformer
from torch import nn

from samnerf.teachers.sam import SamEncoder, SamMaskDecoder
from samnerf.teachers.tiny_backbone import CHANNELS, TinyBackbone
from samnerf.teachers.weights_files import BUNDLED, fill, read_safetensors, weights_hash

NAME = "tiny-sam"
INPUT_SIDE = 256
SIDE = 32
WEIGHTS = BUNDLED / "tiny_sam.safetensors"
HEADS = 2
"""Of each attention, 32 channels wide at the image; with 16 a click does not stand out among 1,024 cells."""
POSITION_SHARPNESS = 2.0
"""Scale of the random Fourier positions; SAM's own, 1, would blur neighbouring cells of so small an image."""


class TinySam(nn.Module):
    """The three networks under the names that SAM's own checkpoints use."""

    def __init__(self) -> None:
        super().__init__()
        self.image_encoder = TinyBackbone()
        self.prompt_encoder = tiny_prompt_encoder()
        self.mask_decoder = tiny_mask_decoder()


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


def load_encoder(device: torch.device, weights: Path = WEIGHTS) -> SamEncoder:
    """The image encoder alone."""
    network = TinyBackbone()
    fill(network, read_safetensors(weights, "image_encoder."), weights)
    return SamEncoder(network, NAME, weights_hash(weights), CHANNELS, SIDE, INPUT_SIDE, device)


def load_mask_decoder(device: torch.device, weights: Path = WEIGHTS) -> SamMaskDecoder:
    """Prompt encoder and mask decoder alone."""
    prompt_encoder, mask_decoder = tiny_prompt_encoder(), tiny_mask_decoder()
    fill(prompt_encoder, read_safetensors(weights, "prompt_encoder."), weights)
    fill(mask_decoder, read_safetensors(weights, "mask_decoder."), weights)
    return SamMaskDecoder(prompt_encoder, mask_decoder, NAME, device)
