"""Which weights there are, as `configs/checkpoints.toml` lists them: where each file belongs, whether it is whole.

Weights that do not ship belong below `checkpoint_folder()`, those of the tiny pair lie in the package. A file is
whole if it has the size and SHA-256 of the list. Where the list has no SHA-256, that of the first download stands
beside the file (`model.safetensors.sha256`, as `sha256sum -c` reads it) and takes its place.
"""

import functools
import hashlib
import importlib.resources
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from samnerf.atomic_files import write_bytes
from samnerf.errors import SamNerfError

LIST = "configs/checkpoints.toml"
State = Literal["present", "incomplete", "missing"]

_SET_KEYS = {"description": str, "licence": str, "bundled": bool, "files": list}
_FILE_KEYS = {"path": str, "address": str, "size": int, "sha256": str}
_HEX_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class WeightsFile:
    """One file of a set of weights.

    Attributes:
        relative_path: below the folder for weights, with slashes.
        address: where it is fetched; None if it ships with the package.
        size: bytes; None where unknown.
        sha256: in hex; None where unknown.
        bundled: whether it ships with the package.
    """

    relative_path: str
    address: str | None
    size: int | None
    sha256: str | None
    bundled: bool = False

    @property
    def path(self) -> Path:
        """Where it belongs on this machine."""
        return (bundled_folder() if self.bundled else checkpoint_folder()) / self.relative_path

    @property
    def record(self) -> Path:
        """Where its SHA-256 is recorded if the list has none."""
        return self.path.with_name(f"{self.path.name}.sha256")

    @property
    def part(self) -> Path:
        """Where it grows while it is fetched."""
        return self.path.with_name(f"{self.path.name}.part")

    def expected_sha256(self) -> str | None:
        """The SHA-256 it must have: that of the list, else the recorded one; None where neither exists.

        Raises:
            SamNerfError: if the record is damaged.
        """
        return self.sha256 or self._recorded_sha256()

    def write_record(self, sha256: str, size: int) -> None:
        """Record what a first download brought: its SHA-256 and its bytes.

        Raises:
            SamNerfError: if the record cannot be written.
        """
        note = f"# {size} bytes from {self.address}\n"
        write_bytes(self.record, f"{note}{sha256}  {self.path.name}\n".encode())

    def flaw(self, path: Path | None = None) -> str | None:
        """What the file has instead of its size or SHA-256; None if it is whole, or if neither is known.

        Args:
            path: of the file, where it does not lie at its own place yet.

        Raises:
            SamNerfError: if the file or its record cannot be read.
        """
        path = path or self.path
        expected = self.expected_sha256()
        try:
            size = path.stat().st_size
            if self.size is not None and size != self.size:
                return f"it has {size} bytes instead of {self.size}"
            if expected is not None and (sha256 := sha256_of(path)) != expected:
                source = "" if self.sha256 else f", which {self.record} remembers of an earlier download"
                return f"its SHA-256 is {sha256} instead of {expected}{source}"
        except OSError as error:
            raise SamNerfError(f"weights {path} cannot be read: {error.strerror}") from error
        return None

    def _recorded_sha256(self) -> str | None:
        try:
            lines = self.record.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise SamNerfError(f"the record {self.record} cannot be read: {error}") from error
        words = [line.split() for line in lines if line.strip() and not line.startswith("#")]
        if len(words) != 1 or len(words[0]) != 2 or not _HEX_SHA256.fullmatch(words[0][0]):
            raise SamNerfError(
                f"the record {self.record} is damaged: expected one line '<SHA-256>  {self.path.name}'; "
                f"delete it, and the file beside it if you doubt that one"
            )
        return words[0][0]


@dataclass(frozen=True)
class Weights:
    """The weights of one teacher.

    Attributes:
        teacher: its name.
        description: one line.
        licence: of the weights, in words.
        files: at least one.
        bundled: whether they ship with the package.
    """

    teacher: str
    description: str
    licence: str
    files: tuple[WeightsFile, ...]
    bundled: bool = False

    @property
    def place(self) -> Path:
        """What a loader opens: the one file, or the folder in transformers' form."""
        folder = bundled_folder() if self.bundled else checkpoint_folder()
        return folder / PurePosixPath(self.files[0].relative_path).parts[0]

    @property
    def size(self) -> int:
        """Bytes of all files of known size."""
        return sum(file.size or 0 for file in self.files)

    def state(self) -> State:
        """Whether its files are where they belong; their content is not looked at."""
        there = [file.path.is_file() for file in self.files]
        if all(there):
            return "present"
        return "incomplete" if any(there) or any(file.part.exists() for file in self.files) else "missing"


