"""Encoded mattes: the layout that SAM for Nuke reads, files that give back every bit, sequences that go on."""

import json
import re
from types import SimpleNamespace

import numpy as np
import OpenEXR
import pytest
import torch
from PIL import Image

from samnerf.errors import SamNerfError
from samnerf.export import encoded_sequence
from samnerf.export.encoded_matte import (
    EncodedMatte,
    from_matte,
    matte_size,
    read_encoded_matte,
    to_matte,
    write_encoded_matte,
)
from samnerf.export.encoded_segmentation import EncodedView, segment_mattes
from samnerf.export.encoded_sequence import PlateMattes, SceneMattes, export_mattes
from samnerf.export.exr import read_exr, write_exr
from samnerf.export.light import linear_light
from samnerf.export.plates import find_plates, read_plate, square_input
from samnerf.feature_map import FeatureMap
from samnerf.prompts import Box, Phrase, Point, PromptFile, PromptSet, WorldPoint
from samnerf.session import Session
from samnerf.teachers.pairs import FeatureSpec, load_encoder, load_mask_decoder

NUKE = (256, 64, 64)
SIZE = (90, 160)


def random_map(shape=NUKE, teacher="sam-vit-h", layout="stretch", size=SIZE):
    values = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    return FeatureMap(values, size, layout, teacher)


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("tiny", "sam")


@pytest.fixture(scope="module")
def decoder():
    return load_mask_decoder("tiny")


@pytest.fixture(scope="module")
def plate():
    """Two squares on grey, linear light."""
    colours = np.full((*SIZE, 3), 0.3)
    colours[20:60, 20:70] = 0.8, 0.1, 0.1
    colours[30:80, 100:140] = 0.1, 0.7, 0.2
    return linear_light(colours).astype(np.float32)


@pytest.fixture(scope="module")
def encoded(encoder, plate):
    return encoder.encode_square(square_input(plate, encoder.input_side), SIZE)


def exr_header(path):
    return OpenEXR.File(str(path)).header()


def toy_scene(toy, layout="stretch"):
    field = toy.Field(layout=layout)
    field.specs = {"sam": FeatureSpec("toy-sam", 8, 32, layout)}
    field.statistics = {"sam": SimpleNamespace(weights_hash="0" * 64)}
    return toy.scene(field)


def toy_cameras(scene):
    return [camera for _, camera in scene.cameras("test")]


