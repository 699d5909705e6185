"""What is written of a frame: every format tells the same of the same objects."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools import mask as coco_masks
from pycocotools.coco import COCO

from samnerf.errors import SamNerfError
from samnerf.export.export_source import ExportedObjects
from samnerf.export.exr import read_exr, read_mattes
from samnerf.export.frame_formats import FRAME_FORMATS, Frame
from samnerf.export.manifest import FrameFiles
from samnerf.objects.layers import ObjectLayers
from samnerf.objects.object_rendering import render_objects
from samnerf.objects.probability_grid import ProbabilityGrid


def by_the_specification():
    """The reader of Cryptomattes that knows nothing of ours."""
    path = Path(__file__).with_name("test_cryptomatte.py")
    spec = importlib.util.spec_from_file_location("cryptomatte_reader", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.read_by_the_specification


def read(path):
    with Image.open(path) as image:
        return np.asarray(image)


def write(tmp_path, frame, *formats):
    return [FRAME_FORMATS[one].write(frame, FrameFiles(tmp_path)) for one in formats or FRAME_FORMATS]


def frame_of(toy, objects, camera=None, name="f"):
    return Frame(name, camera or toy.look_down(x=0.05), toy.scene(), objects)


def soft(layers):
    """The same objects, half as sure, so that alphas lie between 0 and 1."""
    objects = [replace(one, grid=replace(one.grid, values=one.grid.values * 0.6)) for one in layers.objects]
    return replace(layers, objects=tuple(objects))


def test_masks_and_ids_are_what_the_camera_sees(toy, tmp_path):
    camera = toy.look_down(x=0.05)
    write(tmp_path, frame_of(toy, ExportedObjects.chosen(toy.layers())), "masks", "ids")
    truth = toy.Field().ids(camera)
    ids = read(tmp_path / "ids/f.png")
    assert ids.dtype == np.uint16
    assert (ids == truth).mean() > 0.99
    for object_id, name in toy.names.items():
        mask = read(tmp_path / f"masks/{name.replace(' ', '_')}/f.png")
        assert set(np.unique(mask)) == {0, 255}
        np.testing.assert_array_equal(mask == 255, ids == object_id)


def test_all_mattes_hold_the_rendered_alphas(toy, tmp_path):
    layers = soft(toy.layers())
    frame = frame_of(toy, ExportedObjects.chosen(layers))
    expected = render_objects(toy.Field().render_samples(frame.camera), layers.objects).numpy()
    assert 0.5 < expected.max() < 0.7
    assert write(tmp_path, frame, "mattes-png", "mattes-exr", "cryptomatte") == [None] * 3
    halves = read_mattes(tmp_path / "mattes-exr/f.exr")
    crypto, _ = by_the_specification()(tmp_path / "cryptomatte/f.exr")
    for name, alpha in zip(toy.names.values(), expected, strict=True):
        png = read(tmp_path / f"mattes-png/{name.replace(' ', '_')}/f.png")
        np.testing.assert_allclose(png / 65535, alpha, atol=1e-5)
        np.testing.assert_allclose(halves[name], alpha, atol=5e-4)
        np.testing.assert_allclose(crypto[name], alpha, atol=1e-6)


def test_objects_in_one_place_share_it(toy, tmp_path):
    layers = toy.layers(1)
    layers = layers.add(toy.lock(1), "twin")
    write(tmp_path, frame_of(toy, ExportedObjects.chosen(layers)), "cryptomatte")
    mattes, _ = by_the_specification()(tmp_path / "cryptomatte/f.exr")
    np.testing.assert_allclose(mattes["twin"], mattes["red square"], atol=1e-6)
    np.testing.assert_allclose(sum(mattes.values()), 1, atol=1e-5)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_coco_opens_in_pycocotools_with_the_masks_of_the_ids(toy, tmp_path):
    frame = frame_of(toy, ExportedObjects.chosen(toy.layers()))
    write(tmp_path, frame, "coco")
    coco = COCO(str(tmp_path / "coco/f.json"))
    assert {c["id"]: c["name"] for c in coco.loadCats(coco.getCatIds())} == toy.names
    for entry in coco.loadAnns(coco.getAnnIds()):
        mask = coco.annToMask(entry).astype(bool)
        np.testing.assert_array_equal(mask, frame.ids == entry["category_id"])
        assert (entry["area"], entry["score"]) == (mask.sum(), pytest.approx(0.85))
        assert entry["bbox"] == coco_masks.toBbox(entry["segmentation"]).tolist()


def test_depth_runs_along_the_optical_axis_and_the_plate_is_the_colour(toy, tmp_path):
    frame = frame_of(toy, ExportedObjects.none(), toy.look_down(z=2.0))
    write(tmp_path, frame, "depth", "plate")
    depth = read_exr(tmp_path / "depth/f.exr").channels["Z"]
    np.testing.assert_allclose(np.unique(depth.round(3)), [1.9, 2.0], atol=1e-3)
    np.testing.assert_array_equal(read(tmp_path / "plate/f.png"), frame.view.rgb)


def test_the_overlay_has_the_colours_of_the_objects(toy, tmp_path):
    layers = toy.layers(1).recolour("red square", (0, 200, 255))
    frame = frame_of(toy, ExportedObjects.chosen(layers))
    write(tmp_path, frame, "video")
    picture = read(tmp_path / "overlays/f.png").astype(int)
    assert (picture[frame.ids == 0] == frame.view.rgb[frame.ids == 0]).all()
    inside = picture[frame.ids == 1]
    assert (inside[:, 2] > 100).all() and (inside[:, 1] > 80).all()


def test_an_object_that_is_not_asked_for_still_hides_others(toy, tmp_path):
    layers = toy.layers(1, 2).add(toy.lock(1), "twin")
    alone = frame_of(toy, ExportedObjects.chosen(layers, ["red square"]))
    ((one, alpha),) = alone.alphas()
    assert one.name == "red square"
    assert alpha.max() == pytest.approx(0.5)
    hidden = frame_of(toy, ExportedObjects.chosen(layers.show("twin", False), ["red square"]))
    ((_, alpha),) = hidden.alphas()
    assert alpha.max() == pytest.approx(1)
    assert set(np.unique(alone.ids)) == {0} and set(np.unique(hidden.ids)) == {0, 1}


def test_files_are_named_by_the_object_in_any_script_and_never_all(toy, tmp_path):
    layers = toy.layers().rename("red square", "狐 / лиса").rename("green square", "ALL").rename("blue square", "all")
    objects = ExportedObjects.chosen(layers)
    assert objects.file_names[1] == "狐_лиса"
    assert len({name.casefold() for name in objects.file_names.values()}) == 4
    assert all(objects.file_names[one.object_id].casefold() != "all" for one in objects.written)
    write(tmp_path, frame_of(toy, objects))
    assert (tmp_path / "masks/狐_лиса/f.png").exists()
    crypto, _ = by_the_specification()(tmp_path / "cryptomatte/f.exr")
    assert list(crypto) == ["狐 / лиса", "ALL", "all", None]


def test_a_file_name_does_not_depend_on_who_else_is_exported(toy):
    layers = toy.layers(1, 2).rename("red square", "a b").rename("green square", "a/b")
    both, one = ExportedObjects.chosen(layers), ExportedObjects.chosen(layers, ["a/b"])
    assert both.file_names == one.file_names


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3)])
def test_every_size_has_every_format(toy, tmp_path, size):
    camera = toy.look_down(x=-0.6).scaled(*size)
    write(tmp_path, frame_of(toy, ExportedObjects.chosen(toy.layers()), camera))
    assert read(tmp_path / "ids/f.png").shape == size
    assert read_exr(tmp_path / "depth/f.exr").channels["Z"].shape == size


def test_a_wide_picture_in_cheap_formats(toy, tmp_path):
    camera = toy.look_down().scaled(2160, 4096)
    frame = frame_of(toy, ExportedObjects.chosen(toy.layers(1)), camera)
    write(tmp_path, frame, "ids")
    assert read(tmp_path / "ids/f.png").shape == (2160, 4096)
    assert (frame.ids == 1).mean() == pytest.approx((toy.Field().ids(toy.look_down()) == 1).mean(), rel=0.05)


def test_a_camera_inside_an_object_sees_nothing_else(toy, tmp_path):
    around = ProbabilityGrid(torch.ones(4, 4, 4), torch.tensor([-5.0, -5.0, -5.0]), 10 / 3)
    layers = toy.layers(1)
    layers = replace(layers, objects=(replace(layers.objects[0], grid=around),))
    frame = frame_of(toy, ExportedObjects.chosen(layers), toy.look_down(z=1.0))
    write(tmp_path, frame)
    mattes, _ = by_the_specification()(tmp_path / "cryptomatte/f.exr")
    np.testing.assert_allclose(mattes["red square"], 1, atol=1e-6)


def many(toy, count):
    """Objects side by side on the floor, each a tile."""
    one = toy.lock(1)
    layers = ObjectLayers()
    for i in range(count):
        corner = torch.tensor([-1.6 + 3.2 / 20 * (i % 20), -1.2 + 2.4 / 15 * (i // 20), -0.01])
        grid = ProbabilityGrid(torch.ones(2, 2, 2), corner, 0.15)
        layers = layers.add(replace(one, grid=grid), f"tile {i}")
    return layers


def test_three_hundred_objects(toy, tmp_path):
    frame = frame_of(toy, ExportedObjects.chosen(many(toy, 300)))
    write(tmp_path, frame, "ids", "cryptomatte", "coco", "mattes-exr")
    ids = read(tmp_path / "ids/f.png")
    assert len(np.unique(ids)) > 250 and ids.max() > 255
    mattes, _ = by_the_specification()(tmp_path / "cryptomatte/f.exr")
    assert len(mattes) == 301
    np.testing.assert_array_equal(mattes["tile 299"] > 0.5, ids == 300)
    assert len(json.loads((tmp_path / "coco/f.json").read_text())["annotations"]) > 250


def test_more_objects_in_a_pixel_than_a_cryptomatte_holds_is_said(toy, tmp_path):
    layers = ObjectLayers()
    for i in range(8):
        layers = layers.add(toy.lock(1), f"twin {i}")
    (note,) = write(tmp_path, frame_of(toy, ExportedObjects.chosen(layers)), "cryptomatte")
    assert "more than 6 objects meet in a pixel, and up to 0.250 of it" in note


@pytest.mark.parametrize(
    ("layers", "names", "message"),
    [
        (lambda toy: ObjectLayers(), (), "no object is locked yet; run samnerf lock"),
        (lambda toy: toy.layers(1).show("red square", False), (), "all objects are hidden; name some"),
        (lambda toy: toy.layers(1), ("unicorn",), "no object is called 'unicorn'"),
    ],
)
def test_nothing_to_export_is_said(toy, layers, names, message):
    with pytest.raises(SamNerfError, match=message):
        ExportedObjects.chosen(layers(toy), names)
