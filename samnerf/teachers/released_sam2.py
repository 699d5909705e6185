"""The released SAM 2.1 at its four sizes, either half, from a folder in transformers' form."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import Sam2Config

from samnerf.errors import SamNerfError
from samnerf.teachers.sam2 import Sam2Encoder, Sam2MaskDecoder
from samnerf.teachers.weights_files import TRANSFORMERS_FILES, fill, read_checkpoint, read_safetensors, weights_hash

MODEL_TYPES = ("sam2", "sam2_video")
"""What a configuration may call itself; the video form holds a SAM 2, and a memory that single images do not need."""
CONFIGURED = ("vision_config", "prompt_encoder_config", "mask_decoder_config")
POSITIONS = ("shared_image_embedding.positional_embedding", "prompt_encoder.shared_embedding.positional_embedding")
"""One matrix under two names; transformers that tie the two write only one of them."""


@dataclass(frozen=True)
class HieraShape:
    """One size of Hiera (Ryali et al. 2023, arXiv:2306.00989): channels of its first stage, and blocks in all."""

    width: int
    blocks: int


SHAPES = {
    "sam2-hiera-tiny": HieraShape(96, 12),
    "sam2-hiera-small": HieraShape(96, 16),
    "sam2-hiera-base-plus": HieraShape(112, 24),
    "sam2-hiera-large": HieraShape(144, 48),
}


def load_encoder(name: str, folder: Path, device: torch.device) -> Sam2Encoder:
    """The image half, frozen.

    Raises:
        SamNerfError: if the folder lacks its configuration or weights, or they belong to something else.
    """
    config, weights = _config(name, folder), _weights(folder)
    state = _read(name, weights)
    encoder = Sam2Encoder(config, name, weights_hash(weights))
    _fill_own(encoder, state, weights)
    return encoder.requires_grad_(False).to(device)


def load_mask_decoder(name: str, folder: Path, device: torch.device) -> Sam2MaskDecoder:
    """Prompt encoder and mask decoder, frozen; for maps of the encoder called `name`.

    Raises:
        SamNerfError: if the folder lacks its configuration or weights, or they belong to something else.
    """
    config, weights = _config(name, folder), _weights(folder)
    state = _read(name, weights)
    decoder = Sam2MaskDecoder(config, name)
    _fill_own(decoder, state, weights)
    return decoder.requires_grad_(False).to(device)


def _config(name: str, folder: Path) -> Sam2Config:
    path = folder / "config.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SamNerfError(f"{path} is missing or no JSON: {error}; expected the configuration of a SAM 2") from error
    kind = document.get("model_type") if isinstance(document, dict) else None
    if kind not in MODEL_TYPES:
        raise SamNerfError(f"{path} describes a model of type {kind!r}; expected a SAM 2 ({name})")
    try:
        config = Sam2Config(**{part: document[part] for part in CONFIGURED if part in document})
        backbone = config.vision_config.backbone_config  # pyright: ignore[reportAttributeAccessIssue, reportOptionalMemberAccess]
        shape = HieraShape(backbone.hidden_size, sum(backbone.blocks_per_stage))
    except Exception as error:  # transformers' own checks raise whatever they like
        raise SamNerfError(f"{path} is no configuration of a SAM 2: {error}") from error
    _check_shape(name, shape, str(path))
    return config


def _weights(folder: Path) -> Path:
    for file in TRANSFORMERS_FILES:
        if (folder / file).exists():
            return folder / file
    raise SamNerfError(f"{folder} has neither {' nor '.join(TRANSFORMERS_FILES)}; put the weights of SAM 2 there")


def _read(name: str, weights: Path) -> dict[str, Tensor]:
    state = read_safetensors(weights) if weights.suffix == ".safetensors" else read_checkpoint(weights, "")
    width = state.get("vision_encoder.backbone.pos_embed")
    if width is None:
        raise SamNerfError(f"weights {weights} have no image encoder of a SAM 2; expected {name}")
    blocks = {key.split(".")[3] for key in state if key.startswith("vision_encoder.backbone.blocks.")}
    _check_shape(name, HieraShape(width.shape[1], len(blocks)), f"weights {weights}")
    for here, there in (POSITIONS, POSITIONS[::-1]):
        if here not in state and there in state:
            state[here] = state[there]
    return state


def _check_shape(name: str, shape: HieraShape, source: str) -> None:
    if shape != SHAPES[name]:
        known = next((f" ({other})" for other, known in SHAPES.items() if known == shape), "")
        raise SamNerfError(
            f"{source}: a SAM 2 of width {shape.width} with {shape.blocks} blocks{known}, expected {name}; "
            "put each under its own name"
        )


def _fill_own(half: nn.Module, state: dict[str, Tensor], weights: Path) -> None:
    fill(half, {name: state[name] for name in half.state_dict() if name in state}, weights)
