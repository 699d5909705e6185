"""The pairs of teachers that can be chosen by name: one SAM and one CLIPSeg each.

Nothing heavy is imported, and no weight touched, before a loader is called: `feature_specs` is all that
the field, the preset and the help text need.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from samnerf.errors import SamNerfError
from samnerf.feature_map import Layout
from samnerf.teachers.contracts import Encoder, MaskDecoder, TextDecoder

Kind = Literal["sam", "clipseg"]
KINDS: tuple[Kind, ...] = ("sam", "clipseg")


@dataclass(frozen=True)
class FeatureSpec:
    """What the maps of one encoder look like.

    Attributes:
        teacher: the encoder's name, as `FeatureMap.teacher`.
        channels: length of one feature.
        side: cells along each side of the grid.
        layout: how an image lies on the grid, unless asked otherwise.
    """

    teacher: str
    channels: int
    side: int
    layout: Layout


_CLIPSEG = FeatureSpec("clipseg-rd64-refined", 192, 22, "stretch")
PAIRS: dict[str, dict[Kind, FeatureSpec]] = {
    "tiny": {
        "sam": FeatureSpec("tiny-sam", 128, 32, "letterbox"),
        "clipseg": FeatureSpec("tiny-clipseg", 96, 32, "stretch"),
    },
    "sam-vit-b": {"sam": FeatureSpec("sam-vit-b", 256, 64, "letterbox"), "clipseg": _CLIPSEG},
    "sam-vit-l": {"sam": FeatureSpec("sam-vit-l", 256, 64, "letterbox"), "clipseg": _CLIPSEG},
    "sam-vit-h": {"sam": FeatureSpec("sam-vit-h", 256, 64, "letterbox"), "clipseg": _CLIPSEG},
}
CHECKPOINTS = {
    "sam-vit-b": "sam_vit_b_01ec64.pth",
    "sam-vit-l": "sam_vit_l_0b3195.pth",
    "sam-vit-h": "sam_vit_h_4b8939.pth",
    "clipseg-rd64-refined": "clipseg-rd64-refined",
}
"""File, or folder in transformers' form, of each teacher that does not ship with the package."""

TRANSFORMERS_FILES = ("model.safetensors", "pytorch_model.bin")
"""Weights in such a folder, the better one first."""


def feature_specs(pair: str) -> dict[Kind, FeatureSpec]:
    """What the maps of a pair's encoders look like.

    Raises:
        SamNerfError: if there is no such pair.
    """
    if pair not in PAIRS:
        raise SamNerfError(f"there are no teachers called {pair!r}; choose one of {', '.join(PAIRS)}")
    return PAIRS[pair]


def checkpoint_folder() -> Path:
    """Where the weights that do not ship are looked for: `$SAMNERF_CHECKPOINTS`, or `~/.cache/samnerf`."""
    return Path(os.environ.get("SAMNERF_CHECKPOINTS", Path.home() / ".cache" / "samnerf"))


def installed_weights_hash(pair: str, kind: Kind) -> str | None:
    """SHA-256 of the weights of a teacher as they are on this machine; None where they are not.

    Raises:
        SamNerfError: if there is no such pair.
    """
    from samnerf.teachers.weights_files import BUNDLED, weights_hash

    teacher = feature_specs(pair)[kind].teacher
    if pair == "tiny":
        return weights_hash(BUNDLED / f"tiny_{kind}.safetensors")
    place = checkpoint_folder() / CHECKPOINTS[teacher]
    files = [place / name for name in TRANSFORMERS_FILES] if kind == "clipseg" else [place]
    return next((weights_hash(file) for file in files if file.exists()), None)


def load_encoder(pair: str, kind: Kind, device: str = "cpu") -> Encoder:
    """The image encoder of one of the pair's teachers.

    Raises:
        SamNerfError: if there is no such pair, or its weights are missing or wrong.
    """
    import torch

    teacher = feature_specs(pair)[kind].teacher
    if kind == "sam":
        if pair == "tiny":
            from samnerf.teachers import tiny_sam

            return tiny_sam.load_encoder(torch.device(device))
        from samnerf.teachers import meta_sam

        return meta_sam.load_encoder(teacher, _checkpoint(teacher), torch.device(device))
    if pair == "tiny":
        from samnerf.teachers import tiny_clipseg

        return tiny_clipseg.load_tiny_clipseg_encoder(device)
    from samnerf.teachers import released_clipseg

    return released_clipseg.load_encoder(teacher, _checkpoint(teacher), torch.device(device))


def load_mask_decoder(pair: str, device: str = "cpu") -> MaskDecoder:
    """What answers points and boxes on the maps of the pair's SAM.

    Raises:
        SamNerfError: if there is no such pair, or its weights are missing or wrong.
    """
    import torch

    teacher = feature_specs(pair)["sam"].teacher
    if pair == "tiny":
        from samnerf.teachers import tiny_sam

        return tiny_sam.load_mask_decoder(torch.device(device))
    from samnerf.teachers import meta_sam

    return meta_sam.load_mask_decoder(teacher, _checkpoint(teacher), torch.device(device))


def load_text_decoder(pair: str, device: str = "cpu") -> TextDecoder:
    """What answers phrases on the maps of the pair's CLIPSeg.

    Raises:
        SamNerfError: if there is no such pair, or its weights are missing or wrong.
    """
    import torch

    teacher = feature_specs(pair)["clipseg"].teacher
    if pair == "tiny":
        from samnerf.teachers import tiny_clipseg

        return tiny_clipseg.load_tiny_clipseg_decoder(device)
    from samnerf.teachers import released_clipseg

    return released_clipseg.load_text_decoder(teacher, _checkpoint(teacher), torch.device(device))


def _checkpoint(teacher: str) -> Path:
    path = checkpoint_folder() / CHECKPOINTS[teacher]
    if not path.exists():
        raise SamNerfError(
            f"the weights of {teacher} are not at {path}; put them there, or set SAMNERF_CHECKPOINTS to their folder "
            f"(the tiny teachers need none: --teachers tiny)"
        )
    return path
