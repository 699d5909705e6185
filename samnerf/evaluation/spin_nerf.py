"""SPIn-NeRF's multiview segmentation (Mirzaei et al. 2023): one object in each of ten scenes, masks in many views.

    <scene> (<data set>)/<view>.png    the mask; beside it <view>_pseudo.png and <view>_cutout.png, which show it

The mask of the first view by name is the prompt, and only annotated views are scored. Two forks exist in the
literature: whether that first view is scored, too, and whether IoU is taken of all pixels of a scene together or
averaged over its views. All four are reported; SA3D scores the first view and takes all pixels together.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from samnerf.errors import SamNerfError
from samnerf.evaluation.metrics import accuracy, iou, mean
from samnerf.evaluation.truth_masks import at_size, folders, read_mask, subfolder

SCENES = ("orchids", "leaves", "fern", "room", "horns", "fortress", "fork", "pinecone", "truck", "lego")
SHOWN = ("_pseudo", "_cutout")
LAYOUT = 'SPIn-NeRF\'s multiview segmentation (folders such as "fern (llff)" with masks)'

_SPLIT = re.compile(r"[01]_(?P<name>.+)")
_NUMBERED = re.compile(r"image(?P<index>\d+)")

Masks = Mapping[str, Bool[np.ndarray, "_ _"]]


@dataclass(frozen=True)
class SpinNerfScene:
    """One object; the masks by name of the view, in the order of names."""

    name: str
    truths: Mapping[str, Path]

    @property
    def run_names(self) -> tuple[str, ...]:
        """What a run of it may be called."""
        return (self.name, "lego_real_night_radial") if self.name == "lego" else (self.name,)

    @property
    def reference(self) -> str:
        """The view whose mask is the prompt."""
        return next(iter(self.truths))

    def mask(self, view: str) -> Bool[np.ndarray, "height width"]:
        """The object in an annotated view."""
        return read_mask(self.truths[view], above=0)


@dataclass(frozen=True)
class SpinNerfScore:
    """IoU and accuracy of one scene, 0 to 1, by both forks.

    Attributes:
        pooled, averaged: all pixels together, or a mean over views; with the reference view.
        pooled_others, averaged_others: without it.
    """

    pooled: float
    averaged: float
    pooled_others: float
    averaged_others: float
    accuracy_pooled: float
    accuracy_averaged: float
    accuracy_pooled_others: float
    accuracy_averaged_others: float


def read_spin_nerf(data: Path) -> tuple[SpinNerfScene, ...]:
    """The scenes of a folder, in the order in which the paper lists them; others after these.

    Raises:
        SamNerfError: if no folder in it holds masks of two views.
    """
    scenes = [_read_scene(one) for one in folders(subfolder(data, (".",), LAYOUT))]
    found = [one for one in scenes if len(one.truths) > 1]
    if not found:
        raise SamNerfError(f"--data {data} is not laid out as {LAYOUT}: none of its folders holds masks of two views")
    order = {name: place for place, name in enumerate(SCENES)}
    return tuple(sorted(found, key=lambda one: (order.get(one.name, len(SCENES)), one.name)))


def view_name(annotation: str, views: Sequence[str]) -> str | None:
    """The photograph that an annotation speaks of; None if there is none.

    That of its name; or of its name without the split ("0_", "1_") that those of lego and truck begin with; or
    "image014" is the photograph with this index in the order of names, as in fern, fortress, leaves and orchids.
    """
    if annotation in views:
        return annotation
    split = _SPLIT.fullmatch(annotation)
    if split and split["name"] in views:
        return split["name"]
    numbered = _NUMBERED.fullmatch(annotation)
    if numbered and int(numbered["index"]) < len(views):
        return sorted(views)[int(numbered["index"])]
    return None


def score_scene(found: Mapping[str, Bool[np.ndarray, "_ _"] | None], truths: Masks) -> SpinNerfScore:
    """Score the predictions of a scene.

    Args:
        found: by name of the view, of any size; one that is missing or None counts as an empty mask.
        truths: the annotated views; the first is the reference.
    """
    masks = {view: _found(found.get(view), truth.shape) for view, truth in truths.items()}
    everywhere = list(truths)
    others = everywhere[1:]
    return SpinNerfScore(
        _pooled(masks, truths, everywhere),
        mean(iou(masks[view], truths[view]) for view in everywhere),
        _pooled(masks, truths, others),
        mean(iou(masks[view], truths[view]) for view in others),
        _pooled_accuracy(masks, truths, everywhere),
        mean(accuracy(masks[view], truths[view]) for view in everywhere),
        _pooled_accuracy(masks, truths, others),
        mean(accuracy(masks[view], truths[view]) for view in others),
    )


def mean_scores(scores: Mapping[str, SpinNerfScore]) -> dict[str, float]:
    """Means over scenes."""
    return {one.name: mean(getattr(score, one.name) for score in scores.values()) for one in fields(SpinNerfScore)}


def _read_scene(folder: Path) -> SpinNerfScene:
    masks = sorted(one for one in folder.glob("*.png") if not one.name.startswith("."))
    truths = {one.stem: one for one in masks if not one.stem.lower().endswith(SHOWN)}
    first_word = re.split(r"[ _(]", folder.name.lower())[0]
    return SpinNerfScene(first_word if first_word in SCENES else folder.name, truths)


def _found(mask: Bool[np.ndarray, "_ _"] | None, size: tuple[int, int]) -> Bool[np.ndarray, "_ _"]:
    return np.zeros(size, bool) if mask is None else at_size(mask, size)


def _pooled(masks: Masks, truths: Masks, views: Sequence[str]) -> float:
    common = sum(int((masks[view] & truths[view]).sum()) for view in views)
    either = sum(int((masks[view] | truths[view]).sum()) for view in views)
    return common / either if either else 1.0


def _pooled_accuracy(masks: Masks, truths: Masks, views: Sequence[str]) -> float:
    right = sum(int((masks[view] == truths[view]).sum()) for view in views)
    return right / sum(truths[view].size for view in views)
