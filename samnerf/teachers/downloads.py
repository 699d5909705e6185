"""Fetches one file of weights over HTTP: it goes on where it stopped, and is checked before it gets its name.

The file grows as `<file>.part` beside its place, and stays there when the connection breaks, the disk fills up or
the person interrupts; the next call asks the server for the rest only (a range request, RFC 9110 section 14). What
then has another size or SHA-256 than expected is deleted. A part of an earlier call is continued only where a SHA-256
can tell whether the pieces fit. Nothing waits for the network longer than `TIMEOUT_S` at a time.
"""

import http.client
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.client import HTTPResponse
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from samnerf import __version__
from samnerf.errors import SamNerfError
from samnerf.teachers.checkpoints import WeightsFile, sha256_of

TIMEOUT_S = 30.0
"""For a connection, and for every piece of an answer."""
ATTEMPTS = 5
"""How often a broken connection is taken up again before the person is asked."""
PAUSE_S = 1.0
"""Before the second attempt; one more before each further one."""
CHUNK = 1 << 20

Advance = Callable[[int, int | None], None]
"""Told how many bytes are there, and how many there will be if that is known."""


class _BrokenConnectionError(Exception):
    """What came so far is in the part; the message says why no more came."""


def fetch(file: WeightsFile, console: Console | None = None) -> None:
    """Bring a file to its place, whole; one that is there already is checked and left alone.

    Args:
        file: which, from where, and what it must be.
        console: where to draw progress and to say what happens; nowhere where None.

    Raises:
        SamNerfError: if the file is there but another one, or the server cannot be reached, refuses, breaks off or
            sends another file, or the disk is full. The message names the file, the address and the place.
    """
    console = console or Console(quiet=True)
    path = file.path
    if path.exists():
        if flaw := file.flaw():
            raise SamNerfError(f"{path} is there but is not the file of that name: {flaw}; delete it and run again")
        return
    if file.address is None:
        raise SamNerfError(f"{path} ships with the package but is not there; install samnerf again")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if file.expected_sha256() is None:
            file.part.unlink(missing_ok=True)
        with _progress(console) as bar:
            task = bar.add_task(path.name, total=file.size)
            _complete(file, console, lambda done, total: bar.update(task, completed=done, total=total))
        _check_and_name(file, console)
    except OSError as error:
        raise _failure(file, f"it cannot be written ({error.strerror or error})") from error


def _complete(file: WeightsFile, console: Console, advance: Advance) -> None:
    """Continue the part until it is as long as the file, over as many connections as `ATTEMPTS` allows."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _continue(file, console, advance)
        except _BrokenConnectionError as broken:
            if attempt == ATTEMPTS:
                there = f"what came, {_length(file)} bytes, is kept"
                raise _failure(file, f"the connection broke {ATTEMPTS} times ({broken}); {there}") from broken
            time.sleep(PAUSE_S * attempt)
        else:
            return


def _continue(file: WeightsFile, console: Console, advance: Advance) -> None:
    """Ask once for what the part lacks, and append it."""
    there = _length(file)
    if file.size is not None and there >= file.size:
        if there == file.size:
            return
        there = 0
    with _answer(file, there) as answer:
        start, total = _extent(file, answer, there)
        if start < there:
            console.print(
                f"the server cannot continue {file.path.name}; it comes again from the start", highlight=False
            )
        if total is not None and total - start > (free := shutil.disk_usage(file.part.parent).free):
            raise _failure(file, f"it needs {total - start} bytes more on a disk with {free} bytes left")
        done = start
        with file.part.open("ab" if start else "wb") as part:
            advance(done, total)
            for chunk in _chunks(answer):
                part.write(chunk)
                done += len(chunk)
                advance(done, total)
    if total is not None and done < total:
        raise _BrokenConnectionError(f"after {done} of {total} bytes")


def _answer(file: WeightsFile, start: int) -> HTTPResponse:
    """The server's answer to a request for the file from byte `start` on; for all of it if it has no such byte."""
    assert file.address is not None
    headers = {"User-Agent": f"samnerf/{__version__}"} | ({"Range": f"bytes={start}-"} if start else {})
    try:
        return urllib.request.urlopen(urllib.request.Request(file.address, headers=headers), timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        if start and error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return _answer(file, 0)
        raise _failure(file, f"the server answers {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        host = urlsplit(file.address).hostname
        raise _failure(file, f"{host} cannot be reached ({reason or type(error).__name__})") from error


def _extent(file: WeightsFile, answer: HTTPResponse, asked: int) -> tuple[int, int | None]:
    """The byte at which the answer begins, and how many the whole file has if the server says so."""
    length = answer.headers.get("Content-Length", "")
    start, total = 0, int(length) if length.isdecimal() else None
    if answer.status == http.HTTPStatus.PARTIAL_CONTENT:
        content_range = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
        if content_range is None or int(content_range[1]) != asked:
            file.part.unlink(missing_ok=True)
            raise _failure(file, f"asked for the bytes from {asked} on, the server sent others")
        start, total = asked, None if content_range[2] == "*" else int(content_range[2])
    if total is not None and file.size is not None and total != file.size:
        raise _failure(file, f"the server offers {total} bytes, but the file has {file.size}")
    return start, total if total is not None else file.size


def _chunks(answer: HTTPResponse) -> Iterator[bytes]:
    """What arrives.

    Raises:
        _BrokenConnectionError: if it ends before its end.
    """
    try:
        while chunk := answer.read1(CHUNK):
            yield chunk
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenConnectionError(str(error) or type(error).__name__) from error


def _check_and_name(file: WeightsFile, console: Console) -> None:
    """Give the complete part its name if it is the right file; delete it if it is not."""
    if flaw := file.flaw(file.part):
        file.part.unlink()
        raise _failure(file, f"what came is not the file of that name, and was deleted: {flaw}")
    with file.part.open("rb") as part:
        os.fsync(part.fileno())
    if file.expected_sha256() is None:
        sha256 = sha256_of(file.part)
        file.write_record(sha256, _length(file))
        console.print(
            f"no checksum of {file.path.name} is listed: that of this download, {sha256}, is recorded in {file.record}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
    file.part.replace(file.path)


def _length(file: WeightsFile) -> int:
    return file.part.stat().st_size if file.part.exists() else 0


def _failure(file: WeightsFile, why: str) -> SamNerfError:
    return SamNerfError(
        f"{file.path.name} could not be fetched from {file.address}: {why}; "
        f"run the same command again, or put the file at {file.path} yourself"
    )


def _progress(console: Console) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, transient=True)
