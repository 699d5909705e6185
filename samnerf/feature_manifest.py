"""What a feature store was made of: whose features, of which images; written as `manifest.json` in its folder."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from samnerf.atomic_files import read_json, write_json
from samnerf.errors import SamNerfError
from samnerf.feature_map import LAYOUTS, Layout

FORMAT = "samnerf-features"
VERSION = 1
FILE = "manifest.json"


@dataclass(frozen=True)
class ImageRecord:
    """Which image: its name in the capture, (H, W) in pixels, and the SHA-256 of its file."""

    name: str
    size: tuple[int, int]
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a store holds. `summaries` says whether the encoder has a class token."""

    teacher: str
    weights_hash: str
    layout: Layout
    channels: int
    side: int
    images: tuple[ImageRecord, ...]
    summaries: bool = False

    def __post_init__(self) -> None:
        names = [image.name for image in self.images]
        if not names:
            raise SamNerfError("a feature store needs at least one image")
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise SamNerfError(f"a feature store cannot have two images called {twice!r}")

    def save(self, folder: Path) -> None:
        """Write the JSON form into the folder of a store."""
        write_json(folder / FILE, {"format": FORMAT, "version": VERSION, "dtype": "float16", **asdict(self)})

    @staticmethod
    def load(folder: Path) -> "Manifest":
        """Read and check the JSON form.

        Raises:
            SamNerfError: naming the file, the field that is wrong, and what to do.
        """
        path = folder / FILE
        document = read_json(path, "feature manifest")
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise SamNerfError(f'feature manifest {path} does not say "format": "{FORMAT}"; {cure(folder)}')
        if document.get("version") != VERSION:
            raise SamNerfError(
                f"feature manifest {path} is of version {document.get('version')!r}; this program reads version "
                f"{VERSION}; {cure(folder)}"
            )
        rules = {
            "teacher": _text,
            "weights_hash": _text,
            "layout": lambda value: value in LAYOUTS,
            "channels": _positive,
            "side": _positive,
            "dtype": lambda value: value == "float16",
            "summaries": lambda value: isinstance(value, bool),
            "images": lambda value: isinstance(value, list),
        }
        for key, rule in rules.items():
            if not rule(document.get(key)):
                raise SamNerfError(f"feature manifest {path}: {key!r} is {document.get(key)!r}; {cure(folder)}")
        images = tuple(_image_record(entry, path) for entry in document["images"])
        fields = {key: document[key] for key in rules if key not in ("dtype", "images")}
        try:
            return Manifest(images=images, **fields)
        except SamNerfError as error:
            raise SamNerfError(f"feature manifest {path}: {error}; {cure(folder)}") from error

    def check_images(self, images: Sequence[ImageRecord], folder: Path) -> None:
        """Hold the images against those at hand now.

        Raises:
            SamNerfError: naming the first image that was added, changed or removed.
        """
        where = f"the feature store {folder} was made of other images"
        known = {image.name: image for image in self.images}
        for image in images:
            then = known.pop(image.name, None)
            if then is None:
                raise SamNerfError(f"{where}: it has no {image.name!r}; {cure(folder)}")
            if image.size != then.size:
                raise SamNerfError(
                    f"{where}: {image.name!r} had {then.size[1]} x {then.size[0]} pixels and has "
                    f"{image.size[1]} x {image.size[0]} now; {cure(folder)}"
                )
            if image.sha256 != then.sha256:
                raise SamNerfError(f"{where}: the file of {image.name!r} has changed since; {cure(folder)}")
        if known:
            raise SamNerfError(f"{where}: {next(iter(known))!r} is no longer in the capture; {cure(folder)}")


def cure(folder: Path) -> str:
    """What helps against a store that cannot be used."""
    return f"delete {folder} and run `samnerf extract` again, or name another folder for the features"


def _image_record(entry: Any, path: Path) -> ImageRecord:
    fields = entry if isinstance(entry, dict) else {}
    name, size, sha256 = fields.get("name"), fields.get("size"), fields.get("sha256")
    if isinstance(size, list) and len(size) == 2 and all(map(_positive, size)) and _text(name) and _text(sha256):
        return ImageRecord(str(name), (size[0], size[1]), str(sha256))
    raise SamNerfError(
        f"feature manifest {path}: {entry!r} does not give name, size and sha256 of an image; {cure(path.parent)}"
    )


def _text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _positive(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
