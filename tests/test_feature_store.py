"""A feature store gives back what was put in, and survives whatever happens to it."""

import errno
import json
import os
import pickle
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from samnerf import feature_store
from samnerf.errors import SamNerfError
from samnerf.feature_manifest import ImageRecord, Manifest
from samnerf.feature_map import FeatureMap
from samnerf.feature_store import FeatureStore, sole_writer, store_folder

CHANNELS, SIDE = 6, 4
SIZES = {"portrait": (48, 27), "landscape": (27, 48), "square": (32, 32)}
RECORDS = tuple(ImageRecord(name, size, name * 4) for name, size in SIZES.items())


def manifest(layout="letterbox", summaries=False, images=RECORDS):
    return Manifest("fake", "0123456789abcdef", layout, CHANNELS, SIDE, images, summaries)


def feature_map(name, layout="letterbox", summaries=False):
    generator = torch.Generator().manual_seed(len(name))
    values = torch.randn(CHANNELS, SIDE, SIDE, generator=generator)
    summary = torch.randn(CHANNELS, generator=generator) if summaries else None
    return FeatureMap(values, SIZES[name], layout, "fake", summary)


def filled(folder, summaries=False):
    store = FeatureStore.create(folder, manifest(summaries=summaries))
    for name in SIZES:
        store.put(name, feature_map(name, summaries=summaries))
    return store


@pytest.mark.parametrize("layout", ["letterbox", "stretch"])
@pytest.mark.parametrize("summaries", [False, True])
def test_a_map_comes_back_rounded_to_16_bits(tmp_path, layout, summaries):
    store = FeatureStore.create(tmp_path / "store", manifest(layout, summaries))
    for name in SIZES:
        store.put(name, feature_map(name, layout, summaries))
    for name in SIZES:
        put, got = feature_map(name, layout, summaries), FeatureStore.open(tmp_path / "store").map(name)
        assert torch.equal(got.values, put.values.half().float())
        assert (got.image_size, got.layout, got.teacher) == (put.image_size, put.layout, put.teacher)
        assert (got.summary is None) if not summaries else torch.equal(got.summary, put.summary)


def test_gathered_cells_are_the_cells_of_the_maps(tmp_path):
    store = filled(tmp_path / "store")
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(len(SIZES), (200,), generator=generator)
    rows, columns = torch.randint(SIDE, (2, 200), generator=generator)
    maps = torch.stack([store.map(name).values for name in store.names])
    assert torch.equal(store.gather(images, rows, columns), maps[images, :, rows, columns])
    none = torch.zeros(0, dtype=torch.int64)
    assert store.gather(none, none, none).shape == (0, CHANNELS)


@pytest.mark.parametrize(("image", "row", "column"), [(3, 0, 0), (-1, 0, 0), (0, SIDE, 0), (0, 0, -1), (0, 0, SIDE)])
def test_a_cell_outside_is_refused_and_never_another_cell(tmp_path, image, row, column):
    with pytest.raises(IndexError, match="counted from 0"):
        filled(tmp_path / "store").gather(torch.tensor([image]), torch.tensor([row]), torch.tensor([column]))


