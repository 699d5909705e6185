"""Layers on disk: what is written is read, and whatever is wrong is named."""

import hashlib
import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save

from samnerf.errors import SamNerfError
from samnerf.objects.layer_files import load_layers, save_layers
from samnerf.objects.layers import ObjectLayers
from samnerf.objects.locking import Lock
from samnerf.objects.probability_grid import ProbabilityGrid
from samnerf.prompts import PromptSet

SCENE = "c0ffee" * 10


def soft_grid(seed=0, shape=(5, 6, 7)):
    values = torch.rand(shape, generator=torch.Generator().manual_seed(seed))
    return ProbabilityGrid(values, torch.tensor([-0.1, 0.2, 0.3]), 0.037)


@pytest.fixture
def layers(toy):
    layers = toy.layers().delete("green square").recolour("blue square", (1, 2, 3)).show("red square", False)
    return layers.add(Lock(soft_grid(), {"a": 0.25}, PromptSet("found")), "красный куб 🦊")


@pytest.fixture
def path(layers, tmp_path):
    save_layers(tmp_path / "objects.json", layers, SCENE)
    return tmp_path / "objects.json"


def grids_of(path):
    return path.with_name(json.loads(path.read_text())["grids"]["file"])


def spoil(path, change):
    """Change the JSON document in place."""
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def spoil_grids(path, change):
    """Write other grids, with a hash that fits them."""
    from safetensors.torch import load

    content = save(change(load(grids_of(path).read_bytes())))
    grids_of(path).write_bytes(content)
    spoil(path, lambda document: document["grids"].update(sha256=hashlib.sha256(content).hexdigest()))


def test_what_is_written_is_read(layers, path):
    again = load_layers(path, SCENE)
    assert again.next_id == layers.next_id == 5
    for one, other in zip(layers.objects, again.objects, strict=True):
        for name in ("object_id", "name", "colour", "visible", "uncertain"):
            assert getattr(one, name) == getattr(other, name)
        assert other.view_scores == pytest.approx(one.view_scores)
        assert other.said.world_points == one.said.world_points
        assert torch.equal(other.grid.lower, one.grid.lower)
        assert other.grid.spacing == one.grid.spacing
        assert float((other.grid.values - one.grid.values).abs().max()) <= 1 / 510 + 1e-7


def test_what_is_read_is_written_again_byte_for_byte(path, tmp_path):
    save_layers(tmp_path / "again" / "objects.json", load_layers(path, SCENE), SCENE)
    assert (tmp_path / "again" / "objects.json").read_bytes() == path.read_bytes()
    assert (tmp_path / "again" / grids_of(path).name).read_bytes() == grids_of(path).read_bytes()


def test_names_are_readable_in_the_file(path):
    assert "красный куб 🦊" in path.read_text(encoding="utf-8")


def test_no_object_at_all(tmp_path):
    save_layers(tmp_path / "objects.json", ObjectLayers(next_id=7), SCENE)
    assert load_layers(tmp_path / "objects.json", SCENE).next_id == 7


def test_three_hundred_objects(toy, tmp_path):
    layers = ObjectLayers()
    for number in range(300):
        layers = layers.add(replace(toy.lock(1), grid=soft_grid(number, (2, 2, 2))), f"object {number}")
    save_layers(tmp_path / "objects.json", layers, SCENE)
    again = load_layers(tmp_path / "objects.json", SCENE)
    assert [one.object_id for one in again.objects] == list(range(1, 301))
    assert float((again.objects[299].grid.values - layers.objects[299].grid.values).abs().max()) <= 1 / 510 + 1e-7


def test_grids_that_no_file_names_are_removed_and_others_are_left(layers, path):
    old = grids_of(path)
    others = path.with_name("notes.safetensors"), path.with_name("other.0123456789abcdef.safetensors")
    for other in others:
        other.write_bytes(b"mine")
    save_layers(path, layers.delete("blue square"), SCENE)
    assert not old.exists()
    assert grids_of(path).exists()
    assert all(other.exists() for other in others)


def test_a_save_that_fails_leaves_the_old_pair(layers, path, monkeypatch):
    before = [one.name for one in load_layers(path, SCENE).objects]

    def full_disk(path, value):
        raise SamNerfError("no space left")

    monkeypatch.setattr("samnerf.objects.layer_files.write_json", full_disk)
    with pytest.raises(SamNerfError, match="no space left"):
        save_layers(path, layers.delete("blue square"), SCENE)
    assert [one.name for one in load_layers(path, SCENE).objects] == before


def test_a_probability_that_is_none_is_not_written(layers, tmp_path):
    bad = replace(layers.objects[0], grid=replace(soft_grid(), values=torch.full((2, 2, 2), torch.nan)))
    with pytest.raises(
        SamNerfError, match="'red square' cannot be saved: it has probabilities that are not from 0 to 1"
    ):
        save_layers(tmp_path / "objects.json", replace(layers, objects=(bad,)), SCENE)
    assert not list(tmp_path.iterdir())


