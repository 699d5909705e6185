"""A file arrives whole, in pieces if need be, or not at all; every failure says what to do."""

import errno
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from rich.console import Console

from samnerf.errors import SamNerfError
from samnerf.teachers import downloads
from samnerf.teachers.checkpoints import WeightsFile

CONTENT = bytes(range(256)) * 4096
"""One MiB."""
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HALF = len(CONTENT) // 2


class Server:
    """Serves `content` at every path (`/moved` leads to another), and misbehaves as told."""

    def __init__(self):
        self.content = CONTENT
        self.knows_ranges = True
        self.status = None
        self.cuts = []
        """After how many bytes of the next answers the connection breaks."""
        self.shift = 0
        """By how much partial answers begin too late."""
        self.ranges = []
        """The Range header of every request so far."""
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                if self.path == "/moved":
                    self.send_response(302)
                    self.send_header("Location", "/model.pth")
                    self.end_headers()
                    return
                asked = self.headers.get("Range")
                server.ranges.append(asked)
                start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and server.knows_ranges else 0
                if server.status or start >= len(server.content):
                    self.send_error(server.status or 416)
                    return
                start += server.shift if start else 0
                self.send_response(206 if start else 200)
                if start:
                    self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
                body = server.content[start:]
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: server.cuts.pop(0)] if server.cuts else body)

            def log_message(self, format, *args):
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._http.server_port}/model.pth"
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self):
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(downloads, "PAUSE_S", 0.0)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = Server()
    yield server
    server.close()


@pytest.fixture
def file(server, tmp_path, monkeypatch):
    """A file whose size and SHA-256 are known, in a folder that does not exist yet."""
    monkeypatch.setenv("SAMNERF_CHECKPOINTS", str(tmp_path / "weights"))
    return WeightsFile("folder/model.pth", server.address, len(CONTENT), SHA256)


@pytest.fixture
def unlisted(file):
    """The same file, of which nothing is known."""
    return WeightsFile(file.relative_path, file.address, None, None)


def failure(file):
    """The message of a fetch that must fail; it names file, address and place."""
    with pytest.raises(SamNerfError) as caught:
        downloads.fetch(file)
    message = str(caught.value)
    assert message.startswith(f"model.pth could not be fetched from {file.address}: ")
    assert message.endswith(f"run the same command again, or put the file at {file.path} yourself")
    assert "\n" not in message
    assert not file.path.exists()
    return message


def interrupted(file, content=CONTENT[:HALF]):
    """Leave a part behind, as an interruption does."""
    file.part.parent.mkdir(parents=True, exist_ok=True)
    file.part.write_bytes(content)


def test_a_fresh_download_arrives_whole_and_leaves_nothing_else(server, file):
    downloads.fetch(file)
    assert file.path.read_bytes() == CONTENT
    assert [path.name for path in file.path.parent.iterdir()] == ["model.pth"]
    assert server.ranges == [None]


def test_a_file_that_is_there_is_not_fetched_again(server, file):
    downloads.fetch(file)
    downloads.fetch(file)
    assert len(server.ranges) == 1


def test_another_file_of_that_name_is_neither_used_nor_touched(server, file):
    file.path.parent.mkdir(parents=True)
    file.path.write_bytes(b"mine")
    with pytest.raises(
        SamNerfError, match="is not the file of that name: it has 4 bytes instead of 1048576; delete it"
    ):
        downloads.fetch(file)
    assert file.path.read_bytes() == b"mine"
    assert server.ranges == []


def test_an_interrupted_download_asks_for_the_rest_only(server, file):
    interrupted(file)
    downloads.fetch(file)
    assert file.path.read_bytes() == CONTENT
    assert server.ranges == [f"bytes={HALF}-"]


def test_the_rest_is_asked_for_behind_a_redirection_too(server, file):
    moved = WeightsFile(file.relative_path, file.address.replace("/model.pth", "/moved"), file.size, file.sha256)
    interrupted(moved)
    downloads.fetch(moved)
    assert moved.path.read_bytes() == CONTENT
    assert server.ranges == [f"bytes={HALF}-"]


def test_a_complete_part_needs_no_network(server, file):
    interrupted(file, CONTENT)
    downloads.fetch(file)
    assert file.path.read_bytes() == CONTENT
    assert server.ranges == []


def test_a_part_that_is_too_long_is_begun_anew(server, file):
    interrupted(file, CONTENT + b"more")
    downloads.fetch(file)
    assert file.path.read_bytes() == CONTENT
    assert server.ranges == [None]


def test_a_broken_connection_is_taken_up_where_it_broke(server, file):
    server.cuts = [1000, 500]
    downloads.fetch(file)
    assert file.path.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=1000-", "bytes=1500-"]


def test_a_connection_that_keeps_breaking_fails_but_keeps_what_came(server, file):
    server.cuts = [1000] * downloads.ATTEMPTS
    message = failure(file)
    assert f"broke {downloads.ATTEMPTS} times" in message
    assert f"what came, {1000 * downloads.ATTEMPTS} bytes, is kept" in message
    downloads.fetch(file)
    assert file.path.read_bytes() == CONTENT
    assert server.ranges[-1] == f"bytes={1000 * downloads.ATTEMPTS}-"


def test_a_server_without_ranges_sends_it_all_again_and_that_is_said(server, file, capsys):
    server.knows_ranges = False
    interrupted(file, b"?" * HALF)
    downloads.fetch(file, Console(soft_wrap=True))
    assert file.path.read_bytes() == CONTENT
    assert "the server cannot continue model.pth; it comes again from the start" in capsys.readouterr().out


