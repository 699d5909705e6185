"""Masks in the form of COCO's annotation files (https://cocodataset.org/#format-data), run-length encoded.

`pycocotools.coco.COCO` opens what is written here. Beyond COCO's own fields an annotation has the `score` (predicted
IoU), the `object_id`, and the `file` of its mask if there is one; `stability_score` and `point` where it was found by a
grid of points. Automatic masks are of one category; named objects have one each, with the ID of the object.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool
from pycocotools import mask as coco_masks

from samnerf import __version__
from samnerf.images.result import ImageMask


def run_lengths(mask: Bool[np.ndarray, "height width"]) -> dict[str, Any]:
    """COCO's compressed run lengths, as JSON takes them."""
    encoded: Any = coco_masks.encode(np.asfortranarray(mask, np.uint8))
    return {"size": [int(side) for side in mask.shape], "counts": encoded["counts"].decode("ascii")}


def annotation(number: int, image: int, one: ImageMask, file: str | None = None, category: int = 1) -> dict[str, Any]:
    """One mask.

    Args:
        number: ID of the annotation.
        image: ID of its picture.
        one: the mask.
        file: where it lies as a PNG, if it does.
        category: ID of what it shows.
    """
    x1, y1, x2, y2 = one.box
    entry: dict[str, Any] = {
        "id": number,
        "image_id": image,
        "category_id": category,
        "segmentation": run_lengths(one.mask),
        "area": one.area,
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "iscrowd": 0,
        "score": round(one.score, 6),
        "object_id": one.object_id,
    }
    if file is not None:
        entry["file"] = file
    if one.stability is not None and one.point is not None:
        entry |= {"stability_score": round(one.stability, 6), "point": [round(value, 3) for value in one.point]}
    return entry


def document(
    images: Sequence[dict[str, Any]],
    annotations: Sequence[dict[str, Any]],
    category: str | Mapping[int, str],
    **about: Any,
) -> dict[str, Any]:
    """A whole annotation file.

    Args:
        images, annotations: as COCO has them.
        category: the name of all that was found, whose ID is 1; or a name for each ID.
        about: goes into its `info`.
    """
    categories = {1: category} if isinstance(category, str) else category
    return {
        "info": {"description": "masks with scores", "program": f"samnerf {__version__}", **about},
        "licenses": [],
        "images": list(images),
        "annotations": list(annotations),
        "categories": [{"id": i, "name": name, "supercategory": "object"} for i, name in categories.items()],
    }


def merged(documents: Sequence[dict[str, Any]], category: str | Mapping[int, str]) -> dict[str, Any]:
    """Several files of `document` with the same categories as one, with numbers of its own."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for one in documents:
        numbers = {image["id"]: len(images) + i for i, image in enumerate(one["images"], start=1)}
        images += [image | {"id": numbers[image["id"]]} for image in one["images"]]
        for entry in one["annotations"]:
            annotations.append(entry | {"id": len(annotations) + 1, "image_id": numbers[entry["image_id"]]})
    return document(images, annotations, category)