def test_threads_read_what_one_reads_alone(tmp_path):
    store = filled(tmp_path / "store")
    cells = torch.cartesian_prod(torch.arange(len(SIZES)), torch.arange(SIDE), torch.arange(SIDE)).T
    alone, together = store.gather(*cells), []
    threads = [threading.Thread(target=lambda: together.append(store.gather(*cells))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(together) == 8
    assert all(torch.equal(alone, read) for read in together)


def test_another_process_gets_the_folder_and_not_the_content(tmp_path):
    store = filled(tmp_path / "store")
    pickled = pickle.dumps(store)
    assert len(pickled) < 1000
    assert torch.equal(pickle.loads(pickled).map("square").values, store.map("square").values)


def test_the_mean_summary_is_that_of_the_images_that_are_done(tmp_path):
    store = FeatureStore.create(tmp_path / "store", manifest(summaries=True))
    with pytest.raises(SamNerfError, match="is empty"):
        store.summary_mean()
    maps = [feature_map(name, summaries=True) for name in ("portrait", "square")]
    store.put("portrait", maps[0])
    store.put("square", maps[1])
    torch.testing.assert_close(store.summary_mean(), (maps[0].summary + maps[1].summary) / 2)
    assert filled(tmp_path / "without").summary_mean() is None


def test_missing_shrinks_by_what_is_put_until_the_store_is_complete(tmp_path):
    store = FeatureStore.create(tmp_path / "store", manifest())
    for done, name in enumerate(("landscape", "square", "portrait")):
        assert len(store.missing) == 3 - done
        assert not store.complete
        store.put(name, feature_map(name))
        assert name not in store.missing
        assert store.missing == FeatureStore.open(store.folder).missing
    assert store.complete


def test_features_that_are_missing_are_never_served_as_zeros(tmp_path):
    store = FeatureStore.create(tmp_path / "store", manifest())
    store.put("portrait", feature_map("portrait"))
    with pytest.raises(SamNerfError, match=r"features of image 'square' are missing in .*run `samnerf extract` again"):
        store.map("square")
    cells = torch.tensor([0, 2]), torch.tensor([0, 0]), torch.tensor([0, 0])
    with pytest.raises(SamNerfError, match="features of some images are missing"):
        store.gather(*cells)


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("step", range(6))
def test_a_kill_at_any_write_loses_the_image_at_work_and_nothing_else(tmp_path, monkeypatch, step):
    store = FeatureStore.create(tmp_path / "store", manifest(summaries=True))
    store.put("portrait", feature_map("portrait", summaries=True))
    calls = iter(range(100))
    real = {"pwrite": os.pwrite, "fsync": os.fsync}

    def dying(call):
        def run(*arguments):
            if next(calls) == step:
                if call == "pwrite":  # half of the write reached the file
                    real["pwrite"](arguments[0], arguments[1][: len(arguments[1]) // 2], arguments[2])
                raise Killed
            return real[call](*arguments)

        return run

    for call in real:
        monkeypatch.setattr(feature_store.os, call, dying(call))
    with pytest.raises(Killed):
        store.put("landscape", feature_map("landscape", summaries=True))
    monkeypatch.undo()
    after = FeatureStore.open(tmp_path / "store")
    assert "portrait" not in after.missing
    assert torch.equal(after.map("portrait").values, feature_map("portrait").values.half().float())
    # The last step is the flush of a flag that is already written: then the features are whole.
    assert set(after.missing) == ({"square"} if step == 5 else {"landscape", "square"})
    for name in after.missing:
        after.put(name, feature_map(name, summaries=True))
    for name in SIZES:
        assert torch.equal(after.map(name).values, feature_map(name, summaries=True).values.half().float())


@pytest.mark.parametrize("survivor", ["values.npy", "done.npy"])
def test_a_kill_while_the_store_is_made_leaves_no_store(tmp_path, survivor):
    folder = tmp_path / "store"
    filled(folder)
    for file in folder.iterdir():
        if file.name != survivor:
            file.unlink()
    assert not FeatureStore.exists(folder)
    store = FeatureStore.create(folder, manifest())
    assert store.missing == tuple(SIZES)


def test_a_full_disk_is_found_out_before_the_first_image(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(feature_store.os, "posix_fallocate", full)
    with pytest.raises(SamNerfError, match=r"no space left on the disk of .*store: the feature store needs .* GB"):
        FeatureStore.create(tmp_path / "store", manifest())
    assert list((tmp_path / "store").iterdir()) == []


def test_a_disk_that_fills_up_later_keeps_what_is_done(tmp_path, monkeypatch):
    store = FeatureStore.create(tmp_path / "store", manifest())
    store.put("portrait", feature_map("portrait"))

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(feature_store.os, "pwrite", full)
    with pytest.raises(SamNerfError, match=r"no space left on the disk of .* while writing values.npy"):
        store.put("square", feature_map("square"))
    assert FeatureStore.open(store.folder).missing == ("landscape", "square")


def test_features_beyond_16_bits_are_refused(tmp_path):
    store = FeatureStore.create(tmp_path / "store", manifest())
    huge = replace(feature_map("square"), values=torch.full((CHANNELS, SIDE, SIDE), 1e6))
    with pytest.raises(SamNerfError, match="features of image 'square' by 'fake' are not finite in 16-bit floats"):
        store.put("square", huge)
    assert "square" in store.missing


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"teacher": "other"}, "teacher of the map of 'square' is 'other'; the store expects 'fake'"),
        ({"layout": "stretch"}, "layout of the map of 'square' is 'stretch'"),
        ({"image_size": (5, 5)}, r"image size of the map of 'square' is \(5, 5\)"),
        ({"values": torch.zeros(3, SIDE, SIDE)}, "channels of the map of 'square' is 3; the store expects 6"),
        ({"values": torch.zeros(CHANNELS, 2, 2)}, "side of the map of 'square' is 2"),
        ({"summary": torch.zeros(CHANNELS)}, "disagree on whether there is a summary"),
    ],
)
def test_a_map_of_another_kind_is_refused(tmp_path, change, message):
    store = FeatureStore.create(tmp_path / "store", manifest())
    with pytest.raises(ValueError, match=message):
        store.put("square", replace(feature_map("square"), **change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"teacher": "sam-vit-h"}, "was made with teacher 'fake', not 'sam-vit-h'; delete .* or name another folder"),
        ({"layout": "stretch"}, "was made with layout 'letterbox', not 'stretch'"),
        ({"weights_hash": "ffff"}, r"was made by other weights of 'fake' \(hash 0123456789ab, now ffff\)"),
        ({"images": RECORDS[:2]}, "was made of other images: 'square' is no longer in the capture"),
        ({"images": (*RECORDS, ImageRecord("new", (4, 4), "x"))}, "was made of other images: it has no 'new'"),
        (
            {"images": (*RECORDS[:2], replace(RECORDS[2], sha256="changed"))},
            "was made of other images: the file of 'square' has changed since",
        ),
        (
            {"images": (replace(RECORDS[0], size=(20, 10)), *RECORDS[1:])},
            "'portrait' had 27 x 48 pixels and has 10 x 20 now",
        ),
    ],
)
def test_a_store_of_other_weights_or_images_is_refused_and_named(tmp_path, change, message):
    store = filled(tmp_path / "store")
    now = {"teacher": "fake", "weights_hash": store.manifest.weights_hash, "layout": "letterbox", "images": RECORDS}
    store.check(**now)
    store.check("fake")
    store.check(**now | {"images": RECORDS[::-1]})  # the order of a capture's frames may change
    with pytest.raises(SamNerfError, match=message):
        store.check(**now | change)


