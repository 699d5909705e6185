"""Weights on disk: read the half that is needed, know the file by its hash, say what is wrong with it."""

import functools
import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from samnerf.errors import SamNerfError

BUNDLED = Path(__file__).parent / "weights"
"""Folder of the weights that ship with the package."""
TRANSFORMERS_FILES = ("model.safetensors", "pytorch_model.bin")
"""Weights in a folder that transformers wrote, the better one first."""


@functools.cache
def weights_hash(path: Path) -> str:
    """SHA-256 of the file, in hex.

    Raises:
        SamNerfError: if the file is missing or cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SamNerfError(f"weights {path} cannot be read: {error.strerror}") from error


def read_safetensors(path: Path, prefix: str = "") -> dict[str, Tensor]:
    """The tensors whose name starts with `prefix`, without it, in float32 where they are floats.

    Raises:
        SamNerfError: if the file is missing, truncated, or has no such tensor.
    """
    try:
        with safe_open(path, framework="pt") as file:
            names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118 (no mapping)
            tensors = {name.removeprefix(prefix): file.get_tensor(name) for name in names}
    except FileNotFoundError as error:
        raise SamNerfError(f"weights {path} do not exist") from error
    except (OSError, SafetensorError) as error:
        raise SamNerfError(f"weights {path} are truncated or no safetensors file: {error}") from error
    if not tensors:
        raise SamNerfError(f"weights {path} have no tensor called {prefix}*; they belong to another network")
    return {k: v.to(torch.float32) if v.is_floating_point() else v for k, v in tensors.items()}


def read_checkpoint(path: Path, prefix: str) -> dict[str, Tensor]:
    """The tensors below `prefix` of a PyTorch checkpoint, read with `weights_only=True`.

    Raises:
        SamNerfError: if the file is missing, truncated, holds more than tensors, or has no such tensor.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except FileNotFoundError as error:
        raise SamNerfError(f"weights {path} do not exist") from error
    except Exception as error:
        raise SamNerfError(f"weights {path} are truncated or no checkpoint of plain tensors: {error}") from error
    tensors = {str(k).removeprefix(prefix): v for k, v in state.items() if str(k).startswith(prefix)}
    if not tensors:
        raise SamNerfError(f"weights {path} have no tensor called {prefix}*; they belong to another network")
    return tensors


def fill(network: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    """Load `state` into `network`, whole.

    Raises:
        SamNerfError: naming the first tensor that is missing, left over or of another shape.
    """
    expected = network.state_dict()
    for key, value in expected.items():
        if key not in state:
            raise SamNerfError(f"weights {path} lack {key}; they belong to another network or are truncated")
        if state[key].shape != value.shape:
            raise SamNerfError(
                f"weights {path}: {key} has shape {tuple(state[key].shape)} but {tuple(value.shape)} is expected; "
                f"they belong to another network"
            )
    if left_over := sorted(set(state) - set(expected)):
        raise SamNerfError(f"weights {path} hold {left_over[0]}, which this network does not have")
    network.load_state_dict(state)
