"""Meta's SAM v1 at its three sizes: network shapes, and loading either half from an official checkpoint.

Shapes as in `segment_anything.build_sam`, which builds both halves at once and reads the checkpoint
with an unrestricted `torch.load`; hence ours.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, TwoWayTransformer
from torch import nn

from samnerf.errors import SamNerfError
from samnerf.teachers.sam import SamEncoder, SamMaskDecoder
from samnerf.teachers.weights_files import fill, read_checkpoint, weights_hash

INPUT_SIDE = 1024
PATCH = 16
SIDE = INPUT_SIDE // PATCH
CHANNELS = 256


@dataclass(frozen=True)
class VitShape:
    """One size of SAM's vision transformer (Li et al. 2022, arXiv:2203.16527)."""

    width: int
    depth: int
    heads: int
    global_attention: tuple[int, ...]


SHAPES = {
    "sam-vit-b": VitShape(768, 12, 12, (2, 5, 8, 11)),
    "sam-vit-l": VitShape(1024, 24, 16, (5, 11, 17, 23)),
    "sam-vit-h": VitShape(1280, 32, 16, (7, 15, 23, 31)),
}


def build_image_encoder(shape: VitShape) -> ImageEncoderViT:
    """[N, 3, 1024, 1024] -> [N, 256, 64, 64], with random weights."""
    return ImageEncoderViT(
        depth=shape.depth,
        embed_dim=shape.width,
        img_size=INPUT_SIDE,
        mlp_ratio=4,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),  # pyright: ignore[reportArgumentType]
        num_heads=shape.heads,
        patch_size=PATCH,
        qkv_bias=True,
        use_rel_pos=True,
        global_attn_indexes=shape.global_attention,
        window_size=14,
        out_chans=CHANNELS,
    )


def build_prompt_encoder() -> PromptEncoder:
    """The prompt encoder of all three sizes, with random weights."""
    return PromptEncoder(
        embed_dim=CHANNELS,
        image_embedding_size=(SIDE, SIDE),
        input_image_size=(INPUT_SIDE, INPUT_SIDE),
        mask_in_chans=16,
    )


def build_mask_decoder() -> MaskDecoder:
    """The mask decoder of all three sizes, with random weights."""
    return MaskDecoder(
        num_multimask_outputs=3,
        transformer=TwoWayTransformer(depth=2, embedding_dim=CHANNELS, mlp_dim=2048, num_heads=8),
        transformer_dim=CHANNELS,
        iou_head_depth=3,
        iou_head_hidden_dim=256,
    )


def load_encoder(name: str, checkpoint: Path, device: torch.device) -> SamEncoder:
    """The image encoder alone, from an official checkpoint (`sam_vit_*.pth`).

    Raises:
        SamNerfError: if the file is missing, damaged, or holds another SAM or something else.
    """
    _check_size(name, checkpoint)
    network = build_image_encoder(SHAPES[name])
    fill(network, read_checkpoint(checkpoint, "image_encoder."), checkpoint)
    return SamEncoder(network, name, weights_hash(checkpoint), CHANNELS, SIDE, INPUT_SIDE, device)


def load_mask_decoder(name: str, checkpoint: Path, device: torch.device) -> SamMaskDecoder:
    """Prompt encoder and mask decoder alone, from an official checkpoint.

    Raises:
        SamNerfError: if the file is missing, damaged, or holds another SAM or something else.
    """
    _check_size(name, checkpoint)
    prompt_encoder, mask_decoder = build_prompt_encoder(), build_mask_decoder()
    fill(prompt_encoder, read_checkpoint(checkpoint, "prompt_encoder."), checkpoint)
    fill(mask_decoder, read_checkpoint(checkpoint, "mask_decoder."), checkpoint)
    return SamMaskDecoder(prompt_encoder, mask_decoder, name, device)


def teacher_of(checkpoint: Path) -> str:
    """Which of the three sizes an official checkpoint holds.

    Raises:
        SamNerfError: if the file is missing, damaged, or holds none of them.
    """
    width = read_checkpoint(checkpoint, "").get("image_encoder.patch_embed.proj.weight")
    for name, shape in SHAPES.items():
        if width is not None and width.shape[0] == shape.width:
            return name
    raise SamNerfError(f"weights {checkpoint} hold no SAM ViT-B, -L or -H; give an official checkpoint (sam_vit_*.pth)")


def _check_size(name: str, checkpoint: Path) -> None:
    """Decoders of all sizes have the same shapes, so only the image encoder beside them tells whose they are."""
    state = read_checkpoint(checkpoint, "")
    width = state.get("image_encoder.patch_embed.proj.weight")
    if width is not None and width.shape[0] != SHAPES[name].width:
        held = next((f" ({other})" for other, shape in SHAPES.items() if shape.width == width.shape[0]), "")
        raise SamNerfError(
            f"weights {checkpoint}: holds a SAM of width {width.shape[0]}{held}, expected {name}; "
            "put each under its own name"
        )