def edited(folder, **changes):
    path = folder / "manifest.json"
    document = json.loads(path.read_text()) | changes
    path.write_text(json.dumps(document))


RECORD = {"name": "a", "size": [4, 4], "sha256": "x"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "photos"}, 'does not say "format": "samnerf-features"'),
        ({"version": 2}, "is of version 2; this program reads version 1"),
        ({"teacher": ""}, "'teacher' is ''"),
        ({"weights_hash": None}, "'weights_hash' is None"),
        ({"layout": "diagonal"}, "'layout' is 'diagonal'"),
        ({"layout": []}, r"'layout' is \[\]"),
        ({"channels": 0}, "'channels' is 0"),
        ({"side": 3.5}, "'side' is 3.5"),
        ({"dtype": "float32"}, "'dtype' is 'float32'"),
        ({"summaries": "no"}, "'summaries' is 'no'"),
        ({"images": {}}, r"'images' is \{\}"),
        ({"images": []}, "at least one image"),
        ({"images": ["a"]}, "'a' does not give name, size and sha256"),
        ({"images": [RECORD | {"size": [4]}]}, "does not give name, size and sha256"),
        ({"images": [RECORD, RECORD]}, "two images called 'a'"),
        (
            {"images": [RECORD]},
            r"values.npy holds float16 \[3, 4, 4, 6\] but its manifest promises float16 \[1, 4, 4, 6\]",
        ),
        ({"side": 5}, r"values.npy holds float16 \[3, 4, 4, 6\] but its manifest promises float16 \[3, 5, 5, 6\]"),
        ({"summaries": True}, "summaries.npy is missing"),
    ],
)
def test_a_malformed_manifest_names_the_file_the_field_and_the_cure(tmp_path, changes, message):
    filled(tmp_path / "store")
    edited(tmp_path / "store", **changes)
    with pytest.raises(SamNerfError, match=message) as caught:
        FeatureStore.open(tmp_path / "store")
    assert "delete" in str(caught.value)
    assert str(tmp_path / "store") in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe"])
