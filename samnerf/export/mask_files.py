"""Masks of many objects in many views, as files.

    masks/<object>/<view>.png     0 or 255
    alphas/<object>/<view>.png    grey of 16 bits, 0 to 65535, where alpha was asked for
    ids/<view>.png                uint8 up to 255 objects, uint16 beyond; 0 is background; where masks overlap, the
                                  one with the highest score wins
    overlays/<view>.png           the view under translucent masks, with the prompts that were decoded there
    relevancy/<object>/<view>.png where a phrase fits (npy beside it: float16, 0 to 1)
    masks.json                    what is where, of whom, and how good (see `write_index`)

A view is done when its record in `records/` is written, which is last; the record keeps the key under which it was
made, and a view with the same key is not made again.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, UInt8, UInt16
from PIL import Image

from samnerf import __version__
from samnerf.atomic_files import atomic_path, read_json, write_json
from samnerf.export.pictures import Colour, draw_prompts, heat_map, overlay, with_bar
from samnerf.masks import paint_ids
from samnerf.objects.palette import object_colour
from samnerf.prompts import PromptSet
from samnerf.session import Answer
from samnerf.view import View

FORMAT = "samnerf-masks"
VERSION = 1


@runtime_checkable
class ViewMask(Protocol):
    """The mask of one object in one view, however it came about.

    Attributes:
        object_id, name: of the object.
        score: predicted IoU, 0 to 1; 0 if there is nothing.
        mask: made when it is asked for.
        decoded: the prompt sets that went to the mask decoder, in pixels of the view.
        reason: why there is nothing, in words; None if there is something.
        relevancy: where its phrase fits the view, if it has one that was asked here.
    """

    @property
    def object_id(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def score(self) -> float: ...
    @property
    def mask(self) -> Bool[np.ndarray, "height width"]: ...
    @property
    def decoded(self) -> tuple[PromptSet, ...]: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def relevancy(self) -> Float[np.ndarray, "height width"] | None: ...


@dataclass(frozen=True)
class ObjectMask:
    """What a session answered for one object in one view.

    Attributes:
        object_id, name: of the object.
        answer: the mask and how it came about.
        relevancy: where its phrase fits the view, if it has one that was asked here.
        alpha: 0 to 1, if it was asked for.
    """

    object_id: int
    name: str
    answer: Answer
    relevancy: Float[np.ndarray, "height width"] | None = None
    alpha: Float[np.ndarray, "height width"] | None = None

    @property
    def score(self) -> float:
        """Predicted IoU; 0 if there is nothing."""
        return float(self.answer.prediction.best.scores[0])

    @property
    def mask(self) -> Bool[np.ndarray, "height width"]:
        """The binary mask."""
        return self.answer.prediction.mask().cpu().numpy()

    @property
    def decoded(self) -> tuple[PromptSet, ...]:
        """The prompt sets that went to the mask decoder."""
        return self.answer.decoded

    @property
    def reason(self) -> str | None:
        """Why there is nothing; None if there is something."""
        return self.answer.reason


class MaskFolder:
    """The files of one run of `samnerf segment`.

    Args:
        folder: where everything goes.
        names: name of each object by its ID.
        key: what the masks depend on besides the view: prompts, checkpoint.
        colours: of the objects, sRGB, 0 to 255, by ID; by default those of the palette.
    """

    def __init__(
        self, folder: Path, names: dict[int, str], key: str, colours: Mapping[int, Colour] | None = None
    ) -> None:
        self.folder = Path(folder)
        self.names = names
        self.key = key
        self.colours = dict(colours) if colours is not None else {i: object_colour(i) for i in names}
        self._folders = folder_names(names)

    def is_done(self, view: str, camera_key: str) -> bool:
        """Whether the view was made with the same prompts, checkpoint and camera, and its masks are all there."""
        record = self._record(view)
        if not record.exists():
            return False
        kept = read_json(record, "record")
        if not isinstance(kept, dict) or kept.get("key") != self._view_key(camera_key):
            return False
        return all((self.folder / entry["file"]).exists() for entry in kept["masks"])

    def write_view(
        self,
        view: View,
        camera_key: str,
        masks: Sequence[ViewMask],
        ids: UInt16[np.ndarray, "height width"] | None = None,
    ) -> None:
        """All files of one view; its record last.

        Args:
            view: its picture is drawn under the overlay.
            camera_key: what the masks depend on besides the folder's key.
            masks: of all objects.
            ids: ID of the object at each pixel, where that is known; by default see `id_map`.
        """
        entries = []
        for one in masks:
            where = self._folders[one.object_id]
            file = Path("masks") / where / f"{view.name}.png"
            write_png(self.folder / file, one.mask.astype(np.uint8) * 255)
            entry = _entry(view, one, file)
            if isinstance(one, ObjectMask) and one.alpha is not None:
                soft = Path("alphas") / where / f"{view.name}.png"
                write_soft_matte(self.folder / soft, one.alpha)
                entry["alpha"] = soft.as_posix()
            if one.relevancy is not None:
                entry["relevancy"] = self._write_relevancy(view, where, one.relevancy)
            entries.append(entry)
        painted = id_map(masks, view.image_size) if ids is None else _narrow(ids)
        write_png(self.folder / "ids" / f"{view.name}.png", painted)
        visible = ((one.mask, self.colours[one.object_id]) for one in masks)
        drawn = [(prompts, self.colours[one.object_id]) for one in masks for prompts in one.decoded]
        write_png(self.folder / "overlays" / f"{view.name}.png", draw_prompts(overlay(view.rgb, visible), drawn))
        height, width = view.image_size
        record = {"key": self._view_key(camera_key), "view": view.name, "height": height, "width": width}
        write_json(self._record(view.name), {**record, "masks": entries})

    def write_index(self, views: Sequence[str], about: dict[str, Any]) -> Path:
        """`masks.json` over the views that are done, in the order given; `about` says where they came from."""
        records = [read_json(self._record(view), "record") for view in views if self._record(view).exists()]
        objects = [
            {"id": i, "name": name, "colour": list(self.colours[i]), "folder": f"masks/{self._folders[i]}"}
            for i, name in self.names.items()
        ]
        shown = [{key: record[key] for key in ("view", "height", "width")} for record in records]
        document = {
            "format": FORMAT,
            "version": VERSION,
            "program": f"samnerf {__version__}",
            **about,
            "objects": objects,
            "views": [{**view, "ids": f"ids/{view['view']}.png"} for view in shown],
            "masks": [entry for record in records for entry in record["masks"]],
        }
        path = self.folder / "masks.json"
        write_json(path, document)
        return path

    def _record(self, view: str) -> Path:
        return self.folder / "records" / f"{view}.json"

    def _view_key(self, camera_key: str) -> str:
        return hashlib.sha256(f"{VERSION} {self.key} {camera_key}".encode()).hexdigest()

    def _write_relevancy(self, view: View, where: str, relevancy: Float[np.ndarray, "height width"]) -> str:
        file = Path("relevancy") / where / f"{view.name}.png"
        write_png(self.folder / file, with_bar(heat_map(view.rgb, relevancy)))
        with atomic_path((self.folder / file).with_suffix(".npy")) as temporary:
            np.save(temporary, relevancy.astype(np.float16))
        return file.as_posix()


def id_map(
    masks: Sequence[ViewMask], image_size: tuple[int, int]
) -> UInt8[np.ndarray, "height width"] | UInt16[np.ndarray, "height width"]:
    """ID of the object at each pixel, 0 for none; where masks overlap the highest score wins, then the lowest ID."""
    ids = [one.object_id for one in masks]
    painted = paint_ids([one.mask for one in masks], ids, [one.score for one in masks], image_size)
    return painted.astype(np.uint8) if max(ids, default=0) <= 255 else painted


def _narrow(
    ids: UInt16[np.ndarray, "height width"],
) -> UInt8[np.ndarray, "height width"] | UInt16[np.ndarray, "height width"]:
    return ids.astype(np.uint8) if ids.max(initial=0) <= 255 else ids


def write_png(path: Path, pixels: UInt8[np.ndarray, "..."] | UInt16[np.ndarray, "..."]) -> None:
    """The whole picture or none of it."""
    with atomic_path(path) as temporary:
        Image.fromarray(pixels).save(temporary, format="PNG", compress_level=3)


def write_soft_matte(path: Path, alpha: Float[np.ndarray, "height width"]) -> None:
    """An alpha from 0 to 1 as a grey PNG of 16 bits, 0 to 65535, rounded to the nearest.

    Raises:
        ValueError: if it has values that are not from 0 to 1.
        SamNerfError: if the file cannot be written.
    """
    if not (alpha.min(initial=0) >= 0 and alpha.max(initial=0) <= 1):
        raise ValueError(f"the alpha for {path} has values that are not from 0 to 1")
    write_png(path, np.rint(alpha.astype(np.float32) * 65535).astype(np.uint16))


def prompts_key(prompt_sets: Sequence[PromptSet], *others: str) -> str:
    """SHA-256 of what was said and of anything else that the masks depend on."""
    said = json.dumps([asdict(prompts) for prompts in prompt_sets], sort_keys=True)
    return hashlib.sha256("\n".join([said, *others]).encode()).hexdigest()


def _entry(view: View, one: ViewMask, file: Path) -> dict[str, Any]:
    rows, columns = np.nonzero(one.mask)
    bbox = [int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1] if len(rows) else None
    return {
        "view": view.name,
        "object": one.name,
        "id": one.object_id,
        "score": round(one.score, 6),
        "area": len(rows),
        "bbox": bbox,
        "file": file.as_posix(),
        "prompts": [
            {
                "points": [[round(p.x, 3), round(p.y, 3), p.label] for p in prompts.points],
                "boxes": [[b.x1, b.y1, b.x2, b.y2] for b in prompts.boxes],
            }
            for prompts in one.decoded
        ],
        "reason": one.reason,
    }


def folder_names(names: dict[int, str]) -> dict[int, str]:
    """A name for each object that every file system takes; the ID is added where two would be the same."""
    plain = {i: _shortened(re.sub(r"[^\w.-]+", "_", name).strip("._")) or "object" for i, name in names.items()}
    counts = Counter(name.casefold() for name in plain.values())
    taken = {name.casefold() for name in plain.values() if counts[name.casefold()] == 1}
    folders: dict[int, str] = {}
    for i, name in plain.items():
        folder = name
        if counts[name.casefold()] > 1:
            folder = f"{name}_{i}"
            while folder.casefold() in taken:
                folder += "_"
            taken.add(folder.casefold())
        folders[i] = folder
    return folders


def _shortened(name: str) -> str:
    """At most 80 characters, and no more than a file system takes in UTF-8."""
    return name[:80].encode()[:200].decode(errors="ignore")
