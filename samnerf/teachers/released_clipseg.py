"""The released CLIPSeg (`CIDAS/clipseg-rd64-refined`), either half, from a folder in transformers' form."""

import json
from pathlib import Path

import torch
from torch import Tensor
from transformers import CLIPSegConfig

from samnerf.errors import SamNerfError
from samnerf.teachers.clipseg import ClipSegEncoder, ClipSegTextDecoder
from samnerf.teachers.weights_files import TRANSFORMERS_FILES, read_checkpoint, read_safetensors, weights_hash

IMAGE_SIDE = 352
"""Pixels; what the released weights are used at, though their configuration says 224."""


def load_encoder(name: str, folder: Path, device: torch.device) -> ClipSegEncoder:
    """The image half, frozen.

    Raises:
        SamNerfError: if the folder lacks its configuration or weights, or they belong to something else.
    """
    weights = _weights(folder)
    encoder = ClipSegEncoder(_config(folder), name, IMAGE_SIDE, weights_hash(weights))
    encoder.load_weights(_read(weights), str(weights))
    return encoder.requires_grad_(False).to(device)


def load_text_decoder(name: str, folder: Path, device: torch.device) -> ClipSegTextDecoder:
    """The phrase half, frozen; for maps of the encoder called `name`.

    Raises:
        SamNerfError: if the folder lacks its configuration or weights, or they belong to something else.
    """
    weights = _weights(folder)
    decoder = ClipSegTextDecoder(_config(folder), name)
    decoder.load_weights(_read(weights), str(weights))
    return decoder.requires_grad_(False).to(device)


def _config(folder: Path) -> CLIPSegConfig:
    path = folder / "config.json"
    try:
        return CLIPSegConfig(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise SamNerfError(f"{path} is missing or no configuration of a CLIPSeg: {error}") from error


def _weights(folder: Path) -> Path:
    for name in TRANSFORMERS_FILES:
        if (folder / name).exists():
            return folder / name
    raise SamNerfError(
        f"{folder} has neither model.safetensors nor pytorch_model.bin; put the weights of CLIPSeg there"
    )


def _read(weights: Path) -> dict[str, Tensor]:
    return read_safetensors(weights) if weights.suffix == ".safetensors" else read_checkpoint(weights, "")