def checkpoint_folder() -> Path:
    """Where the weights that do not ship are looked for: `$SAMNERF_CHECKPOINTS`, or `~/.cache/samnerf`."""
    return Path(os.environ.get("SAMNERF_CHECKPOINTS", Path.home() / ".cache" / "samnerf"))


def bundled_folder() -> Path:
    """Where the weights lie that ship with the package."""
    return Path(__file__).parent / "weights"


@functools.cache
def all_weights() -> Mapping[str, Weights]:
    """Every set of weights, by its teacher's name.

    Raises:
        SamNerfError: if the list is missing or malformed.
    """
    # Through the package's own folder: to import samnerf.configs from here would be upwards.
    try:
        return parsed(importlib.resources.files("samnerf").joinpath(*LIST.split("/")).read_text(encoding="utf-8"))
    except OSError as error:
        raise SamNerfError(f"the list of weights {LIST} is not in the package; install samnerf again") from error


def weights_of(teacher: str) -> Weights:
    """The weights of one teacher.

    Raises:
        SamNerfError: if the list has none of that name.
    """
    weights = all_weights()
    if teacher not in weights:
        raise SamNerfError(f"there are no weights called {teacher!r}; choose from {', '.join(weights)}")
    return weights[teacher]


def parsed(text: str) -> Mapping[str, Weights]:
    """The sets that a list in TOML describes.

    Raises:
        SamNerfError: naming the entry that is malformed, and what would be right.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SamNerfError(f"{LIST} is not TOML: {error}") from error
    return {teacher: _weights(teacher, entry) for teacher, entry in document.items()}


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _weights(teacher: str, entry: Any) -> Weights:
    _check_keys(teacher, entry, _SET_KEYS, required=("description", "licence", "files"))
    bundled = entry.get("bundled", False)
    if not entry["files"]:
        raise SamNerfError(f"{LIST}: {teacher}.files is empty; name at least one file")
    files = tuple(_file(f"{teacher}.files[{i}]", file, bundled) for i, file in enumerate(entry["files"]))
    beginnings = {PurePosixPath(file.relative_path).parts[0] for file in files}
    if len(beginnings) > 1 or len({file.relative_path for file in files}) < len(files):
        raise SamNerfError(f"{LIST}: the paths of {teacher} must differ and lie in one folder")
    return Weights(teacher, entry["description"], entry["licence"], files, bundled)


def _file(where: str, entry: Any, bundled: bool) -> WeightsFile:
    _check_keys(where, entry, _FILE_KEYS, required=("path",) if bundled else ("path", "address"))
    path = PurePosixPath(entry["path"])
    if path.is_absolute() or ".." in path.parts or not path.parts or str(path) != entry["path"]:
        raise SamNerfError(f"{LIST}: {where}.path is {entry['path']!r} but must lie below the folder for weights")
    address, size, sha256 = (entry.get(key) for key in ("address", "size", "sha256"))
    if bundled and address is not None:
        raise SamNerfError(f"{LIST}: {where}.address is {address!r}, but what ships is not fetched")
    if address is not None and not address.startswith("https://"):
        raise SamNerfError(f"{LIST}: {where}.address is {address!r} but must begin with https://")
    if size is not None and size < 1:
        raise SamNerfError(f"{LIST}: {where}.size is {size} but must be positive, in bytes")
    if sha256 is not None and not _HEX_SHA256.fullmatch(sha256):
        raise SamNerfError(f"{LIST}: {where}.sha256 is {sha256!r} but must be 64 digits, 0 to 9 and a to f")
    return WeightsFile(entry["path"], address, size, sha256, bundled)


def _check_keys(where: str, entry: Any, kinds: Mapping[str, type], required: tuple[str, ...]) -> None:
    if not isinstance(entry, dict):
        raise SamNerfError(f"{LIST}: {where} is {entry!r} but must be a table")
    for key, value in entry.items():
        if key not in kinds:
            raise SamNerfError(f"{LIST}: {where} has an unknown key {key!r}; known are {', '.join(kinds)}")
        if type(value) is not kinds[key]:
            raise SamNerfError(f"{LIST}: {where}.{key} is {value!r} but must be of type {kinds[key].__name__}")
    for key in required:
        if key not in entry:
            raise SamNerfError(f"{LIST}: {where} lacks {key!r}")
