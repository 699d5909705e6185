"""LERF-OVS: words in 22 frames of four scenes (Kerr et al. 2023), with the masks that LangSplat added.

    label/<scene>/<frame>.json   {"info": {"name", "width", "height"},
                                  "objects": [{"category", "bbox": [x1, y1, x2, y2], "segmentation": [[x, y], ...]}]}

A query is a category in a frame; polygons of one category are united. **In 2D** a query gives a relevancy map, which
is scored as LangSplat scores it (eval/evaluate_iou_loc.py). **In 3D** (OpenGaussian) the object is found in the world
first and rendered, and a missing prediction counts 0. The two are never mixed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from samnerf.atomic_files import read_json
from samnerf.errors import SamNerfError
from samnerf.evaluation.metrics import iou, mean
from samnerf.evaluation.truth_masks import at_size, folders, subfolder

SCENES = ("ramen", "figurines", "teatime", "waldo_kitchen")
QUERIES = 208
NEGATIVES = ("object", "things", "stuff", "texture")
TEMPERATURE = 10.0
BOX_FILTER = 30
MASK_THRESHOLD = 0.4
MAJORITY = 7
FOUND = 0.25
"""IoU above which OpenGaussian takes an object for found."""
Corners = tuple[int | float, int | float, int | float, int | float]
"""x1, y1, x2, y2 of a box, pixels."""
LAYOUT = "LERF-OVS (label/SCENE/frame_00001.json)"


@dataclass(frozen=True, eq=False)
class Query:
    """One category in one frame.

    Attributes:
        mask: the union of its polygons.
        boxes: x1, y1, x2, y2 of each of its objects, pixels.
    """

    category: str
    mask: Bool[np.ndarray, "height width"]
    boxes: tuple[Corners, ...]


@dataclass(frozen=True)
class LerfOvsScene:
    """Labels of the frames, by name of the view."""

    name: str
    labels: Mapping[str, Path]

    @property
    def run_names(self) -> tuple[str, ...]:
        """What a run of it may be called."""
        return (self.name,)

    def queries(self, frame: str) -> list[Query]:
        """The categories of a frame, in the order in which they come first.

        Raises:
            SamNerfError: if the label file is not of this form.
        """
        return read_queries(self.labels[frame])


@dataclass(frozen=True)
class QueryScore:
    """Of one query; localized is None in 3D, where there is no map to look at."""

    iou: float
    localized: bool | None = None


def read_lerf_ovs(data: Path) -> tuple[LerfOvsScene, ...]:
    """The scenes of a folder, in LangSplat's order; others after these.

    Raises:
        SamNerfError: if the folder is not laid out so.
    """
    folder = subfolder(data, ("label", "."), LAYOUT)
    read = [LerfOvsScene(one.name, {p.stem: p for p in sorted(one.glob("frame_*.json"))}) for one in folders(folder)]
    scenes = [one for one in read if one.labels]
    if not scenes:
        raise SamNerfError(f"--data {data} is not laid out as {LAYOUT}: no folder holds frame_*.json")
    order = {name: place for place, name in enumerate(SCENES)}
    return tuple(sorted(scenes, key=lambda one: (order.get(one.name, len(SCENES)), one.name)))


def read_queries(path: Path) -> list[Query]:
    """The queries of one label file.

    Raises:
        SamNerfError: if it is not of this form.
    """
    document = read_json(path, "label file")
    try:
        size = int(document["info"]["height"]), int(document["info"]["width"])
        found: dict[str, list[Any]] = {}
        for entry in document["objects"]:
            found.setdefault(str(entry["category"]), []).append(entry)
        return [
            Query(
                category,
                np.logical_or.reduce([polygon_mask(one["segmentation"], size) for one in entries]),
                tuple(_box(one["bbox"]) for one in entries),
            )
            for category, entries in found.items()
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise SamNerfError(
            f"label file {path} should hold info with width and height, and objects with category, bbox and "
            f"segmentation ({type(error).__name__}: {error})"
        ) from error


def polygon_mask(polygon: Any, size: tuple[int, int]) -> Bool[np.ndarray, "height width"]:
    """The pixels of a polygon, [[x, y], ...], its rim included; corners are cut to whole pixels, as LangSplat does it.

    Raises:
        ValueError: if it is no list of points.
    """
    corners = np.array(polygon, dtype=np.float64).astype(np.int32)
    if corners.ndim != 2 or corners.shape[1] != 2:
        raise ValueError(f"a polygon is {json.dumps(polygon)[:60]} but must be a list of points [x, y]")
    filled = np.zeros(size, np.uint8)
    cv2.fillPoly(filled, [corners], 1)
    return filled.astype(bool)


def relevancy(
    positive: Float[np.ndarray, "height width"], negatives: Float[np.ndarray, "phrases height width"]
) -> Float[np.ndarray, "height width"]:
    """LERF's relevancy: the least, over negative phrases, of softmax(10 * [positive, negative]) at the first place.

    Args:
        positive: how well the query fits each pixel.
        negatives: how well each of `NEGATIVES` does, in the same unit.
    """
    apart = TEMPERATURE * (positive.astype(np.float64) - negatives.max(axis=0))
    return 1 / (1 + np.exp(-apart))


def box_filtered(fit: Float[np.ndarray, "height width"]) -> Float[np.ndarray, "height width"]:
    """Means over 30 x 30 pixels, from 15 before to 14 after each; mirrored at the border, which is not repeated."""
    return np.asarray(ndimage.uniform_filter(fit.astype(np.float64), BOX_FILTER, mode="mirror"))


def relevancy_mask(fit: Float[np.ndarray, "height width"]) -> Bool[np.ndarray, "height width"]:
    """The mask that a relevancy map stands for.

    The map and its box-filtered self are averaged (LangSplat), stretched to -1 to 1 and clipped at 0; what is above 0.4
    is in, and each pixel is then what most of the 7 x 7 around it are, as far as they lie in the picture.
    """
    smooth = (box_filtered(fit) + fit) / 2
    spread = smooth - smooth.min()
    stretched = np.clip(spread / (spread.max() + 1e-9) * 2 - 1, 0, 1)
    above = (stretched > MASK_THRESHOLD).astype(np.float64)
    count = ndimage.uniform_filter(above, MAJORITY, mode="constant")
    of = ndimage.uniform_filter(np.ones_like(above), MAJORITY, mode="constant")
    return np.asarray(count / of > 0.5 + 1e-9)


def localized(fit: Float[np.ndarray, "height width"], boxes: Sequence[Corners]) -> bool:
    """Whether a maximum of the box-filtered map lies in any of the boxes, their rims included."""
    smooth = box_filtered(fit)
    rows, columns = np.nonzero(smooth == smooth.max())
    return any(
        bool(((columns >= x1) & (columns <= x2) & (rows >= y1) & (rows <= y2)).any()) for x1, y1, x2, y2 in boxes
    )


def score_map(fit: Float[np.ndarray, "_ _"] | None, query: Query) -> QueryScore:
    """The 2D protocol; the map has the size of the label. None counts 0 and as not localized."""
    if fit is None:
        return QueryScore(0.0, False)
    return QueryScore(iou(relevancy_mask(fit), query.mask), localized(fit, query.boxes))


def score_mask(found: Bool[np.ndarray, "_ _"] | None, query: Query) -> QueryScore:
    """The 3D protocol; a missing prediction counts 0."""
    return QueryScore(0.0 if found is None else iou(at_size(found, query.mask.shape), query.mask))


def mean_scores(scores: Mapping[str, Sequence[QueryScore]]) -> dict[str, float]:
    """Means over the queries of each scene, then over scenes; "pooled" ones over all queries alike.

    Args:
        scores: by scene.
    """
    every = [one for of_scene in scores.values() for one in of_scene]
    means = {
        "miou": mean(mean(one.iou for one in of_scene) for of_scene in scores.values()),
        "miou_pooled": mean(one.iou for one in every),
        "found": mean(mean(float(one.iou > FOUND) for one in of_scene) for of_scene in scores.values()),
    }
    if all(one.localized is not None for one in every):
        means["localization"] = mean(mean(float(bool(o.localized)) for o in of_scene) for of_scene in scores.values())
        means["localization_pooled"] = mean(float(bool(one.localized)) for one in every)
    return means


def _box(values: Any) -> Corners:
    x1, y1, x2, y2 = (float(value) for value in np.ravel(values))
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)
