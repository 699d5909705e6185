"""Files to take home."""

import io
import json
import zipfile
from dataclasses import replace

import av
import numpy as np
import pytest
import torch
from PIL import Image

from samnerf.errors import SamNerfError
from samnerf.export.exr import read_mattes
from samnerf.export.point_cloud import read_ply
from samnerf.matting.matter import Matter
from samnerf.objects.layer_files import load_layers
from samnerf.objects.layers import ObjectLayers
from samnerf.viewer.scene_app.exports import FILM, FORMATS, NAMES, OBJECTS, PICTURES, Export, export_objects, packed
from samnerf.viewer.scene_app.painting import paint
from samnerf.viewer.scene_app.work import CancelledError, Work

CALLED = {one: name for name, one in FORMATS.items()}


@pytest.fixture
def export(world, toy):
    frame = world.frame()
    return Export(world.actions, toy.layers(1, 2), frame, world.desk, [("view", frame.camera)])


@pytest.fixture
def photographs(export):
    cameras = [(picture.name, picture.camera) for picture in export.actions.scene.pictures.values()]
    return replace(export, cameras=cameras)


def written(export, name, tmp_path, work=None):
    return export_objects(export, name, tmp_path, work or Work("export"))


def test_masks_of_all_photographs_come_in_one_archive(photographs, tmp_path):
    folder = written(photographs, CALLED["masks"], tmp_path)
    name, content = packed(folder)
    names = zipfile.ZipFile(io.BytesIO(content)).namelist()
    assert name == f"{folder.name}.zip"
    assert sum("masks/red_square/" in one for one in names) == 5
    assert f"{folder.name}/manifest.json" in names
    assert not any("records" in one for one in names)


def test_mattes_are_the_alphas_of_the_view(export, tmp_path, world):
    mattes = read_mattes(written(export, CALLED["mattes-exr"], tmp_path) / "mattes-exr/view.exr")
    assert np.array_equal(mattes["red square"] > 0.5, world.field.ids(world.camera) == 1)


def test_a_picture_is_what_is_shown_and_comes_alone(export, tmp_path):
    name, content = packed(written(export, PICTURES, tmp_path))
    assert name == "view.png"
    shown = paint(export.frame, export.desk, export.layers)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(content))), shown)


def test_pictures_of_other_views_show_what_is_prompted(photographs, world, tmp_path):
    desk = world.actions.click(world.desk, photographs.frame, world.place(3))
    folder = written(replace(photographs, desk=desk, layers=ObjectLayers()), PICTURES, tmp_path)
    plain = written(replace(photographs, layers=ObjectLayers()), PICTURES, tmp_path)
    for name, camera in photographs.cameras:
        changed = (_png(folder / f"{name}.png") != _png(plain / f"{name}.png")).any(axis=-1)
        assert changed[world.mask(3, camera)].all()
        assert changed[~world.mask(3, camera)].mean() < 0.05


def test_a_film_of_the_camera_path_has_all_its_pictures(photographs, tmp_path):
    path = written(photographs, FILM, tmp_path) / "film.mp4"
    with av.open(str(path)) as film:
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(frames) == len(photographs.cameras)
    assert frames[0].shape == (96, 128, 3)


def test_a_film_of_pictures_of_several_sizes_is_refused(photographs, toy, tmp_path):
    mixed = [*photographs.cameras, ("small", toy.look_down(height=48, width=64))]
    with pytest.raises(SamNerfError, match="of one size"):
        written(replace(photographs, cameras=mixed), FILM, tmp_path)


def test_points_belong_to_the_shown_objects(export, tmp_path):
    cloud = read_ply(written(export, CALLED["points"], tmp_path) / "points/all.ply")
    assert set(np.unique(cloud.object_ids)) == {1, 2}


def test_boxes_have_names(export, tmp_path):
    document = json.loads((written(export, CALLED["boxes"], tmp_path) / "boxes.json").read_text())
    assert [one["name"] for one in document["objects"]] == ["red square", "green square"]


def test_objects_can_be_read_again(export, tmp_path):
    path = written(export, OBJECTS, tmp_path) / "objects.json"
    assert len(load_layers(path, export.actions.scene.checkpoint_hash).objects) == 2


