"""Every teacher of `samnerf.teachers.pairs` with random weights, at its true size: what it costs needs no others.

The four sizes of SAM 2.1 are those of `sam2/configs/sam2.1/*.yaml` in facebookresearch/sam2.
"""

from dataclasses import dataclass

import torch
from torch import nn
from transformers import CLIPSegConfig, Sam2Config, Sam2HieraDetConfig, Sam2VisionConfig

from samnerf.errors import SamNerfError
from samnerf.teachers import meta_sam, tiny_sam
from samnerf.teachers.clipseg import ClipSegEncoder, ClipSegTextDecoder
from samnerf.teachers.pairs import PAIRS
from samnerf.teachers.released_clipseg import IMAGE_SIDE
from samnerf.teachers.sam import SamEncoder
from samnerf.teachers.sam2 import Sam2Encoder, Sam2MaskDecoder
from samnerf.teachers.tiny_backbone import TinyBackbone
from samnerf.teachers.tiny_clipseg import tiny_clipseg_config, tiny_clipseg_encoder

TEACHERS = tuple(dict.fromkeys(spec.teacher for pair in PAIRS.values() for spec in pair.values()))
HIERA = {
    "sam2-hiera-tiny": Sam2HieraDetConfig(),
    "sam2-hiera-small": Sam2HieraDetConfig(blocks_per_stage=[1, 2, 11, 2], global_attention_blocks=[7, 10, 13]),
    "sam2-hiera-base-plus": Sam2HieraDetConfig(
        hidden_size=112,
        num_attention_heads=2,
        blocks_per_stage=[2, 3, 16, 3],
        embed_dim_per_stage=[112, 224, 448, 896],
        num_attention_heads_per_stage=[2, 4, 8, 16],
        global_attention_blocks=[12, 16, 20],
        window_positional_embedding_background_size=[14, 14],
    ),
    "sam2-hiera-large": Sam2HieraDetConfig(
        hidden_size=144,
        num_attention_heads=2,
        blocks_per_stage=[2, 6, 36, 4],
        embed_dim_per_stage=[144, 288, 576, 1152],
        num_attention_heads_per_stage=[2, 4, 8, 16],
        window_size_per_stage=[8, 4, 16, 8],
        global_attention_blocks=[23, 33, 43],
    ),
}


@dataclass(frozen=True)
class RandomTeacher:
    """An encoder, the side of the square it sees in pixels, and numbers that are learned in it and in its decoder."""

    encoder: SamEncoder | Sam2Encoder | ClipSegEncoder
    input_side: int
    encoder_parameters: int
    decoder_parameters: int


def random_teacher(name: str, device: str) -> RandomTeacher:
    """The teacher of that name.

    Raises:
        SamNerfError: if there is none.
    """
    if name not in TEACHERS:
        raise SamNerfError(f"there is no teacher called {name!r}; choose from {', '.join(TEACHERS)}")
    encoder, networks, decoders = _halves(name, torch.device(device))
    input_side = encoder.image_side if isinstance(encoder, ClipSegEncoder) else encoder.input_side
    return RandomTeacher(encoder, input_side, _parameters(networks), _parameters(decoders))


def _halves(
    name: str, device: torch.device
) -> tuple[SamEncoder | Sam2Encoder | ClipSegEncoder, list[nn.Module], list[nn.Module]]:
    """The encoder, its networks, and those of its decoder."""
    if name in HIERA:
        config = _sam2_config(HIERA[name])
        encoder = Sam2Encoder(config, name).requires_grad_(False).to(device)
        return encoder, [encoder], [Sam2MaskDecoder(config, name)]
    if "clipseg" in name:
        tiny = name.startswith("tiny")
        config = tiny_clipseg_config() if tiny else _clipseg_config()
        encoder = tiny_clipseg_encoder() if tiny else ClipSegEncoder(config, name, IMAGE_SIDE)
        return encoder.requires_grad_(False).to(device), [encoder], [ClipSegTextDecoder(config, name)]
    if name == tiny_sam.NAME:
        network, sizes = TinyBackbone(), (tiny_sam.CHANNELS, tiny_sam.SIDE, tiny_sam.INPUT_SIDE)
        decoders = [tiny_sam.tiny_prompt_encoder(), tiny_sam.tiny_mask_decoder()]
    else:
        network = meta_sam.build_image_encoder(meta_sam.SHAPES[name])
        sizes = (meta_sam.CHANNELS, meta_sam.SIDE, meta_sam.INPUT_SIDE)
        decoders = [meta_sam.build_prompt_encoder(), meta_sam.build_mask_decoder()]
    return SamEncoder(network, name, "random", *sizes, device), [network], decoders


def _sam2_config(backbone: Sam2HieraDetConfig) -> Sam2Config:
    widths = backbone.embed_dim_per_stage
    assert widths is not None
    return Sam2Config(vision_config=Sam2VisionConfig(backbone_config=backbone, backbone_channel_list=widths[::-1]))


def _clipseg_config() -> CLIPSegConfig:
    """Of `CIDAS/clipseg-rd64-refined`, as far as it differs from transformers' defaults."""
    return CLIPSegConfig(vision_config={"patch_size": 16}, use_complex_transposed_convolution=True)


def _parameters(networks: list[nn.Module]) -> int:
    return sum(parameter.numel() for network in networks for parameter in network.parameters())