def test_a_server_that_sends_other_bytes_than_asked_is_refused(server, file):
    server.shift = 7
    interrupted(file)
    assert f"asked for the bytes from {HALF} on, the server sent others" in failure(file)
    assert not file.part.exists()
    downloads.fetch(file)
    assert file.path.read_bytes() == CONTENT


def test_a_wrong_checksum_keeps_nothing(server, file):
    server.content = CONTENT[:-1] + b"?"
    message = failure(file)
    assert "what came is not the file of that name, and was deleted: its SHA-256 is" in message
    assert hashlib.sha256(server.content).hexdigest() in message and SHA256 in message
    assert list(file.path.parent.iterdir()) == []


def test_a_spoilt_part_is_found_out(server, file):
    interrupted(file, b"?" * HALF)
    assert "was deleted" in failure(file)
    downloads.fetch(file)
    assert file.path.read_bytes() == CONTENT


def test_a_wrong_size_is_refused_before_anything_is_fetched(server, file):
    server.content = CONTENT + b"?"
    interrupted(file)
    assert "the server offers 1048577 bytes, but the file has 1048576" in failure(file)
    assert file.part.read_bytes() == CONTENT[:HALF]


@pytest.mark.parametrize(("status", "words"), [(404, "404 Not Found"), (403, "403"), (503, "503")])
def test_an_http_error_is_told(server, file, status, words):
    server.status = status
    assert f"the server answers {words}" in failure(file)


def test_without_network_the_host_is_named(server, file):
    interrupted(file)
    server.close()
    assert "127.0.0.1 cannot be reached (" in failure(file)
    assert file.part.read_bytes() == CONTENT[:HALF]


def test_a_silent_server_does_not_hold_us_up(file, monkeypatch):
    monkeypatch.setattr(downloads, "TIMEOUT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/model.pth"
        quiet = WeightsFile(file.relative_path, address, file.size, file.sha256)
        began = time.monotonic()
        assert "timed out" in failure(quiet)
        assert time.monotonic() - began < 5


def test_a_disk_too_small_is_noticed_before(server, file, monkeypatch):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=1000))
    assert "it needs 1048576 bytes more on a disk with 1000 bytes left" in failure(file)


def test_a_disk_that_fills_up_is_told_and_the_part_kept(server, file, monkeypatch):
    def open_on_a_full_disk(path, mode="r", **options):
        if "b" in mode and mode != "rb":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return open(path, mode, **options)

    interrupted(file)
    with monkeypatch.context() as full:
        full.setattr(Path, "open", open_on_a_full_disk)
        assert "it cannot be written (No space left on device)" in failure(file)
    assert file.part.read_bytes() == CONTENT[:HALF]


def test_a_folder_that_cannot_be_made_is_told(server, file):
    file.path.parent.parent.write_bytes(b"a file where the folder should be")
    assert "it cannot be written (" in failure(file)


def test_the_first_download_of_an_unlisted_file_is_recorded_and_that_is_said(server, unlisted, capsys):
    downloads.fetch(unlisted, Console(soft_wrap=True))
    assert unlisted.path.read_bytes() == CONTENT
    assert unlisted.record.read_text() == f"# {len(CONTENT)} bytes from {server.address}\n{SHA256}  model.pth\n"
    said = capsys.readouterr().out
    assert SHA256 in said and str(unlisted.record) in said


def test_later_runs_hold_the_file_against_the_record(server, unlisted):
    downloads.fetch(unlisted)
    unlisted.path.write_bytes(b"spoilt")
    with pytest.raises(
        SamNerfError, match="model.pth.sha256 remembers of an earlier download; delete it and run again"
    ):
        downloads.fetch(unlisted)
    unlisted.path.unlink()
    server.content = CONTENT[::-1]
    assert "remembers of an earlier download" in failure(unlisted)
    server.content = CONTENT
    downloads.fetch(unlisted)
    assert unlisted.flaw() is None


def test_what_nothing_can_check_is_not_continued(server, unlisted):
    interrupted(unlisted, b"?" * HALF)
    downloads.fetch(unlisted)
    assert unlisted.path.read_bytes() == CONTENT
    assert server.ranges == [None]


def test_a_bundled_file_that_is_gone_is_not_fetched(server):
    with pytest.raises(SamNerfError, match="ships with the package but is not there"):
        downloads.fetch(WeightsFile("no_such.safetensors", None, None, None, bundled=True))


def test_ctrl_c_leaves_a_part_that_can_be_continued(server, file):
    arrived = threading.Event()
    hold = threading.Event()

    class Slow(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT[:HALF])
            self.wfile.flush()
            arrived.set()
            hold.wait(30)

        def log_message(self, format, *args):
            pass

    slow = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=slow.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    address = f"http://127.0.0.1:{slow.server_port}/model.pth"
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from samnerf.teachers.checkpoints import WeightsFile; from samnerf.teachers.downloads import fetch; "
        f"fetch(WeightsFile({file.relative_path!r}, {address!r}, {len(CONTENT)}, {SHA256!r}))"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True)
    try:
        assert arrived.wait(60)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and (not file.part.exists() or file.part.stat().st_size < HALF // 2):
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    finally:
        hold.set()
        process.kill()
        slow.shutdown()
        slow.server_close()
    assert "KeyboardInterrupt" in said
    assert not file.path.exists()
    length = file.part.stat().st_size
    assert length > 0 and file.part.read_bytes() == CONTENT[:length]
    downloads.fetch(file)
    assert file.path.read_bytes() == CONTENT
    assert server.ranges == [f"bytes={length}-"]