def test_another_training_is_refused_unless_that_is_said_to_be_right(path):
    with pytest.raises(
        SamNerfError, match=r"locked in another training of the scene \(checkpoint c0ffeec0ffee, now deadbeef"
    ):
        load_layers(path, "deadbeef" * 8)
    assert len(load_layers(path, "deadbeef" * 8, ignore_scene=True).objects) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(format="samnerf-prompts"), 'does not say "format": "samnerf-objects"'),
        (lambda d: d.update(version=2), "is of version 2; this program reads version 1"),
        (lambda d: d.update(scene=None), '"scene" is None but must be the SHA-256'),
        (lambda d: d.update(objects={}), r'"objects" is \{\} but must be a list'),
        (lambda d: d.update(next_id=0), '"next_id" is 0 but must be 1 to 65536'),
        (lambda d: d.update(next_id=3), "has ID 3, but the next to be given is 3"),
        (lambda d: d.update(grids=None), '"grids" is None but must name a "file"'),
        (lambda d: d["grids"].update(file="../objects.safetensors"), "must lie beside it"),
        (lambda d: d["grids"].update(file="gone.safetensors"), "gone.safetensors cannot be read .* copy both files"),
        (lambda d: d["grids"].update(sha256="0" * 64), "are not those of objects.json .* expected 000000000000"),
        (lambda d: d["objects"].__setitem__(0, 5), 'object 1: expected an object with a "name"'),
        (lambda d: d["objects"][1].update(id=0), r"object 2 \('blue square'\): \"id\" is 0 but must be 1 to 65535"),
        (lambda d: d["objects"][1].update(id=65536), '"id" is 65536 but must be 1 to 65535'),
        (lambda d: d["objects"][1].update(id=True), '"id" is True'),
        (lambda d: d["objects"][1].update(id=1), "'red square' and 'blue square' share the ID 1"),
        (lambda d: d["objects"][1].update(name="red square"), "two objects are called 'red square'"),
        (lambda d: d["objects"][1].update(name="  "), "an object needs a name"),
        (lambda d: d["objects"][1].update(colour=[0, 0, 256]), '"colour" is .0, 0, 256. but must be three whole'),
        (lambda d: d["objects"][1].update(visible=1), '"visible" is 1 but must be true or false'),
        (lambda d: d["objects"][1].update(uncertain=3), '"uncertain" is 3 but must be words or null'),
        (lambda d: d["objects"][1].update(view_scores=[]), '"view_scores" is .. but must give a score to each view'),
        (lambda d: d["objects"][1]["view_scores"].update(a=1.5), "\"view_scores\" of 'a' is 1.5 but must lie between"),
        (
            lambda d: d["objects"][1]["view_scores"].update(a=float("nan")),
            "\"view_scores\" of 'a' is .nan. but must be",
        ),
        (lambda d: d["objects"][1].update(said={"name": "x"}), '"said" .* nothing is said of it'),
        (lambda d: d["objects"][1].update(grid=None), '"grid" is None but must have tensor, shape, lower and spacing'),
        (lambda d: d["objects"][1]["grid"].update(tensor="9"), "the grids have no tensor '9'"),
        (lambda d: d["objects"][1]["grid"].update(shape=[1, 2, 3]), r"must be torch.uint8 of the shape .*\[1, 2, 3\]"),
        (lambda d: d["objects"][1]["grid"].update(spacing=0), '"spacing" is 0 but must be above 0'),
        (lambda d: d["objects"][1]["grid"].update(spacing=float("inf")), '"spacing" is .inf. but must be 1 finite'),
        (lambda d: d["objects"][1]["grid"].update(lower=[0, 1, float("nan")]), '"lower" is .* 3 finite numbers'),
    ],
)
def test_what_is_wrong_is_named(path, change, message):
    spoil(path, change)
    with pytest.raises(SamNerfError, match=message) as raised:
        load_layers(path, SCENE)
    assert "objects.json" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_tensor_that_is_missing_is_named(path):
    spoil_grids(path, lambda tensors: {key: value for key, value in tensors.items() if key != "3"})
    with pytest.raises(SamNerfError, match=r"object 2 \('blue square'\): the grids have no tensor '3'"):
        load_layers(path, SCENE)


def test_probabilities_that_are_not_8_bits_are_refused(path):
    spoil_grids(path, lambda tensors: {**tensors, "3": torch.full(tensors["3"].shape, torch.nan)})
    with pytest.raises(SamNerfError, match="its tensor is torch.float32 .* must be torch.uint8"):
        load_layers(path, SCENE)


def test_grids_cut_short_are_noticed(path):
    grids_of(path).write_bytes(grids_of(path).read_bytes()[:-5])
    with pytest.raises(SamNerfError, match="are not those of objects.json"):
        load_layers(path, SCENE)


def test_grids_that_are_none_are_said_to_be_so(path):
    grids_of(path).write_bytes(b"no safetensors")
    digest = hashlib.sha256(b"no safetensors").hexdigest()
    spoil(path, lambda document: document["grids"].update(sha256=digest))
    with pytest.raises(SamNerfError, match="are no safetensors file"):
        load_layers(path, SCENE)


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(SamNerfError, match="objects file .*nowhere.json does not exist"):
        load_layers(tmp_path / "nowhere.json", SCENE)
