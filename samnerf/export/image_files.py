"""Masks of many pictures, as files.

    <picture>/masks/0001.png      0 or 255, one for each object; with candidates 0001_1.png is the best of three
    <picture>/ids.png             uint16; 0 is background; where objects overlap, the highest score wins
    <picture>/overlay.png         the picture under translucent masks, with the prompts that were decoded
    <picture>/relevancy.png       where the phrase fits, if there was one
    <picture>/coco.json           all masks with scores, boxes and areas (see `samnerf.export.coco`)
    coco.json                     the same of all pictures

A picture is done when its own coco.json is written, which is last; it keeps the key under which it was made, and a
picture with the same key is not made again.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from samnerf.atomic_files import read_json, write_json
from samnerf.errors import SamNerfError
from samnerf.export import coco
from samnerf.export.mask_files import write_png
from samnerf.export.pictures import draw_prompts, heat_map, overlay, with_bar
from samnerf.images.prompts import ImagePrompts
from samnerf.images.result import ImageMask, ImageSegmentation
from samnerf.images.settings import ImageSettings
from samnerf.objects.palette import object_colour

VERSION = 1


@dataclass(frozen=True)
class ImageFolder:
    """The files of one run of `samnerf image`.

    Attributes:
        folder: where everything goes.
        key: what the masks depend on besides the picture (see `settings_key`).
        category: what COCO calls the things that are found.
    """

    folder: Path
    key: str
    category: str = "object"

    def is_done(self, name: str, source: Path) -> bool:
        """Whether the picture was segmented in the same way, and all its files are there.

        Raises:
            SamNerfError: if the picture cannot be read.
        """
        key = self._picture_key(source)
        if not self._record(name).exists():
            return False
        record = read_json(self._record(name), "record")
        return _key(record) == key and all((self.folder / file).exists() for file in _files(record))

    def write(
        self, name: str, source: Path, rgb: UInt8[np.ndarray, "height width 3"], result: ImageSegmentation
    ) -> None:
        """All files of one picture; its coco.json last.

        Args:
            name: its folder.
            source: its file.
            rgb: the picture, upright.
            result: its masks.
        """
        self._remove(name)
        annotations = []
        for number, (one, file) in enumerate(zip(result.found, self._mask_files(name, result.found), strict=True), 1):
            write_png(self.folder / file, one.mask.astype(np.uint8) * 255)
            annotations.append(coco.annotation(number, 1, one, file))
        height, width = result.image_size
        image: dict[str, Any] = {"id": 1, "file_name": source.as_posix(), "width": width, "height": height}
        image |= {"mode": result.mode, "reason": result.reason}
        image |= {"ids": f"{name}/ids.png", "overlay": f"{name}/overlay.png"}
        write_png(self.folder / image["ids"], result.id_map)
        visible = [(one.mask, object_colour(one.object_id)) for one in result.best]
        said = [(prompts, object_colour(object_id)) for object_id, prompts in result.decoded]
        write_png(self.folder / image["overlay"], draw_prompts(overlay(rgb, visible), said))
        if result.relevancy is not None:
            image["relevancy"] = f"{name}/relevancy.png"
            write_png(self.folder / image["relevancy"], with_bar(heat_map(rgb, result.relevancy)))
        key = self._picture_key(source)
        write_json(self._record(name), coco.document([image], annotations, self.category, key=key))

    def write_index(self, names: Sequence[str]) -> Path:
        """`coco.json` over the pictures that are done, in the order given."""
        records = [read_json(self._record(name), "record") for name in names if self._record(name).exists()]
        path = self.folder / "coco.json"
        write_json(path, coco.merged(records, self.category))
        return path

    def _record(self, name: str) -> Path:
        return self.folder / name / "coco.json"

    def _picture_key(self, source: Path) -> str:
        try:
            pixels = hashlib.sha256(source.read_bytes()).hexdigest()
        except FileNotFoundError as error:
            raise SamNerfError(f"image {source} does not exist") from error
        except OSError as error:
            raise SamNerfError(f"image {source} cannot be read: {error.strerror}") from error
        return hashlib.sha256(f"{VERSION} {self.key} {pixels}".encode()).hexdigest()

    def _remove(self, name: str) -> None:
        """What an earlier run left under this name, which may have had more masks."""
        record = self._record(name)
        if record.exists():
            earlier = read_json(record, "record")
            record.unlink()
            for file in _files(earlier) if _key(earlier) else ():
                if Path(file).parts[0] == name and ".." not in Path(file).parts:
                    (self.folder / file).unlink(missing_ok=True)

    def _mask_files(self, name: str, found: Sequence[ImageMask]) -> list[str]:
        candidates = len({one.object_id for one in found}) < len(found)
        files: list[str] = []
        ranks: dict[int, int] = {}
        for one in found:
            ranks[one.object_id] = ranks.get(one.object_id, 0) + 1
            rank = f"_{ranks[one.object_id]}" if candidates else ""
            files.append(f"{name}/masks/{one.object_id:04d}{rank}.png")
        return files


def settings_key(prompts: ImagePrompts, settings: ImageSettings, teachers: Sequence[str]) -> str:
    """SHA-256 of what was said, how it is answered, and by whom (names or hashes of the teachers' weights)."""
    said = [asdict(one) for one in prompts.objects]
    text = json.dumps([said, asdict(settings), list(teachers)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def result_names(sources: Sequence[Path]) -> list[str]:
    """A folder name for each picture: that of its file without suffix; with it, or numbered, where two are alike."""
    names: list[str] = []
    stems = [source.stem.casefold() for source in sources]
    taken: set[str] = set()
    for source, stem in zip(sources, stems, strict=True):
        plain = source.stem if stems.count(stem) == 1 else source.name.replace(".", "_")
        name, number = plain, 1
        while name.casefold() in taken:
            number += 1
            name = f"{plain}_{number}"
        taken.add(name.casefold())
        names.append(name)
    return names


def _key(record: Any) -> str | None:
    info = record.get("info") if isinstance(record, dict) else None
    return info.get("key") if isinstance(info, dict) else None


def _files(record: dict[str, Any]) -> list[str]:
    """Every file that a picture's coco.json names, relative to the folder of results."""
    pictures = [image[kind] for image in record["images"] for kind in ("ids", "overlay", "relevancy") if kind in image]
    return pictures + [entry["file"] for entry in record["annotations"]]
