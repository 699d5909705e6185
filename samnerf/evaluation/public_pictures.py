"""The worst cases of public data sets, to be looked at: prompt, answer, truth."""

import numpy as np

from samnerf.evaluation.metrics import iou
from samnerf.evaluation.report import CasePicture
from samnerf.evaluation.scene_prediction import Predictor
from samnerf.evaluation.truth_masks import at_size
from samnerf.export.pictures import heat_map, overlay
from samnerf.objects.palette import object_colour

COLOUR = object_colour(1)


def found_iou(found: np.ndarray | None, truth: np.ndarray) -> float:
    """IoU at the size of the truth; 0 where nothing was found."""
    return 0.0 if found is None else iou(at_size(found, (truth.shape[0], truth.shape[1])), truth)


def masked(photograph: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """A photograph under a mask of any size, or under none."""
    size = photograph.shape[0], photograph.shape[1]
    return overlay(photograph, [] if mask is None else [(at_size(mask, size), COLOUR)], dimmed=0.6)


def case_picture(
    title: str,
    prompted: tuple[str, np.ndarray],
    photograph: np.ndarray,
    found: np.ndarray | None,
    truth: np.ndarray,
) -> CasePicture:
    """A case: its prompt with a caption, what was found in the photograph, and what is true there."""
    caption = "nothing was found" if found is None else "what was found"
    panels = [prompted, (caption, masked(photograph, found)), ("ground truth", masked(photograph, truth))]
    return CasePicture(title, panels)


def words_picture(
    scene: str, predictor: Predictor, view: str, said: str, found: np.ndarray | None, truth: np.ndarray
) -> CasePicture:
    """A case that was asked for in words, with where they fit."""
    photograph = predictor.photograph(view)
    heat = heat_map(photograph, predictor.fit(view, said, (photograph.shape[0], photograph.shape[1])))
    title = f"{scene}, {view}, “{said}”: IoU {found_iou(found, truth):.2f}"
    return case_picture(title, ("where the words fit", heat), photograph, found, truth)