def test_every_pixel_holds_what_the_contract_says():
    values = random_map().values
    matte = to_matte(values)
    r, q = np.mgrid[:1024, :1024]
    assert matte.dtype == np.float32
    np.testing.assert_array_equal(matte, values.numpy()[r // 4, (r % 4) * 16 + q // 64, q % 64])


@pytest.mark.parametrize(
    ("shape", "size"),
    [(NUKE, (1024, 1024)), ((128, 32, 32), (256, 512)), ((32, 8, 8), (32, 64)), ((64, 8, 8), (64, 64))],
)
def test_a_map_fills_its_picture_and_comes_back(shape, size):
    values = random_map(shape).values
    assert matte_size(shape) == size == to_matte(values).shape
    assert torch.equal(from_matte(to_matte(values), shape), values)


@pytest.mark.parametrize("shape", [(3, 5, 5), (16, 4, 4)])
def test_a_map_without_a_picture_is_refused(shape):
    with pytest.raises(ValueError, match="fills no picture"):
        matte_size(shape)


@pytest.mark.parametrize(("teacher", "level"), [("sam-vit-h", "high"), ("sam-vit-b", "fast")])
def test_the_file_is_what_sam_for_nuke_reads(tmp_path, teacher, level):
    path = tmp_path / "shot.0001.exr"
    write_encoded_matte(path, random_map(teacher=teacher))
    header = exr_header(path)
    for window in ("dataWindow", "displayWindow"):
        assert np.asarray(header[window]).tolist() == [[0, 0], [1023, 1023]]
    assert header["type"] == OpenEXR.scanlineimage
    assert header["compression"] == OpenEXR.ZIP_COMPRESSION
    assert header["nuke/sam/detailLevel"] == level
    with OpenEXR.File(str(path), separate_channels=True) as file:
        assert len(file.parts) == 1
        assert list(file.channels()) == ["A"]
        assert file.channels()["A"].pixels.dtype == np.float32
    assert read_exr(path).attributes["samnerf/readers"] == "SAM for Nuke, samnerf"


@pytest.mark.parametrize(("teacher", "shape"), [("tiny-sam", (128, 32, 32)), ("sam-vit-l", NUKE)])
def test_what_nuke_has_no_decoder_for_says_so_and_names_no_level(tmp_path, teacher, shape):
    write_encoded_matte(tmp_path / "a.exr", random_map(shape, teacher))
    attributes = read_exr(tmp_path / "a.exr").attributes
    assert "nuke/sam/detailLevel" not in attributes
    assert attributes["samnerf/readers"].startswith("samnerf alone")
    assert attributes["samnerf/mapShape"] == " ".join(map(str, shape))


def test_reading_gives_back_every_bit(tmp_path):
    given = random_map((128, 32, 32), "tiny-sam")
    write_encoded_matte(tmp_path / "a.exr", given, "ab" * 32)
    read = read_encoded_matte(tmp_path / "a.exr")
    assert torch.equal(read.feature_map.values, given.values)
    assert (read.feature_map.image_size, read.feature_map.layout, read.feature_map.teacher) == (
        SIZE,
        "stretch",
        "tiny-sam",
    )
    assert read.weights_hash == "ab" * 32
    assert read_encoded_matte(tmp_path / "a.exr", (10, 20)).feature_map.image_size == (10, 20)


def test_decoding_a_file_is_decoding_the_map(tmp_path, encoded, decoder):
    write_encoded_matte(tmp_path / "a.exr", encoded)
    read = read_encoded_matte(tmp_path / "a.exr").feature_map
    session = Session(decoder)
    for prompts in (
        PromptSet(points=(Point(45.0, 40.0),)),
        PromptSet(points=(Point(120.0, 55.0), Point(45.0, 40.0, 0))),
        PromptSet(boxes=(Box(95.0, 25.0, 145.0, 85.0),)),
    ):
        direct = session.segment(EncodedView("a", EncodedMatte(encoded)), prompts)
        again = session.segment(EncodedView("a", EncodedMatte(read)), prompts)
        assert torch.equal(direct.logits, again.logits)
        assert torch.equal(direct.scores, again.scores)
        assert direct.mask().any()


@pytest.mark.parametrize(
    ("attributes", "teacher"), [({"nuke/sam/detailLevel": "high"}, "sam-vit-h"), ({}, "sam-vit-b")]
)
def test_a_file_of_sam_for_nuke_needs_the_size_of_its_plate(tmp_path, attributes, teacher):
    values = random_map().values
    write_exr(tmp_path / "a.exr", {"A": to_matte(values)}, attributes)
    with pytest.raises(SamNerfError, match="does not say how large its plate is; give --size"):
        read_encoded_matte(tmp_path / "a.exr")
    read = read_encoded_matte(tmp_path / "a.exr", SIZE).feature_map
    assert read.teacher == teacher and torch.equal(read.values, values)


@pytest.mark.parametrize(
    ("channels", "attributes", "message"),
    [
        ({"R": (8, 8)}, {}, "no channel A, but R"),
        ({"A": (512, 512)}, {}, r"\(512, 512\) pixels"),
        ({"A": (1024, 1024)}, {"samnerf/mapShape": "256 64"}, "3 whole numbers were expected"),
        ({"A": (1024, 1024)}, {"samnerf/mapShape": "128 32 32"}, r"takes \(256, 512\)"),
        ({"A": (1024, 1024)}, {"samnerf/imageSize": "1920 -1"}, "2 whole numbers were expected"),
    ],
)
def test_what_is_no_encoded_matte_is_refused(tmp_path, channels, attributes, message):
    said = {"samnerf/imageSize": "160 90", **attributes}
    write_exr(tmp_path / "a.exr", {name: np.zeros(size, np.float32) for name, size in channels.items()}, said)
    with pytest.raises(SamNerfError, match=message):
        read_encoded_matte(tmp_path / "a.exr")


def test_values_that_are_no_numbers_are_neither_written_nor_read(tmp_path):
    broken = random_map()
    broken.values[3, 2, 1] = torch.nan
    with pytest.raises(SamNerfError, match="values that are no numbers"):
        write_encoded_matte(tmp_path / "a.exr", broken)
    assert not any(tmp_path.iterdir())
    write_exr(tmp_path / "b.exr", {"A": to_matte(broken.values)})
    with pytest.raises(SamNerfError, match="values that are no numbers"):
        read_encoded_matte(tmp_path / "b.exr", SIZE)


def test_letterbox_is_not_passed_off_as_stretch(toy, tmp_path):
    with pytest.raises(SamNerfError, match="samnerf extract --layout stretch and train with"):
        write_encoded_matte(tmp_path / "a.exr", random_map(layout="letterbox"))
    scene = toy_scene(toy, "letterbox")
    with pytest.raises(SamNerfError, match="samnerf extract --layout stretch and train with"):
        SceneMattes(scene, toy_cameras(scene))
    assert scene.pipeline.model.feature_renders == 0


def test_maps_with_finer_levels_are_refused(tmp_path):
    with pytest.raises(SamNerfError, match="use sam-vit-h or sam-vit-b"):
        write_encoded_matte(tmp_path / "a.exr", random_map(teacher="sam2-hiera-tiny"))


def test_plates_are_resized_in_linear_light_and_get_the_curve_afterwards():
    stripes = np.zeros((8, 64, 3), np.float32)
    stripes[:, ::2] = 1.0
    # The middle of black and white is half the light, and that is brighter than half of sRGB.
    np.testing.assert_allclose(square_input(stripes, 8)[:, :, 3:5], 0.735357, atol=1e-5)
    np.testing.assert_allclose(square_input(stripes, 8, bypass_srgb=True)[:, :, 3:5], 0.5, atol=1e-5)


def test_beyond_0_to_1_is_cut_off_and_no_number_stays_where_it_is():
    plate = np.full((4, 4, 3), 0.5, np.float32)
    plate[0, 0], plate[3, 3] = np.nan, np.inf
    plate[0, 3] = -7
    square = square_input(plate, 4, bypass_srgb=True)
    assert square[:, 0, 0].tolist() == [0, 0, 0] and square[:, 3, 3].tolist() == [1, 1, 1]
    assert square[:, 0, 3].tolist() == [0, 0, 0] and square[:, 1, 1].tolist() == [0.5, 0.5, 0.5]


def test_the_square_input_encodes_as_an_8_bit_picture_does(encoder):
    random = np.random.default_rng(0)
    picture = random.integers(0, 256, (256, 256, 3), dtype=np.uint8)
    direct = encoder.encode(picture, "stretch")
    light = linear_light(picture / 255).astype(np.float32)
    square = encoder.encode_square(square_input(light, 256), (256, 256))
    torch.testing.assert_close(square.values, direct.values, atol=2e-4, rtol=0)
    with pytest.raises(ValueError, match="'tiny-sam' sees 256"):
        encoder.encode_square(torch.zeros(3, 8, 8), (8, 8))


def test_a_linear_plate_and_its_srgb_picture_say_the_same(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    Image.fromarray(picture).save(tmp_path / "a.png")
    light = linear_light(picture / 255).astype(np.float32)
    write_exr(tmp_path / "a.exr", {channel: light[..., i] for i, channel in enumerate("RGB")})
    np.testing.assert_array_equal(read_plate(tmp_path / "a.exr"), read_plate(tmp_path / "a.png"))
    np.testing.assert_allclose(read_plate(tmp_path / "a.png", bypass_srgb=True), picture / 255, atol=1e-7)


def test_frames_are_numbered_by_the_names_of_plates_or_counted(tmp_path):
    for name in ("shot_v2.1003.png", "shot_v2.1001.png", ".shot.1009.png", "notes.txt"):
        (tmp_path / name).touch()
    assert [plate.number for plate in find_plates(tmp_path, 5)] == [1001, 1003]
    (tmp_path / "title.png").touch()
    assert [plate.number for plate in find_plates(tmp_path, 5)] == [5, 6, 7]
    with pytest.raises(SamNerfError, match="does not exist"):
        find_plates(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SamNerfError, match="holds no plates"):
        find_plates(tmp_path / "empty")


def test_plates_without_colour_or_with_a_part_of_their_format_are_refused(tmp_path):
    write_exr(tmp_path / "a.exr", {"Z": np.zeros((4, 4), np.float32)})
    with pytest.raises(SamNerfError, match="no channel R, but Z"):
        read_plate(tmp_path / "a.exr")
    window = (np.array([0, 0], np.int32), np.array([7, 7], np.int32))
    header = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIP_COMPRESSION, "displayWindow": window}
    OpenEXR.File(header, {c: np.zeros((4, 4), np.float32) for c in "RGB"}).write(str(tmp_path / "b.exr"))
    with pytest.raises(SamNerfError, match="data window is not its display window"):
        read_plate(tmp_path / "b.exr")


def test_a_scene_gives_mattes_plates_and_cameras_of_the_same_frames(toy, tmp_path):
    scene = toy_scene(toy)
    cameras = toy_cameras(scene)
    result = export_mattes(SceneMattes(scene, cameras, 1001), tmp_path, "shot", 1001)
    names = [f"shot.{number}.exr" for number in (1001, 1002, 1003)]
    assert sorted(path.name for path in (tmp_path / "encoded-matte").iterdir()) == names
    assert sorted(path.name for path in (tmp_path / "plate").iterdir()) == names
    for name, camera in zip(names, cameras, strict=True):
        read = read_encoded_matte(tmp_path / "encoded-matte" / name).feature_map
        rendered = scene.view(camera, "a").feature_map("sam")
        assert torch.equal(read.values, rendered.values) and read.image_size == camera.image_size
        plate = read_exr(tmp_path / "plate" / name)
        assert plate.channels["R"].shape == camera.image_size and plate.channels["R"].dtype == np.float16
    assert [line.split()[0] for line in (tmp_path / "shot.chan").read_text().splitlines()] == ["1001", "1002", "1003"]
    assert "x1001 " in (tmp_path / "shot.nk").read_text()
    manifest = json.loads(result.manifest.read_text())
    assert manifest["about"]["layout"] == "stretch" and manifest["about"]["readers"].startswith("samnerf alone")
    assert manifest["about"]["matte"] == {"width": 128, "height": 64} and manifest["about"]["weights"] == "0" * 64
    assert {file["kind"] for file in manifest["files"]} == {"encoded-matte", "plate", "cameras"}
    assert result.notes == ("encoded mattes of toy-sam are for samnerf alone; SAM for Nuke has no decoder for it",)


def test_an_export_goes_on_where_it_was(toy, tmp_path, monkeypatch):
    scene = toy_scene(toy)
    write, written = encoded_sequence.write_encoded_matte, []

    def full(path, *others):
        if len(written) == 2:
            raise SamNerfError("no space left")
        written.append(path.name)
        write(path, *others)

    monkeypatch.setattr(encoded_sequence, "write_encoded_matte", full)
    with pytest.raises(SamNerfError, match="no space left"):
        export_mattes(SceneMattes(scene, toy_cameras(scene)), tmp_path)
    monkeypatch.setattr(encoded_sequence, "write_encoded_matte", write)
    before = scene.pipeline.model.feature_renders
    done = []
    export_mattes(SceneMattes(scene, toy_cameras(scene)), tmp_path, done=done.append)
    assert scene.pipeline.model.feature_renders == before + 1
    assert done == ["samnerf.0001", "samnerf.0002", "samnerf.0003"]
    export_mattes(SceneMattes(scene, toy_cameras(scene)), tmp_path)
    assert scene.pipeline.model.feature_renders == before + 1


def test_cameras_that_a_chan_file_cannot_hold_are_a_note(toy, tmp_path):
    scene = toy_scene(toy)
    cameras = [camera.scaled(32, 32) for camera in toy_cameras(scene)]
    result = export_mattes(SceneMattes(scene, cameras), tmp_path)
    assert (tmp_path / "samnerf.nk").exists() and not (tmp_path / "samnerf.chan").exists()
    assert any(note.startswith("no samnerf.chan: ") for note in result.notes)


def test_no_cameras_and_impossible_names_are_refused(toy, tmp_path):
    scene = toy_scene(toy)
    with pytest.raises(SamNerfError, match="no cameras"):
        SceneMattes(scene, [])
    for name in ("", "a/b", "a%04d", ".a"):
        with pytest.raises(SamNerfError, match="cannot begin the names of files"):
            export_mattes(SceneMattes(scene, toy_cameras(scene)), tmp_path, name)


def write_plates(folder, plate, count=2):
    for number in range(1001, 1001 + count):
        write_exr(folder / f"shot.{number}.exr", {channel: plate[..., i] for i, channel in enumerate("RGB")})


def test_plates_are_encoded_once_and_again_when_they_change(tmp_path, encoder, encoded, plate):
    write_plates(tmp_path / "plates", plate)
    loaded = []

    def export():
        source = PlateMattes(find_plates(tmp_path / "plates"), "tiny", lambda: loaded.append(1) or encoder)
        return export_mattes(source, tmp_path / "out", "shot")

    result = export()
    manifest = json.loads(result.manifest.read_text())
    assert {file["path"] for file in manifest["files"]} == {f"encoded-matte/shot.{n}.exr" for n in (1001, 1002)}
    read = read_encoded_matte(tmp_path / "out/encoded-matte/shot.1002.exr")
    assert torch.equal(read.feature_map.values, encoded.values)
    assert re.fullmatch("[0-9a-f]{64}", read.weights_hash)
    export()
    assert len(loaded) == 1
    write_exr(tmp_path / "plates/shot.1002.exr", {channel: plate[::-1, :, i] for i, channel in enumerate("RGB")})
    export()
    assert len(loaded) == 2
    changed = read_encoded_matte(tmp_path / "out/encoded-matte/shot.1002.exr").feature_map
    assert not torch.equal(changed.values, encoded.values)


def test_a_scene_without_distilled_features_encodes_its_colour(toy, tmp_path, encoder, monkeypatch):
    class Colour(toy.Field):
        render_feature_maps = property()

    scene = toy.scene(Colour())
    scene.pair, scene._encoders = "tiny", {"sam": encoder}
    assert not scene.distilled
    cameras = toy_cameras(scene)[:1]
    export_mattes(SceneMattes(scene, cameras), tmp_path)
    read = read_encoded_matte(tmp_path / "encoded-matte/samnerf.0001.exr").feature_map
    light = linear_light(scene.view(cameras[0], "a").rgb / 255).astype(np.float32)
    direct = encoder.encode_square(square_input(light, encoder.input_side), cameras[0].image_size)
    assert torch.equal(read.values, direct.values)


@pytest.fixture
def mattes(tmp_path, encoded):
    paths = [tmp_path / f"shot.{number}.exr" for number in (1001, 1002)]
    for path in paths:
        write_encoded_matte(path, encoded, "ab" * 32)
    return paths


def test_files_are_segmented_by_prompts(tmp_path, mattes, encoded, decoder):
    click = PromptSet("red", points=(Point(45.0, 40.0),))
    there = PromptSet("green", points=(Point(120.0, 55.0),), view="shot.1002")
    asked = []

    def session_for(*held):
        asked.append(held)
        return Session(decoder)

    index = segment_mattes(mattes, session_for, PromptFile((click, there)), tmp_path / "out")
    document = json.loads(index.read_text())
    assert asked == [("tiny-sam", "ab" * 32)]
    assert [view["view"] for view in document["views"]] == ["shot.1001", "shot.1002"]
    with Image.open(tmp_path / "out/masks/red/shot.1001.png") as image:
        mask = np.asarray(image) > 0
    direct = Session(decoder).segment(EncodedView("a", EncodedMatte(encoded)), click).mask().numpy()
    np.testing.assert_array_equal(mask, direct)
    areas = {(mask["object"], mask["view"]): mask["area"] for mask in document["masks"]}
    assert areas["green", "shot.1001"] == 0 < areas["green", "shot.1002"]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (PromptSet("a", phrase=Phrase("red")), "SAM's features alone; give points"),
        (PromptSet("a", world_points=(WorldPoint(0.0, 0.0, 0.0),)), "an encoded matte has no camera"),
        (PromptSet("a", points=(Point(1.0, 1.0),), view="other"), "none of the mattes"),
        (PromptSet("a", points=(Point(1000.0, 1.0),)), "lies outside the image of 160 x 90"),
    ],
)
def test_prompts_that_ask_for_more_are_refused(tmp_path, mattes, decoder, said, message):
    with pytest.raises(SamNerfError, match=message):
        segment_mattes(mattes, lambda *_: Session(decoder), PromptFile((said,)), tmp_path / "out")


def test_files_of_different_weights_or_the_same_name_are_refused(tmp_path, mattes, encoded, decoder):
    said = PromptFile((PromptSet("a", points=(Point(1.0, 1.0),)),))
    write_encoded_matte(mattes[1], encoded, "cd" * 32)
    with pytest.raises(SamNerfError, match="or of other weights"):
        segment_mattes(mattes, lambda *_: Session(decoder), said, tmp_path / "out")
    with pytest.raises(SamNerfError, match=r"two encoded mattes are called 'shot\.1001'"):
        segment_mattes(
            [mattes[0], tmp_path / "b" / mattes[0].name], lambda *_: Session(decoder), said, tmp_path / "out"
        )


def test_an_encoded_matte_knows_no_words(encoded):
    view = EncodedView("a", EncodedMatte(encoded))
    assert not view.rgb.any() and view.depth is None
    with pytest.raises(SamNerfError, match="leave out phrases"):
        view.feature_map("clipseg")
