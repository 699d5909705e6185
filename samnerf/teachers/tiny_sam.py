"""The tiny SAM: Meta's prompt encoder and mask decoder at half width, behind a small convolutional encoder.

It sees 256 x 256 pixels, and its map has 32 x 32 cells of 128 channels. The image encoder is a feature
pyramid (Lin et al. 2017, arXiv:1612.03144) of residual blocks without any absolute position, so that what
it says of a place depends on the surroundings and not on where in the image they stand: such features are
easy to distil.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from segment_anything.modeling import MaskDecoder, PromptEncoder, TwoWayTransformer
from torch import Tensor, nn

from samnerf.teachers.sam import SamEncoder, SamMaskDecoder
from samnerf.teachers.weights_files import BUNDLED, fill, read_safetensors, weights_hash

NAME = "tiny-sam"
INPUT_SIDE = 256
SIDE = 32
CHANNELS = 128
WEIGHTS = BUNDLED / "tiny_sam.safetensors"
HEADS = 2
"""Of each attention, 32 channels wide at the image; with 16 a click does not stand out among 1,024 cells."""
POSITION_SHARPNESS = 2.0
"""Scale of the random Fourier positions; SAM's own, 1, would blur neighbouring cells of so small an image."""


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
    network = TinyImageEncoder()
    fill(network, read_safetensors(weights, "image_encoder."), weights)
    return SamEncoder(network, NAME, weights_hash(weights), CHANNELS, SIDE, INPUT_SIDE, device)


def load_mask_decoder(device: torch.device, weights: Path = WEIGHTS) -> SamMaskDecoder:
    """Prompt encoder and mask decoder alone."""
    prompt_encoder, mask_decoder = tiny_prompt_encoder(), tiny_mask_decoder()
    fill(prompt_encoder, read_safetensors(weights, "prompt_encoder."), weights)
    fill(mask_decoder, read_safetensors(weights, "mask_decoder."), weights)
    return SamMaskDecoder(prompt_encoder, mask_decoder, NAME, device)