def test_a_manifest_that_is_no_json_object_is_named(tmp_path, content):
    filled(tmp_path / "store")
    (tmp_path / "store" / "manifest.json").write_bytes(content)
    with pytest.raises(SamNerfError, match=r"feature manifest .*manifest.json"):
        FeatureStore.open(tmp_path / "store")


@pytest.mark.parametrize("name", ["values.npy", "summaries.npy", "done.npy"])
@pytest.mark.parametrize("keep", [0, 5, 60, -1])
def test_a_truncated_array_is_named(tmp_path, name, keep):
    filled(tmp_path / "store", summaries=True)
    path = tmp_path / "store" / name
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(SamNerfError, match=f"{name} is truncated or not an array of numbers .*; delete"):
        FeatureStore.open(tmp_path / "store")


def test_a_foreign_array_is_named_and_never_unpickled(tmp_path):
    filled(tmp_path / "store")
    np.save(tmp_path / "store" / "values.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(SamNerfError, match=r"values.npy is truncated or not an array of numbers"):
        FeatureStore.open(tmp_path / "store")
    np.save(tmp_path / "store" / "values.npy", np.zeros(3, np.float32))
    with pytest.raises(SamNerfError, match=r"values.npy holds float32 \[3\] but its manifest promises float16"):
        FeatureStore.open(tmp_path / "store")


def test_flags_other_than_0_and_1_are_refused(tmp_path):
    filled(tmp_path / "store")
    np.save(tmp_path / "store" / "done.npy", np.array([1, 7, 0], np.uint8))
    with pytest.raises(SamNerfError, match=r"done.npy holds numbers other than 0 and 1"):
        FeatureStore.open(tmp_path / "store")


def test_no_store_and_no_second_store(tmp_path):
    with pytest.raises(SamNerfError, match=r"there is no feature store in .*; `samnerf extract` makes one"):
        FeatureStore.open(tmp_path)
    filled(tmp_path / "store")
    with pytest.raises(SamNerfError, match=r"there is a feature store in .* already"):
        FeatureStore.create(tmp_path / "store", manifest())
    with pytest.raises(SamNerfError, match=r"the feature store .* has no image 'cat'"):
        FeatureStore.open(tmp_path / "store").map("cat")


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SamNerfError, match=r"cannot write .*file/store"):
        FeatureStore.create(tmp_path / "file" / "store", manifest())
    with pytest.raises(SamNerfError, match="cannot write"), sole_writer(tmp_path / "file" / "store"):
        pass


def test_a_store_can_be_moved(tmp_path):
    filled(tmp_path / "here")
    shutil.move(tmp_path / "here", tmp_path / "there")
    assert FeatureStore.open(tmp_path / "there").complete


def test_there_is_one_writer_at_a_time(tmp_path):
    with sole_writer(tmp_path / "store"):
        with pytest.raises(SamNerfError, match="another process is extracting into"), sole_writer(tmp_path / "store"):
            pass
        with sole_writer(tmp_path / "other"):
            pass
    with sole_writer(tmp_path / "store"):
        pass


def test_each_teacher_and_layout_has_a_folder_of_its_own():
    folders = {store_folder(Path("f"), t, layout) for t in ("a", "b") for layout in ("letterbox", "stretch")}
    assert len(folders) == 4
    assert store_folder(Path("f"), "tiny-sam", "letterbox") == Path("f/tiny-sam-letterbox")