@pytest.mark.parametrize("one", ["ids", "cryptomatte", "coco", "plate", "depth", "video", "cameras"])
def test_every_other_format_writes_files_that_the_manifest_names(export, one, tmp_path):
    folder = written(export, CALLED[one], tmp_path)
    document = json.loads((folder / "manifest.json").read_text())
    assert document["files"]
    assert all((folder / file["path"]).stat().st_size == file["bytes"] for file in document["files"])


def test_two_exports_of_one_second_do_not_meet(export, tmp_path):
    assert written(export, PICTURES, tmp_path) != written(export, PICTURES, tmp_path)


def test_everything_lies_below_the_folder(export, tmp_path):
    for name in (PICTURES, OBJECTS, CALLED["masks"]):
        assert written(export, name, tmp_path / "exports").parent == tmp_path / "exports"
    assert [path.name for path in tmp_path.iterdir()] == ["exports"]


@pytest.mark.parametrize("name", [OBJECTS, *(name for name in FORMATS if name.startswith(("Masks", "Mesh", "Boxes")))])
def test_objects_that_are_not_there_are_no_files(export, name, tmp_path):
    with pytest.raises(SamNerfError, match="no object is locked and shown"):
        written(replace(export, layers=ObjectLayers()), name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_objects_there_is_still_the_scene(export, tmp_path):
    folder = written(replace(export, layers=ObjectLayers()), CALLED["depth"], tmp_path)
    assert (folder / "depth/view.exr").exists()


def test_an_unknown_export_is_refused(export, tmp_path):
    with pytest.raises(SamNerfError, match="there is no export"):
        written(export, "../../masks", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(export, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SamNerfError, match="cannot be written below"):
        written(export, PICTURES, tmp_path / "file")


@pytest.mark.parametrize("name", [CALLED["masks"], PICTURES])
def test_a_cancelled_export_ends(photographs, name, tmp_path):
    work = Work("export")
    work.cancel()
    with pytest.raises(CancelledError):
        written(photographs, name, tmp_path, work)


def test_progress_is_told_from_beginning_to_end(photographs, tmp_path):
    told = []
    written(photographs, CALLED["masks"], tmp_path, Work("export", lambda _, part: told.append(part)))
    assert told == sorted(told)
    assert (told[0], told[-1]) == (0, 1)


def test_what_is_called_something_is_there_once():
    assert len(set(NAMES)) == len(NAMES)


def _png(path):
    return np.asarray(Image.open(path))


class Halved(Matter):
    """A matter that sees nine tenths of whatever is prompted by a box, and knows how often it was asked."""

    refine, key = False, "halved"

    def __init__(self):
        self.asked = 0

    def decode(self, feature_map, decoded, image=None, shown=None):
        self.asked += 1
        alpha, box = torch.zeros(feature_map.image_size), decoded[0].boxes[0]
        alpha[int(box.y1) : int(box.y2), int(box.x1) : int(box.x2)] = 0.9
        return alpha


def test_mattes_may_come_from_the_adapter(export, tmp_path, world):
    matter = Halved()
    world.actions.soft_edges.matter = lambda: matter
    of_adapter = written(replace(export, alpha="adapter"), CALLED["mattes-exr"], tmp_path)
    of_geometry = written(export, CALLED["mattes-exr"], tmp_path)
    assert matter.asked == 2
    mattes, rendered = (read_mattes(folder / "mattes-exr/view.exr") for folder in (of_adapter, of_geometry))
    ids = world.field.ids(world.camera)
    for object_id, name in ((1, "red square"), (2, "green square")):
        assert np.array_equal(mattes[name] > 0.5, ids == object_id)
        assert mattes[name].max() == pytest.approx(0.9, abs=1e-3)
        assert rendered[name].max() == 1


def test_what_needs_no_alpha_needs_no_adapter_and_what_does_says_that_it_is_missing(export, tmp_path):
    with pytest.raises(SamNerfError, match="no matting adapter for 'toy-sam'"):
        written(replace(export, alpha="adapter"), CALLED["cryptomatte"], tmp_path)
    assert (written(replace(export, alpha="adapter"), CALLED["boxes"], tmp_path) / "boxes.json").exists()
