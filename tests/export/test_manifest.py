"""An export folder: frames are done when they are whole, go on after a kill, and end up in one manifest."""

import errno
import hashlib
import json
import multiprocessing
import os
from pathlib import Path

import pytest

from samnerf.errors import SamNerfError
from samnerf.export.manifest import ExportFolder
from samnerf.objects.palette import object_colour


@pytest.fixture
def export(tmp_path):
    return ExportFolder(tmp_path / "out")


def make(export: ExportFolder, frame: str | None, key: str = "key", **contents: bytes) -> None:
    """A frame with one file of each kind."""
    with export.frame(frame, key) as files:
        for kind, content in contents.items():
            path = files.path(kind, f"{kind}/{frame}.bin")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def test_a_frame_is_done_once_it_was_made_with_the_same_key(export):
    assert not export.is_done("a", "key")
    make(export, "a", mattes=b"1234")
    assert export.is_done("a", "key")
    assert not export.is_done("a", "other key")
    assert not export.is_done("b", "key")
    assert not export.is_done(None, "key")


def test_a_frame_without_files_can_be_done(export):
    make(export, "a")
    assert export.is_done("a", "key")


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"123")])
def test_a_frame_whose_file_is_gone_or_shorter_is_not_done(export, damage):
    make(export, "a", mattes=b"1234", depth=b"")
    damage(export.folder / "mattes/a.bin")
    assert not export.is_done("a", "key")


@pytest.mark.parametrize("failure", [SamNerfError, KeyboardInterrupt])
def test_a_frame_that_fails_is_not_done_and_others_are(export, failure):
    make(export, "a", mattes=b"1")
    make(export, "b", mattes=b"2")

    def fail():
        with export.frame("b", "key") as files:
            files.path("mattes", "mattes/b.bin").write_bytes(b"2")
            raise failure

    with pytest.raises(failure):
        fail()
    assert not export.is_done("b", "key")
    assert export.is_done("a", "key")


def test_making_a_frame_again_removes_what_it_had(export):
    make(export, "a", mattes=b"1", depth=b"2")
    make(export, "b", mattes=b"3")
    make(export, "a", "other", depth=b"4")
    kept = {path.relative_to(export.folder).as_posix() for path in export.folder.rglob("*.bin")}
    assert kept == {"depth/a.bin", "mattes/b.bin"}
    assert export.is_done("a", "other") and export.is_done("b", "key")


def test_the_manifest_has_every_file_with_its_hash(export):
    make(export, "frame_1", mattes=b"one", depth=b"")
    make(export, "frame_0", mattes=b"zero")
    make(export, None, video=b"film")
    path = export.write_manifest(["frame_0", "frame_1", "frame_2"], {1: "fox", 7: "狐"}, {"checkpoint": "abc"})
    document = json.loads(path.read_text(encoding="utf-8"))
    assert path == export.folder / "manifest.json"
    assert (document["format"], document["version"]) == ("samnerf-export", 1)
    assert document["program"].startswith("samnerf ")
    assert document["about"] == {"checkpoint": "abc"}
    assert document["objects"] == [
        {"id": 1, "name": "fox", "colour": list(object_colour(1))},
        {"id": 7, "name": "狐", "colour": list(object_colour(7))},
    ]
    said = [(one["frame"], one["kind"], one["path"]) for one in document["files"]]
    assert said == [
        ("frame_0", "mattes", "mattes/frame_0.bin"),
        ("frame_1", "mattes", "mattes/frame_1.bin"),
        ("frame_1", "depth", "depth/frame_1.bin"),
        (None, "video", "video/None.bin"),
    ]
    for one in document["files"]:
        content = (export.folder / one["path"]).read_bytes()
        assert one["bytes"] == len(content)
        assert one["sha256"] == hashlib.sha256(content).hexdigest()


def test_the_manifest_of_an_interrupted_export_has_what_is_done(export):
    assert json.loads(export.write_manifest(["a"], {}).read_text())["files"] == []
    make(export, "a", mattes=b"1")
    assert len(json.loads(export.write_manifest(["a", "b"], {}).read_text())["files"]) == 1


