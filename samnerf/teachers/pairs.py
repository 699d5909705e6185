"""The pairs of teachers that can be chosen by name: one SAM and one CLIPSeg each.

Nothing heavy is imported, and no weight touched, before a loader is called: `feature_specs` is all that
the field, the preset and the help text need.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from samnerf.errors import SamNerfError
from samnerf.feature_map import Layout
from samnerf.teachers.checkpoints import weights_of
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
        distillable: whether a field can be trained to render such maps; not if its decoder wants finer levels too.
    """

    teacher: str
    channels: int
    side: int
    layout: Layout
    distillable: bool = True


def _sam2(teacher: str) -> FeatureSpec:
    return FeatureSpec(teacher, 256, 64, "stretch", distillable=False)


_CLIPSEG = FeatureSpec("clipseg-rd64-refined", 192, 22, "stretch")
PAIRS: dict[str, dict[Kind, FeatureSpec]] = {
    "tiny": {
        "sam": FeatureSpec("tiny-sam", 128, 32, "letterbox"),
        "clipseg": FeatureSpec("tiny-clipseg", 96, 32, "stretch"),
    },
    "sam-vit-b": {"sam": FeatureSpec("sam-vit-b", 256, 64, "letterbox"), "clipseg": _CLIPSEG},
    "sam-vit-l": {"sam": FeatureSpec("sam-vit-l", 256, 64, "letterbox"), "clipseg": _CLIPSEG},
    "sam-vit-h": {"sam": FeatureSpec("sam-vit-h", 256, 64, "letterbox"), "clipseg": _CLIPSEG},
    "sam2-hiera-tiny": {"sam": _sam2("sam2-hiera-tiny"), "clipseg": _CLIPSEG},
    "sam2-hiera-small": {"sam": _sam2("sam2-hiera-small"), "clipseg": _CLIPSEG},
    "sam2-hiera-base-plus": {"sam": _sam2("sam2-hiera-base-plus"), "clipseg": _CLIPSEG},
    "sam2-hiera-large": {"sam": _sam2("sam2-hiera-large"), "clipseg": _CLIPSEG},
}


def feature_specs(pair: str) -> dict[Kind, FeatureSpec]:
    """What the maps of a pair's encoders look like.

    Raises:
        SamNerfError: if there is no such pair.
    """
    if pair not in PAIRS:
        raise SamNerfError(f"there are no teachers called {pair!r}; choose one of {', '.join(PAIRS)}")
    return PAIRS[pair]


def distillable_specs(pair: str, kinds: Sequence[Kind] = KINDS) -> dict[Kind, FeatureSpec]:
    """What the maps of a pair's encoders look like, if a scene can learn to render those of the given kinds.

    Raises:
        SamNerfError: if there is no such pair, or a scene cannot.
    """
    specs = feature_specs(pair)
    for kind in kinds:
        if not specs[kind].distillable:
            raise SamNerfError(
                f"no scene can be distilled from {specs[kind].teacher}: its mask decoder needs finer features than a "
                f"field renders; distil from sam-vit-b, sam-vit-l, sam-vit-h or tiny, and use {pair} for photographs "
                "(samnerf segment --image) and rendered views (ns-train samnerf-no-distill)"
            )
    return specs


def installed_weights_hash(pair: str, kind: Kind) -> str | None:
    """SHA-256 of the weights of a teacher as they are on this machine; None where they are not.

    Raises:
        SamNerfError: if there is no such pair.
    """
    from samnerf.teachers.weights_files import TRANSFORMERS_FILES, weights_hash

    place = weights_of(feature_specs(pair)[kind].teacher).place
    files = [place, *(place / name for name in TRANSFORMERS_FILES)]
    return next((weights_hash(file) for file in files if file.is_file()), None)


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
        if teacher.startswith("sam2-"):
            from samnerf.teachers import released_sam2

            return released_sam2.load_encoder(teacher, _checkpoint(teacher), torch.device(device))
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
    if teacher.startswith("sam2-"):
        from samnerf.teachers import released_sam2

        return released_sam2.load_mask_decoder(teacher, _checkpoint(teacher), torch.device(device))
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
    path = weights_of(teacher).place
    if not path.exists():
        raise SamNerfError(
            f"the weights of {teacher} are not at {path}; put them there (samnerf download {teacher}), or set "
            f"SAMNERF_CHECKPOINTS to their folder (the tiny teachers need none: --teachers tiny)"
        )
    return path
