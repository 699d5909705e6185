"""A folder of exported frames: what is in it, and what is still missing.

    <anything>               files of frames, and of the sequence as a whole (videos, cameras)
    records/<frame>.json     the files of one frame: path, kind, bytes, sha256; and the key under which they were made
    records.json             the same of the files that belong to no single frame
    manifest.json            all of it in one file, with the objects and where it came from

A frame is done when its record is written, which is last, so an export that was killed goes on where it was. Processes
may write different frames of one folder at the same time; the manifest is written once, when they are through.

Where some files of a frame shall be done without others, each part of it has a record of its own, in
`records/<part>/<frame>.json` and `records.<part>.json`.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from samnerf import __version__
from samnerf.atomic_files import read_json, write_json
from samnerf.errors import SamNerfError
from samnerf.objects.palette import object_colour
from samnerf.objects.scene_object import Colour

FORMAT = "samnerf-export"
VERSION = 1


@dataclass(frozen=True)
class ExportedFile:
    """A file as the manifest has it.

    Attributes:
        path: relative to the folder, with forward slashes.
        kind: what it is, in a word: "mattes", "cryptomatte", "depth", "video".
        bytes: its size.
        sha256: of its content.
    """

    path: str
    kind: str
    bytes: int
    sha256: str


class Made(NamedTuple):
    """What has a record of its own.

    Attributes:
        frame: its name; None stands for what belongs to no single frame.
        part: of the frame, a word such as a file format; None for a frame as a whole.
    """

    frame: str | None
    part: str | None = None


@dataclass(frozen=True)
class _Record:
    key: str
    files: tuple[ExportedFile, ...]


class FrameFiles:
    """Files of one frame while they are made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kinds: dict[str, str] = {}

    def path(self, kind: str, relative: str) -> Path:
        """Where to write a file that the manifest shall have.

        Args:
            kind: what it is, in a word.
            relative: its path within the folder.

        Raises:
            SamNerfError: if the path leads out of the folder.
        """
        self._kinds[_inside(relative)] = kind
        return self._folder / relative

    def written(self) -> list[ExportedFile]:
        """Size and hash of each.

        Raises:
            SamNerfError: if one of them cannot be read.
        """
        return [_measure(self._folder, path, kind) for path, kind in self._kinds.items()]


class ExportFolder:
    """The files of one export.

    Args:
        folder: where everything goes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def is_done(self, frame: str | None, key: str, part: str | None = None) -> bool:
        """Whether the frame was made with the same key, and its files are there with the sizes that they had.

        Args:
            frame: its name; None stands for what belongs to no single frame.
            key: all that its files depend on, in whatever words; see `frame`.
            part: of the frame; by default the whole of it.

        Raises:
            SamNerfError: if its record is no JSON.
        """
        record = self._load(Made(frame, part))
        if record is None or record.key != _digest(key):
            return False
        return all(_size(self.folder / one.path) == one.bytes for one in record.files)

    @contextmanager
    def frame(self, frame: str | None, key: str, part: str | None = None) -> Iterator[FrameFiles]:
        """Make the files of a frame. They are on record once the block is through, and not at all if it fails.

            with export.frame("frame_0001", key) as files:
                write_depth(files.path("depth", "depth/frame_0001.exr"), depth)

        Files of an earlier export of the frame are removed first.

        Args:
            frame: its name; None stands for what belongs to no single frame.
            key: all that the files depend on: camera, prompts, checkpoint, formats.
            part: of the frame; by default the whole of it.

        Raises:
            SamNerfError: if a file that was announced is not there at the end, or the record cannot be written.
        """
        made = Made(frame, part)
        self._remove(made)
        files = FrameFiles(self.folder)
        yield files
        record = {"format": FORMAT, "version": VERSION, "frame": frame, "key": _digest(key)}
        write_json(self._record(made), {**record, "files": [asdict(one) for one in files.written()]})

    def write_manifest(
        self,
        frames: Sequence[str | Made],
        objects: Mapping[int, str],
        about: Mapping[str, Any] | None = None,
        colours: Mapping[int, Colour] | None = None,
    ) -> Path:
        """`manifest.json` over what is done, in the order given, and last the files of the sequence as a whole.

        Args:
            frames: names of frames, or parts of them.
            objects: name of each object by its ID.
            about: where it came from, in words for JSON.
            colours: of the objects, sRGB, 0 to 255, by ID; by default those of the palette.

        Raises:
            SamNerfError: if a record is no JSON, or the manifest cannot be written.
        """
        parts = [Made(one) if isinstance(one, str) else one for one in (*frames, Made(None))]
        records = [(one.frame, self._load(one)) for one in parts]
        shown = {i: object_colour(i) for i in objects} if colours is None else colours
        document = {
            "format": FORMAT,
            "version": VERSION,
            "program": f"samnerf {__version__}",
            "about": dict(about or {}),
            "objects": [{"id": i, "name": name, "colour": list(shown[i])} for i, name in objects.items()],
            "files": [{"frame": frame, **asdict(one)} for frame, record in records if record for one in record.files],
        }
        path = self.folder / "manifest.json"
        write_json(path, document)
        return path

    def _record(self, made: Made) -> Path:
        if made.frame is None:
            return self.folder / ("records.json" if made.part is None else f"records.{_inside(made.part)}.json")
        within = "" if made.part is None else f"{_inside(made.part)}/"
        return self.folder / f"records/{within}{_inside(made.frame)}.json"

    def _load(self, made: Made) -> _Record | None:
        """The record, if there is one and this version wrote it."""
        path = self._record(made)
        if not path.exists():
            return None
        record = read_json(path, "record")
        if not isinstance(record, dict) or (record.get("format"), record.get("version")) != (FORMAT, VERSION):
            return None
        try:
            return _Record(record["key"], tuple(ExportedFile(**entry) for entry in record["files"]))
        except (KeyError, TypeError) as error:
            raise SamNerfError(
                f"record {path} lacks a key or files with path, kind, bytes and sha256; delete it"
            ) from error

    def _remove(self, made: Made) -> None:
        record = self._load(made)
        if record is not None:
            self._record(made).unlink()
            for one in record.files:
                (self.folder / _inside(one.path)).unlink(missing_ok=True)


def _measure(folder: Path, path: str, kind: str) -> ExportedFile:
    try:
        with (folder / path).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return ExportedFile(path, kind, (folder / path).stat().st_size, digest)
    except OSError as error:
        raise SamNerfError(f"exported file {folder / path} cannot be read: {error.strerror}") from error


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _digest(key: str) -> str:
    return hashlib.sha256(f"{VERSION} {key}".encode()).hexdigest()


def _inside(relative: str) -> str:
    """The path, if it stays in the folder that it is relative to.

    Raises:
        SamNerfError: if it does not.
    """
    path = PurePosixPath(relative)
    if not path.parts or path.is_absolute() or ".." in path.parts:
        raise SamNerfError(f"{relative!r} is no name for a file or frame of an export; it must stay inside its folder")
    return relative