def test_a_file_that_was_announced_and_not_written_is_named(export):
    def forget():
        with export.frame("a", "key") as files:
            files.path("mattes", "mattes/a.exr")

    with pytest.raises(SamNerfError, match=r"mattes/a\.exr cannot be read: No such file"):
        forget()
    assert not export.is_done("a", "key")


@pytest.mark.parametrize("name", ["../a", "/etc/a", "", "a/../../b"])
def test_names_that_lead_out_of_the_folder_are_refused(export, name):
    with pytest.raises(SamNerfError, match="must stay inside its folder"):
        export.is_done(name, "key")

    def write_outside():
        with export.frame("a", "key") as files:
            files.path("mattes", name)

    with pytest.raises(SamNerfError, match="must stay inside its folder"):
        write_outside()


def test_a_record_that_points_outside_removes_nothing_there(export, tmp_path):
    make(export, "a", mattes=b"1")
    record = export.folder / "records/a.json"
    record.write_text(record.read_text().replace("mattes/a.bin", "../precious"))
    (tmp_path / "precious").write_text("kept")
    with pytest.raises(SamNerfError, match="must stay inside"):
        make(export, "a", mattes=b"1")
    assert (tmp_path / "precious").read_text() == "kept"


def test_a_record_of_another_version_is_made_again(export):
    make(export, "a", mattes=b"1")
    record = export.folder / "records/a.json"
    record.write_text(record.read_text().replace('"version": 1', '"version": 0'))
    assert not export.is_done("a", "key")
    make(export, "a", mattes=b"1")
    assert export.is_done("a", "key")


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "record .*a.json is not JSON"), ('{"format": "samnerf-export", "version": 1}', "lacks")],
)
def test_a_broken_record_is_named(export, content, message):
    make(export, "a", mattes=b"1")
    (export.folder / "records/a.json").write_text(content)
    with pytest.raises(SamNerfError, match=message):
        export.is_done("a", "key")


def test_a_full_disk_leaves_the_frame_undone(export, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("samnerf.atomic_files.os.fsync", full)
    with pytest.raises(SamNerfError, match="no space left"):
        make(export, "a", mattes=b"1")
    assert not export.is_done("a", "key")
    assert not list((export.folder / "records").iterdir())


def _make_some(folder: Path, start: int) -> None:
    export = ExportFolder(folder)
    for i in range(start, 40, 4):
        make(export, f"frame_{i:02d}", mattes=b"%d" % i, depth=b"z" * i)


def test_processes_write_frames_of_one_folder_together(export):
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_make_some, args=(export.folder, start)) for start in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    frames = [f"frame_{i:02d}" for i in range(40)]
    assert all(export.is_done(frame, "key") for frame in frames)
    assert len(json.loads(export.write_manifest(frames, {}).read_text())["files"]) == 80
    assert not [path for path in export.folder.rglob("*") if path.name.startswith(".")]


def test_parts_of_a_frame_are_done_each_for_itself(export):
    from samnerf.export.manifest import Made

    for frame in ("a", None):
        for part in ("masks", "depth"):
            with export.frame(frame, f"key of {part}", part) as files:
                path = files.path(part, f"{part}/{frame}.bin")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"1")
    with pytest.raises(SamNerfError), export.frame("a", "another key", "masks"):
        raise SamNerfError("no")
    assert not export.is_done("a", "another key", "masks") and not export.is_done("a", "key of masks", "masks")
    assert export.is_done("a", "key of depth", "depth") and export.is_done(None, "key of masks", "masks")
    made = [Made(frame, part) for frame in ("a", None) for part in ("masks", "depth")]
    listed = json.loads(export.write_manifest(made, {2: "fox"}, colours={2: (1, 2, 3)}).read_text())
    assert [(one["frame"], one["kind"]) for one in listed["files"]] == [
        ("a", "depth"),
        (None, "masks"),
        (None, "depth"),
    ]
    assert listed["objects"] == [{"id": 2, "name": "fox", "colour": [1, 2, 3]}]
