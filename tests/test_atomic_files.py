"""A file is written whole or not at all, and reading one says what is wrong with it."""

import errno
import os
import stat
from pathlib import Path

import pytest

from samnerf.atomic_files import atomic_path, read_json, unwritable, write_bytes, write_json
from samnerf.errors import SamNerfError


def test_what_is_written_is_read(tmp_path):
    write_json(tmp_path / "new" / "folder" / "a.json", {"fox": "Füchslein", "n": [1, 2.5, None]})
    assert read_json(tmp_path / "new" / "folder" / "a.json", "file") == {"fox": "Füchslein", "n": [1, 2.5, None]}


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, failure):
    path = tmp_path / "a.bin"
    write_bytes(path, b"old")

    def write_half():
        with atomic_path(path) as temporary:
            temporary.write_bytes(b"half")
            raise failure

    with pytest.raises(failure):
        write_half()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_new_file_appears_only_when_it_is_whole(tmp_path):
    path = tmp_path / "a.bin"
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"new")
        assert temporary.parent == path.parent
        assert temporary.suffix == path.suffix
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_written_file_has_the_usual_permissions(tmp_path):
    write_bytes(tmp_path / "atomic", b"")
    (tmp_path / "usual").write_bytes(b"")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("atomic", "usual")]
    assert modes[0] == modes[1]


def test_a_full_disk_is_named_and_the_old_file_stays(tmp_path, monkeypatch):
    path = tmp_path / "a.bin"
    write_bytes(path, b"old")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(SamNerfError, match=r"no space left on the disk of .* while writing a.bin; free some"):
        write_bytes(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SamNerfError, match=r"cannot write .*file/a.json"):
        write_json(tmp_path / "file" / "a.json", {})
    (tmp_path / "folder").mkdir()
    with pytest.raises(SamNerfError, match=r"cannot write .*folder: Is a directory"):
        write_bytes(tmp_path / "folder", b"")


def test_the_message_of_a_failed_write_names_file_and_reason():
    error = unwritable(Path("a/b.png"), OSError(errno.EACCES, "Permission denied"))
    assert str(error) == "cannot write a/b.png: Permission denied"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "thing .*a.json does not exist"),
        (b"", "thing .*a.json is empty; it should hold a JSON object"),
        (b" \n", "thing .*a.json is empty"),
        (b'{"a": 1,\n}', "thing .*a.json is not JSON: .* at line 2, column 1"),
        (b"\xff\xfe", "thing .*a.json cannot be read"),
    ],
)
def test_a_file_that_is_no_json_is_named(tmp_path, content, message):
    path = tmp_path / "a.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SamNerfError, match=message):
        read_json(path, "thing")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(SamNerfError, match=r"thing .* cannot be read"):
        read_json(tmp_path, "thing")
