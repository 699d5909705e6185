"""Files to take home."""

import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from samnerf.errors import SamNerfError
from samnerf.export.exr import read_mattes
from samnerf.export.point_cloud import read_ply
from samnerf.objects.layer_files import load_layers
from samnerf.objects.layers import ObjectLayers
from samnerf.viewer.scene_app.exports import FORMATS, Export, export_objects, packed
from samnerf.viewer.scene_app.work import CancelledError, Work

NAMES = {name.split(" ")[0]: name for name in FORMATS}


@pytest.fixture
def export(world, toy):
    return Export(world.scene, toy.layers(1, 2), world.frame(), world.desk)


def written(export, which, tmp_path):
    return export_objects(export, NAMES[which], tmp_path, Work("export"))


def test_masks_of_all_photographs_come_in_one_archive(export, tmp_path):
    folder = written(export, "Masks", tmp_path)
    name, content = packed(folder)
    names = zipfile.ZipFile(io.BytesIO(content)).namelist()
    assert name == f"{folder.name}.zip"
    assert sum("/ids/" in one for one in names) == 5
    assert not any("/records/" in one for one in names)


def test_mattes_are_the_alphas_of_the_view(export, tmp_path, world):
    mattes = read_mattes(written(export, "Mattes", tmp_path) / "mattes.exr")
    assert np.array_equal(mattes["red square"] > 0.5, world.field.ids(world.camera) == 1)


def test_a_single_file_is_not_packed(export, tmp_path):
    name, content = packed(written(export, "This", tmp_path))
    assert name == "picture.png"
    assert Image.open(io.BytesIO(content)).size == (128, 96)


def test_points_belong_to_the_shown_objects(export, tmp_path):
    cloud = read_ply(written(export, "Point", tmp_path) / "objects.ply")
    assert set(np.unique(cloud.object_ids)) == {1, 2}


def test_boxes_have_names(export, tmp_path):
    document = json.loads((written(export, "Boxes", tmp_path) / "boxes.json").read_text())
    assert [one["name"] for one in document["objects"]] == ["red square", "green square"]


def test_objects_can_be_read_again(export, tmp_path):
    path = written(export, "Objects", tmp_path) / "objects.json"
    assert len(load_layers(path, export.scene.checkpoint_hash).objects) == 2


def test_a_cryptomatte_is_written(export, tmp_path):
    assert (written(export, "Cryptomatte", tmp_path) / "cryptomatte.exr").stat().st_size > 1000


def test_two_exports_of_one_second_do_not_meet(export, tmp_path):
    assert written(export, "This", tmp_path) != written(export, "This", tmp_path)


def test_everything_lies_below_the_folder(export, tmp_path):
    for which in NAMES:
        assert written(export, which, tmp_path / "exports").parent == tmp_path / "exports"


def test_nothing_to_export_is_refused(export, tmp_path, world):
    empty = Export(export.scene, ObjectLayers(), export.frame, export.desk)
    with pytest.raises(SamNerfError, match="no object is locked and shown"):
        written(empty, "Masks", tmp_path)
    with pytest.raises(SamNerfError, match="there is no export"):
        export_objects(export, "../../masks", tmp_path, Work("export"))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(export, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SamNerfError, match="cannot be written below"):
        written(export, "This", tmp_path / "file")


def test_a_cancelled_export_ends(export, tmp_path):
    work = Work("export")
    work.cancel()
    with pytest.raises(CancelledError):
        export_objects(export, NAMES["Masks"], tmp_path, work)
