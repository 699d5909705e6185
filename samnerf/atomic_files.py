"""Files that are either whole or not there: written beside their name, then renamed."""

import contextlib
import errno
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from samnerf.errors import SamNerfError


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, with its suffix; renamed to it when the block succeeds, removed when it fails.

    Raises:
        SamNerfError: if the disk is full or the folder cannot be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
        os.close(descriptor)
    except OSError as error:
        raise unwritable(path, error) from error
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write the whole file or none of it."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented UTF-8 JSON, the whole file or none of it."""
    write_bytes(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def read_json(path: Path, what: str) -> Any:
    """Read a JSON file that came from outside; `what` names it in messages ("prompt file").

    Raises:
        SamNerfError: if the file is missing, unreadable, empty or not JSON.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise SamNerfError(f"{what} {path} does not exist") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SamNerfError(f"{what} {path} cannot be read: {error}") from error
    if not text.strip():
        raise SamNerfError(f"{what} {path} is empty; it should hold a JSON object")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise SamNerfError(
            f"{what} {path} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from error


def unwritable(path: Path, error: OSError) -> SamNerfError:
    """The message for a write that failed."""
    if error.errno == errno.ENOSPC:
        return SamNerfError(
            f"no space left on the disk of {path.parent} while writing {path.name}; free some and run again"
        )
    return SamNerfError(f"cannot write {path}: {error.strerror or error}")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
