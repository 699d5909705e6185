"""LERF-Mask (Ye et al. 2024, Gaussian Grouping): words, and their masks in two to four novel views of three scenes.

    <scene>/test_mask/<view>/<words>.png   the mask; the view is an image's name, or a number: the test images by name
    <scene>/images_train/                  the images that are not for testing

Scores are averaged over the views of each class, then over classes; boundary IoU looks at 0.02 of the diagonal. A
missing prediction counts 0 here; the original script leaves it out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from samnerf.errors import SamNerfError
from samnerf.evaluation.metrics import boundary_iou, iou, mean
from samnerf.evaluation.truth_masks import at_size, folders, read_mask, subfolder

SCENES = ("figurines", "ramen", "teatime")
BOUNDARY = 0.02
LAYOUT = "LERF-Mask (SCENE/test_mask/VIEW/WORDS.png)"


@dataclass(frozen=True)
class LerfMaskScene:
    """One scene.

    Attributes:
        truths: files of the masks, by name of the view's folder and class.
        trained_on: names of the training images; empty where the data set does not say.
    """

    name: str
    truths: Mapping[tuple[str, str], Path]
    trained_on: frozenset[str] = frozenset()

    @property
    def run_names(self) -> tuple[str, ...]:
        """What a run of it may be called."""
        return (self.name,)

    @property
    def classes(self) -> list[str]:
        """What is asked for, by name."""
        return sorted({words for _, words in self.truths})

    def mask(self, view: str, words: str) -> Bool[np.ndarray, "height width"]:
        """What the words mean in a view."""
        return read_mask(self.truths[view, words], above=128)

    def view_name(self, folder: str, views: Sequence[str]) -> str | None:
        """The photograph that a folder speaks of; None if there is none.

        Args:
            folder: in test_mask.
            views: names of all photographs.
        """
        if folder in views:
            return folder
        test = sorted(name for name in views if name not in self.trained_on)
        if folder.isdecimal() and self.trained_on and int(folder) < len(test):
            return test[int(folder)]
        return None


@dataclass(frozen=True)
class ClassScore:
    """Of one class in one view, 0 to 1."""

    iou: float
    boundary_iou: float


def read_lerf_mask(data: Path) -> tuple[LerfMaskScene, ...]:
    """The scenes of a folder, by name.

    Raises:
        SamNerfError: if the folder is not laid out so.
    """
    scenes = []
    for folder in folders(subfolder(data, ("lerf_mask", "."), LAYOUT)):
        if not (folder / "test_mask").is_dir():
            continue
        truths = {
            (view.name, mask.stem): mask
            for view in folders(folder / "test_mask")
            for mask in sorted(view.glob("*.png"))
            if not mask.name.startswith(".")
        }
        trained_on = frozenset(one.stem for one in (folder / "images_train").glob("*.*"))
        if truths:
            scenes.append(LerfMaskScene(folder.name, truths, trained_on))
    if not scenes:
        raise SamNerfError(f"--data {data} is not laid out as {LAYOUT}: no folder holds test_mask with masks")
    return tuple(scenes)


def score_class(found: Bool[np.ndarray, "_ _"] | None, truth: Bool[np.ndarray, "height width"]) -> ClassScore:
    """Score a prediction, which may have another size than the truth; a missing one counts 0."""
    if found is None:
        return ClassScore(0.0, 0.0)
    mask = at_size(found, truth.shape)
    return ClassScore(iou(mask, truth), boundary_iou(mask, truth, BOUNDARY))


def scene_scores(scores: Mapping[tuple[str, str], ClassScore]) -> dict[str, float]:
    """Means over views for each class, then over classes.

    Args:
        scores: by view and class.
    """
    of_class: dict[str, list[ClassScore]] = {}
    for (_, words), one in scores.items():
        of_class.setdefault(words, []).append(one)
    return {
        "miou": mean(mean(one.iou for one in listed) for listed in of_class.values()),
        "boundary_iou": mean(mean(one.boundary_iou for one in listed) for listed in of_class.values()),
    }
