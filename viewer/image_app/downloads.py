"""The masks of a desk as files to take home, at the size of the picture: one mask, an ID map, and COCO's JSON."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from samnerf.atomic_files import write_json
from samnerf.export import coco
from samnerf.export.mask_files import write_png
from samnerf.masks import paint_ids
from samnerf.viewer.image_app.desk import Desk

LONGEST_NAME = 80


@dataclass(frozen=True)
class MaskFiles:
    """Paths of the files.

    Attributes:
        mask: PNG, 255 where any object is, 0 elsewhere.
        ids: PNG of 16 bits, the ID of each object; where they overlap, the highest score wins.
        coco: all masks with scores, boxes and areas.
    """

    mask: Path
    ids: Path
    coco: Path


def write_masks(desk: Desk, folder: Path) -> MaskFiles | None:
    """Write the chosen masks into the folder; None if there are none.

    Raises:
        SamNerfError: if the disk is full or the folder cannot be written.
    """
    chosen = desk.chosen
    if not chosen:
        return None
    stem = file_stem(desk.name)
    files = MaskFiles(folder / f"{stem}_mask.png", folder / f"{stem}_ids.png", folder / f"{stem}_coco.json")
    height, width = desk.view.image_size
    ids = [one.object_id for one in chosen]
    union = np.any([one.mask for one in chosen], axis=0)
    write_png(files.mask, union.astype(np.uint8) * 255)
    write_png(files.ids, paint_ids([one.mask for one in chosen], ids, [one.score for one in chosen], (height, width)))
    image = {"id": 1, "file_name": desk.name, "width": width, "height": height, "ids": files.ids.name}
    annotations = [coco.annotation(i, 1, one, files.mask.name) for i, one in enumerate(chosen, start=1)]
    phrase = desk.said.phrase
    write_json(files.coco, coco.document([image], annotations, phrase.text if phrase else "object"))
    return files


def file_stem(name: str) -> str:
    """A name for files that every system takes: that of the picture without suffix, odd characters replaced."""
    return re.sub(r"[^\w.-]+", "_", Path(name).stem).strip("._")[:LONGEST_NAME] or "picture"
