"""What commands on a trained scene begin with: where to compute, and the decoders of the scene's teachers."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from samnerf.images.segmentation import ImageSegmenter
    from samnerf.scene import TrainedScene
    from samnerf.session import Session


def chosen_device(device: str) -> str:
    """The device of this name; "auto" takes a GPU if there is one."""
    import torch

    if device != "auto":
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"


def load_session(pair: str, words: bool, device: str, refinements: int = 1, by_depth: bool = True) -> "Session":
    """A session with the decoders of a pair of teachers.

    Args:
        pair: of teachers, e.g. "tiny".
        words: whether phrases are to be understood.
        device: where to compute.
        refinements: how often the mask decoder's answer is fed back to it.
        by_depth: whether views that have depth cut what it gives.
    """
    from samnerf.session import Session
    from samnerf.teachers.pairs import load_mask_decoder, load_text_decoder

    text_decoder = load_text_decoder(pair, device) if words else None
    return Session(load_mask_decoder(pair, device), text_decoder, refinements, by_depth=by_depth)


def served(config: Path | None, teachers: str, device: str) -> "tuple[TrainedScene | None, ImageSegmenter]":
    """What a server answers with: a trained scene if there is one, and its teachers or those named.

    Args:
        config: config.yml of a run.
        teachers: pair of teachers where there is no scene.
        device: where to compute, or "auto".

    Raises:
        SamNerfError: if something is missing; that is better said now than to a client.
    """
    from samnerf.images.segmentation import ImageSegmenter

    device = chosen_device(device)
    if config is None:
        segmenter = ImageSegmenter(teachers, device)
        segmenter.encoder("sam")
        return None, segmenter
    from samnerf.scene import TrainedScene

    scene = TrainedScene.load(config, device)
    return scene, ImageSegmenter(scene.pair, device)
