"""NVOS (Ren et al. 2022): scribbles in a reference image of a forward-facing scene, the object's mask in another view.

    masks/<task>/<target>_mask.png          what is scored, beside a copy of the target's image
    reference_image/<task>/<reference>.JPG  the image that was scribbled on
    scribbles/<task>/pos_0_<scene>.png      and neg_0_<scene>.png, at a quarter of its resolution

From each scribble's skeleton some pixels are drawn, as SAGA does it: about 2% of the positive, 0.5% of the negative.
IoU is TP / (TP + FP + FN), Acc the share of pixels that are right; both are averaged over the eight tasks.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from PIL import Image
from skimage.morphology import skeletonize

from samnerf.errors import SamNerfError
from samnerf.evaluation.metrics import accuracy, boundary_iou, iou, mean
from samnerf.evaluation.truth_masks import at_size, folders, read_mask, subfolder
from samnerf.prompts import Point

TASKS = ("fern", "flower", "fortress", "horns_center", "horns_left", "leaves", "orchids", "trex")
POSITIVE_SHARE, NEGATIVE_SHARE = 0.02, 0.005
LAYOUT = "NVOS (masks, reference_image, scribbles)"


@dataclass(frozen=True)
class NvosTask:
    """One object.

    Attributes:
        target, reference: names of the images.
        truth: file of the target's mask.
        positive, negative: files of the scribbles; there may be no negative one.
    """

    name: str
    target: str
    reference: str
    truth: Path
    positive: Path
    negative: Path | None

    @property
    def run_names(self) -> tuple[str, ...]:
        """What a run of its scene may be called."""
        scene = self.name.partition("_")[0]
        return self.name, scene, f"{scene}_undistort"

    def mask(self) -> Bool[np.ndarray, "height width"]:
        """The object in the target view."""
        return read_mask(self.truth)

    def clicks(self, image_size: tuple[int, int], seed: int) -> tuple[Point, ...]:
        """Clicks drawn from both scribbles, in pixels of the reference view at a size (H, W); see `scribble_clicks`."""
        clicks = scribble_clicks(read_mask(self.positive, above=0), image_size, POSITIVE_SHARE, 1, (seed, self.name))
        if not clicks:
            raise SamNerfError(f"scribble {self.positive} is empty; it should show where the object is")
        if self.negative is not None:
            negative = read_mask(self.negative, above=0)
            clicks += scribble_clicks(negative, image_size, NEGATIVE_SHARE, 0, (seed, self.name))
        return clicks


@dataclass(frozen=True)
class NvosScore:
    """Of one task, 0 to 1; boundary IoU is not part of the original protocol."""

    iou: float
    accuracy: float
    boundary_iou: float


def read_nvos(data: Path) -> tuple[NvosTask, ...]:
    """The tasks of a folder, by name.

    Raises:
        SamNerfError: if the folder is not laid out so, or a task lacks something.
    """
    folder = subfolder(data, ("masks", "labels/llff/masks", "llff/masks"), LAYOUT).parent
    tasks = tuple(_read_task(folder, one.name) for one in folders(folder / "masks"))
    if not tasks:
        raise SamNerfError(f"{folder / 'masks'} holds no tasks; {LAYOUT} has a folder for each, such as fern")
    return tasks


def scribble_clicks(
    scribble: Bool[np.ndarray, "rows columns"],
    image_size: tuple[int, int],
    share: float,
    label: int,
    seed: tuple[int, str],
) -> tuple[Point, ...]:
    """Pixels drawn from the skeleton of a scribble; one at least, if there is a scribble.

    Args:
        scribble: at its own resolution.
        image_size: (H, W) of the image in whose pixels clicks are given; the scribble lies on all of it.
        share: chance of each pixel to be drawn.
        label: of the clicks.
        seed: a number, and the name of the task.
    """
    skeleton = np.asarray(skeletonize(scribble), bool)
    if not skeleton.any():
        return ()
    drawn = np.random.default_rng([seed[0], zlib.crc32(seed[1].encode()), label]).random(scribble.shape)
    drawn[~skeleton] = -1
    chosen = (drawn >= 1 - share) | (drawn == drawn.max())
    down, across = image_size[0] / scribble.shape[0], image_size[1] / scribble.shape[1]
    return tuple(
        Point((column + 0.5) * across, (row + 0.5) * down, label)
        for row, column in zip(*(axis.tolist() for axis in np.nonzero(chosen)), strict=True)
    )


def score_task(found: Bool[np.ndarray, "_ _"] | None, truth: Bool[np.ndarray, "height width"]) -> NvosScore:
    """Score a prediction, which may have another size than the truth; none counts 0 and as an empty mask."""
    if found is None:
        return NvosScore(0.0, accuracy(np.zeros_like(truth), truth), 0.0)
    mask = at_size(found, truth.shape)
    return NvosScore(iou(mask, truth), accuracy(mask, truth), boundary_iou(mask, truth))


def mean_scores(scores: Mapping[str, NvosScore]) -> dict[str, float]:
    """Means over tasks."""
    return {
        "miou": mean(one.iou for one in scores.values()),
        "accuracy": mean(one.accuracy for one in scores.values()),
        "boundary_iou": mean(one.boundary_iou for one in scores.values()),
    }


def _read_task(folder: Path, name: str) -> NvosTask:
    truth = _only(folder / "masks" / name, "*_mask.png", "the target's mask")
    reference = _only(folder / "reference_image" / name, "*.*", "the reference image")
    scribbles = folder / "scribbles" / name
    negatives = sorted(scribbles.glob("neg_*.png"))
    return NvosTask(
        name=name,
        target=truth.stem.removesuffix("_mask"),
        reference=reference.stem,
        truth=truth,
        positive=_only(scribbles, "pos_*.png", "the positive scribble"),
        negative=negatives[0] if negatives else None,
    )


def _only(folder: Path, pattern: str, what: str) -> Path:
    found = [one for one in sorted(folder.glob(pattern)) if one.suffix.lower() in Image.registered_extensions()]
    found = [one for one in found if not one.name.startswith(".")]
    if len(found) != 1:
        raise SamNerfError(f"{folder} should hold one file {pattern}, {what}; it holds {len(found)}")
    return found[0]
