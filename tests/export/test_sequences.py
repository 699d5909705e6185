"""Exports of many frames: whole, resumable, the same however many processes make them."""

import errno
import functools
import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools.coco import COCO

from samnerf.camera_path import load_camera_path
from samnerf.errors import SamNerfError
from samnerf.export.export_source import ExportedObjects
from samnerf.export.scene_export import FORMATS, ExportSettings, chosen_formats, export_scene, needs_objects, steps
from samnerf.export.sequences import camera_numbers, camera_of
from samnerf.matting.matter import Matter

FRAMES = 4


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))  # where processes look for toy_source, too


def cameras(toy, count=FRAMES):
    return [(f"path_{i:04d}", toy.look_down(x=0.05 * i, height=24, width=32, focal=30.0)) for i in range(count)]


def export(toy, folder, *formats, views=None, opened=None, **options):
    from toy_source import ToySource

    views = cameras(toy) if views is None else views
    opened = opened or (toy.scene(), ExportedObjects.chosen(toy.layers()))
    return export_scene(ToySource(), opened, views, formats, folder, **options)


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@functools.cache
def cryptomatte_reader():
    spec = importlib.util.spec_from_file_location("cryptomatte_reader", Path(__file__).with_name("test_cryptomatte.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.read_by_the_specification


def test_a_sequence_keeps_ids_and_names_in_every_frame(toy, tmp_path):
    result = export(toy, tmp_path, "ids", "cryptomatte")
    assert result.notes == ()
    for name, camera in cameras(toy):
        with Image.open(tmp_path / f"ids/{name}.png") as image:
            ids = np.asarray(image)
        mattes, _ = cryptomatte_reader()(tmp_path / f"cryptomatte/{name}.exr")
        assert list(mattes) == [*toy.names.values(), None]
        for object_id, object_name in toy.names.items():
            np.testing.assert_array_equal(mattes[object_name] > 0.5, ids == object_id)
        assert (ids == toy.Field().ids(camera)).mean() > 0.97


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_coco_of_a_sequence_has_all_frames_under_their_names(toy, tmp_path):
    export(toy, tmp_path, "coco")
    coco = COCO(str(tmp_path / "coco.json"))
    assert [image["file_name"] for image in coco.loadImgs(coco.getImgIds())] == [
        f"plate/{name}.png" for name, _ in cameras(toy)
    ]
    entries = coco.loadAnns(coco.getAnnIds())
    assert len(entries) == 3 * FRAMES
    assert {entry["image_id"] for entry in entries} == {1, 2, 3, 4}
    assert {entry["category_id"] for entry in entries} == {1, 2, 3}


def test_the_video_has_every_frame(toy, tmp_path):
    export(toy, tmp_path, "video", settings=ExportSettings(fps=12))
    with av.open(str(tmp_path / "overlay.mp4")) as video:
        stream = video.streams.video[0]
        shown = [frame.to_ndarray(format="rgb24") for frame in video.decode(stream)]
        assert stream.average_rate == 12
    assert len(shown) == FRAMES and shown[0].shape == (24, 32, 3)
    with Image.open(tmp_path / "overlays/path_0000.png") as image:
        assert np.abs(shown[0].astype(int) - np.asarray(image)).mean() < 12


def test_cameras_leave_in_three_forms(toy, tmp_path):
    export(toy, tmp_path, "cameras", settings=ExportSettings(fps=12))
    loaded = load_camera_path(tmp_path / "cameras.json")
    for (_, before), (_, after) in zip(cameras(toy), loaded, strict=True):
        np.testing.assert_allclose(camera_numbers(after), camera_numbers(before), rtol=1e-6, atol=1e-6)
    assert json.loads((tmp_path / "cameras.json").read_text())["fps"] == pytest.approx(12)
    assert (tmp_path / "cameras.nk").read_text().startswith("Camera3 {")
    assert len((tmp_path / "cameras.chan").read_text().splitlines()) == FRAMES


def test_a_form_that_cannot_hold_the_cameras_is_left_out_and_said_to_be(toy, tmp_path):
    views = [(name, replace(camera, cx=3.0)) for name, camera in cameras(toy)]
    result = export(toy, tmp_path, "cameras", views=views)
    assert [note.split(":")[0] for note in result.notes] == ["no cameras.chan", "no cameras.json"]
    assert sorted(p.name for p in tmp_path.glob("cameras.*")) == ["cameras.nk"]


def test_camera_numbers_are_all_of_a_camera(toy):
    camera = toy.look_down(x=0.1, y=-0.37)
    again = camera_of(camera_numbers(camera))
    assert camera_numbers(again) == camera_numbers(camera)
    assert again.camera_to_world.equal(camera.camera_to_world) and again.image_size == camera.image_size


@pytest.mark.slow
def test_several_processes_write_the_same_bytes_as_one(toy, tmp_path):
    formats = ("masks", "ids", "mattes-png", "mattes-exr", "cryptomatte", "coco", "depth", "plate", "video", "cameras")
    one, two = tmp_path / "one", tmp_path / "two"
    done = {one: [], two: []}
    for folder, jobs in ((one, 1), (two, 2)):
        export(toy, folder, *formats, settings=ExportSettings(jobs=jobs), done=done[folder].append)
    assert done[one] == done[two] == [name for name, _ in cameras(toy)]
    before, after = contents(one), contents(two)
    assert list(before) == list(after)
    assert [name for name in before if before[name] != after[name]] == []


def test_what_is_done_is_not_made_again_and_formats_can_be_added(toy, tmp_path):
    field = toy.Field()
    scene, objects = toy.scene(field), ExportedObjects.chosen(toy.layers())
    export(toy, tmp_path, "plate", opened=(scene, objects))
    assert field.colour_renders == FRAMES
    before = contents(tmp_path)
    export(toy, tmp_path, "plate", opened=(scene, objects))
    assert field.colour_renders == FRAMES and contents(tmp_path) == before
    result = export(toy, tmp_path, "masks", opened=(scene, objects))
    assert field.colour_renders == FRAMES
    kinds = {file["kind"] for file in json.loads(result.manifest.read_text())["files"]}
    assert kinds == {"plate", "masks"}


def test_other_objects_are_made_anew_and_the_plate_stays(toy, tmp_path):
    field = toy.Field()
    scene = toy.scene(field)
    export(toy, tmp_path, "plate", "ids", opened=(scene, ExportedObjects.chosen(toy.layers())))
    fewer = ExportedObjects.chosen(toy.layers(), ["red square"])
    export(toy, tmp_path, "plate", "ids", opened=(scene, fewer))
    assert field.colour_renders == FRAMES
    with Image.open(tmp_path / "ids/path_0000.png") as image:
        assert set(np.unique(np.asarray(image))) == {0, 1}


def test_the_manifest_lists_every_file_with_its_frame(toy, tmp_path):
    layers = toy.layers().recolour("red square", (1, 2, 3))
    result = export(toy, tmp_path, "masks", "coco", opened=(toy.scene(), ExportedObjects.chosen(layers)))
    manifest = json.loads(result.manifest.read_text())
    written = {name for name in contents(tmp_path) if not name.startswith(("records", "manifest"))}
    assert {file["path"] for file in manifest["files"]} == written
    assert [file["frame"] for file in manifest["files"] if file["path"] == "coco.json"] == [None]
    assert manifest["about"]["frames"] == [name for name, _ in cameras(toy)]
    assert manifest["objects"][0] == {"id": 1, "name": "red square", "colour": [1, 2, 3]}


@pytest.mark.parametrize(
    ("failure", "expected"),
    [(OSError(errno.ENOSPC, "No space left on device"), SamNerfError), (KeyboardInterrupt(), KeyboardInterrupt)],
)
def test_a_full_disk_or_ctrl_c_keeps_what_is_made_and_the_same_call_goes_on(
    toy, tmp_path, monkeypatch, failure, expected
):
    save = Image.Image.save
    saved = []

    def failing(image, *arguments, **options):
        if len(saved) == 7:  # in the middle of the third frame
            raise failure
        saved.append(arguments)
        return save(image, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "save", failing)
        with pytest.raises(expected) as raised:
            export(toy, tmp_path, "masks")
    if expected is SamNerfError:
        assert "no space left on the disk" in str(raised.value) and "run again" in str(raised.value)
    left = contents(tmp_path)
    assert sum(name.startswith("masks/") for name in left) == 7
    assert not any(name.split("/")[-1].startswith(".") for name in left)
    assert sum(name.startswith("records/") for name in left) == 2
    made = []
    monkeypatch.setattr(Image.Image, "save", lambda *a, **o: (made.append(a), save(*a, **o)))
    result = export(toy, tmp_path, "masks")
    assert len(made) == 3 * FRAMES - 6
    whole = contents(tmp_path)
    assert all(whole[name] == content for name, content in left.items())
    assert len(json.loads(result.manifest.read_text())["files"]) == 3 * FRAMES


def test_a_full_disk_while_cameras_are_written_is_no_note(toy, tmp_path, monkeypatch):
    def full(self, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(SamNerfError, match="no space left"):
        export(toy, tmp_path, "cameras")


def test_formats_are_chosen_by_name(toy):
    assert chosen_formats(["all"]) == FORMATS
    assert chosen_formats(["mesh", "masks"]) == ("masks", "mesh")
    assert needs_objects(["plate", "masks"]) and needs_objects(["boxes"])
    assert not needs_objects(["plate", "depth", "cameras"])
    assert steps(["masks", "ids", "mesh", "cameras"], 10) == 11
    assert steps(["mesh", "boxes", "cameras"], 10) == 2


@pytest.mark.parametrize(
    ("formats", "options", "message"),
    [
        (["mask"], {}, "no format 'mask'; there are masks, ids, "),
        ([], {}, "name at least one format"),
        (["masks"], {"views": []}, "there are no cameras"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(toy, tmp_path, formats, options, message):
    with pytest.raises(SamNerfError, match=message):
        export(toy, tmp_path / "out", *formats, **options)
    assert not (tmp_path / "out").exists()


def test_a_video_of_frames_of_several_sizes_is_refused(toy, tmp_path):
    views = [*cameras(toy), ("large", toy.look_down())]
    with pytest.raises(SamNerfError, match="the cameras have 32 x 24 and 128 x 96 pixels; give a --size"):
        export(toy, tmp_path / "out", "video", views=views)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("options", "message"), [({"jobs": 0}, "0 jobs"), ({"fps": 0.0}, "0 frames per second")])
def test_settings_that_make_no_sense_are_refused(options, message):
    with pytest.raises(SamNerfError, match=message):
        ExportSettings(**options)


class Boxes(Matter):
    """A matter that sees nine tenths of every box but those of the smallest object, where it sees nothing."""

    refine, key = False, ""

    def __init__(self, key="boxes"):
        self.key, self.asked = key, 0

    def decode(self, feature_map, decoded, image=None, shown=None):
        self.asked += 1
        alpha, box = torch.zeros(feature_map.image_size), decoded[0].boxes[0]
        if (box.x2 - box.x1) * (box.y2 - box.y1) > 20:
            alpha[int(box.y1) : int(box.y2), int(box.x1) : int(box.x2)] = 0.9
        return alpha


def matted(toy, matter, names=()):
    return toy.scene(), replace(ExportedObjects.chosen(toy.layers(), names), matter=matter)


def test_all_formats_tell_the_same_of_alphas_by_an_adapter(toy, tmp_path, monkeypatch):
    monkeypatch.setattr("samnerf.objects.adapted_alphas.SMALLEST", 4)
    result = export(toy, tmp_path, "ids", "masks", "mattes-png", "cryptomatte", opened=matted(toy, Boxes()))
    assert result.notes == (
        "alpha of 'blue square' is the geometry's in 4 frames, where the adapter sees something else: path_0000, "
        "path_0001, path_0002, ...",
    )
    for name, _ in cameras(toy):
        with Image.open(tmp_path / f"ids/{name}.png") as image:
            ids = np.asarray(image)
        mattes, _ = cryptomatte_reader()(tmp_path / f"cryptomatte/{name}.exr")
        for object_id, object_name in toy.names.items():
            file = f"{object_name.replace(' ', '_')}/{name}.png"
            with Image.open(tmp_path / "mattes-png" / file) as matte, Image.open(tmp_path / "masks" / file) as mask:
                alpha, inside = np.asarray(matte) / 65535, np.asarray(mask) == 255
            np.testing.assert_allclose(mattes[object_name], alpha, atol=1e-4)
            np.testing.assert_array_equal(ids == object_id, alpha > 0.5)
            np.testing.assert_array_equal(ids == object_id, inside)
            assert inside.any() and alpha.max() == pytest.approx(1 if object_id == 3 else 0.9, abs=1e-4)


def test_another_adapter_makes_pictures_of_objects_anew_and_nothing_else(toy, tmp_path):
    first = Boxes()
    export(toy, tmp_path, "ids", "plate", "boxes", opened=matted(toy, first))
    before = contents(tmp_path)
    again = Boxes()
    export(toy, tmp_path, "ids", "plate", "boxes", opened=matted(toy, again))
    assert first.asked and not again.asked and contents(tmp_path) == before
    other = Boxes("another")
    export(toy, tmp_path, "ids", "plate", "boxes", opened=matted(toy, other))
    after = contents(tmp_path)
    assert other.asked == first.asked
    changed = [name for name in before if before[name] != after[name]]
    assert changed and all(name.startswith("records/") and "ids" in name for name in changed)


def test_alphas_do_not_depend_on_which_objects_are_written(toy, tmp_path):
    whole, one = tmp_path / "whole", tmp_path / "one"
    export(toy, whole, "mattes-png", opened=matted(toy, Boxes()))
    export(toy, one, "mattes-png", opened=matted(toy, Boxes(), ["green square"]))
    written = {name: content for name, content in contents(one).items() if name.endswith(".png")}
    assert len(written) == FRAMES
    assert all(contents(whole)[name] == content for name, content in written.items())
