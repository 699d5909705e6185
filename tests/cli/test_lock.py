"""`samnerf lock`, and `samnerf segment --locks`, from the command line."""

import json
from functools import partial

import numpy as np
import pytest
from PIL import Image

from samnerf.cli.main import main
from samnerf.errors import SamNerfError
from samnerf.objects import prompt_locking
from samnerf.objects.layer_files import load_layers, save_layers
from samnerf.objects.probability_grid import vote_grid
from samnerf.prompts import Phrase, Point, PromptFile, PromptSet, WorldPoint
from samnerf.scene import TrainedScene

HASH = "c0ffee"


@pytest.fixture(autouse=True)
def _toy_world(toy, monkeypatch):
    monkeypatch.setattr(
        TrainedScene, "load", staticmethod(lambda config, device="cpu": toy.scene(checkpoint_hash=HASH))
    )
    pairs = "samnerf.teachers.pairs"
    monkeypatch.setattr(f"{pairs}.load_mask_decoder", lambda pair, device="cpu": toy.MaskDecoder())
    monkeypatch.setattr(f"{pairs}.load_text_decoder", lambda pair, device="cpu": toy.TextDecoder())
    monkeypatch.setattr("samnerf.objects.votes.vote_grid", partial(vote_grid, voxels=24))
    # The toy scene is no run of nerfstudio's; tests/objects/test_locked_pipeline.py has one.
    monkeypatch.setattr(
        "samnerf.objects.locked_pipeline.write_locked_config",
        lambda config, objects, scene: config.with_name(f"{objects.stem}-{scene}.yml"),
    )


@pytest.fixture
def prompts(toy, tmp_path):
    click = PromptSet("левый", points=(Point(*toy.centre(toy.view(x=0.2), 1)),), view="frame_2")
    path = tmp_path / "prompts.json"
    PromptFile((click, PromptSet("green square", phrase=Phrase("green square")))).save(path)
    return path


def lock(tmp_path, *options):
    return main(["lock", "--config", str(tmp_path / "run" / "config.yml"), *map(str, options)])


def locked(tmp_path):
    return load_layers(tmp_path / "run" / "objects.json", HASH)


def told(layers):
    return [(one.object_id, one.name) for one in layers.objects]


def test_the_objects_of_a_prompt_file_are_locked_beside_the_config(toy, prompts, tmp_path, capsys):
    assert lock(tmp_path, "--prompts", prompts) == 0
    assert told(locked(tmp_path)) == [(1, "левый"), (2, "green square")]
    out = capsys.readouterr().out
    table = ("object", "consistency", "левый", "green square")
    for words in (*table, "2 locked, 2 objects in all:", "objects-c0ffee.yml"):
        assert words in out


def test_locks_segment_every_view(toy, prompts, tmp_path):
    assert lock(tmp_path, "--prompts", prompts) == 0
    options = [
        "--config",
        "config.yml",
        "--locks",
        str(tmp_path / "run" / "objects.json"),
        "--output",
        str(tmp_path / "out"),
    ]
    assert main(["segment", *options]) == 0
    index = json.loads((tmp_path / "out" / "masks.json").read_text())
    assert len(index["masks"]) == 6
    for entry in index["masks"]:
        mask = np.asarray(Image.open(tmp_path / "out" / entry["file"])) > 0
        truth = toy.Field().ids(toy.scene().camera(entry["view"])) == entry["id"]
        assert (mask & truth).sum() / (mask | truth).sum() > 0.65
    assert main(["segment", *options, "--objects", "fox"]) == 1


def test_another_lock_keeps_id_and_colour_and_other_objects(toy, prompts, tmp_path):
    before = toy.layers(3, 2).recolour("green square", (1, 2, 3))
    save_layers(tmp_path / "run" / "objects.json", before, HASH)
    assert lock(tmp_path, "--prompts", prompts, "--objects", "green square") == 0
    after = locked(tmp_path)
    assert told(after) == [(1, "blue square"), (2, "green square")]
    assert after.objects[1].colour == (1, 2, 3)
    assert set(after.objects[1].view_scores) <= {"frame_0", "frame_1"}


def test_what_is_locked_may_be_kept(toy, prompts, tmp_path):
    save_layers(tmp_path / "run" / "objects.json", toy.layers(2), HASH)
    assert lock(tmp_path, "--prompts", prompts, "--keep") == 0
    after = locked(tmp_path)
    assert told(after) == [(1, "green square"), (2, "левый")]
    assert set(after.objects[0].view_scores) == {"a", "b"}


@pytest.mark.parametrize(("instances", "count"), [("all", 3), ("best", 1)])
def test_words_lock_all_things_or_the_best(tmp_path, instances, count):
    PromptFile((PromptSet("square", phrase=Phrase("square", top_k=60)),)).save(tmp_path / "p.json")
    assert lock(tmp_path, "--prompts", tmp_path / "p.json", "--instances", instances) == 0
    assert [one.name for one in locked(tmp_path).objects] == ["square", "square 2", "square 3"][:count]


def test_an_interruption_keeps_what_was_locked_and_says_how_to_go_on(prompts, tmp_path, capsys, monkeypatch):
    def lock_or_interrupt(session, support, said, *others):
        if said.name == "green square":
            raise KeyboardInterrupt
        return true_lock(session, support, said, *others)

    true_lock = prompt_locking.lock_prompts
    monkeypatch.setattr(prompt_locking, "lock_prompts", lock_or_interrupt)
    assert lock(tmp_path, "--prompts", prompts) == 130
    assert told(locked(tmp_path)) == [(1, "левый")]
    error = capsys.readouterr().err
    assert "interrupted; what was locked so far is in" in error
    assert "--keep goes on" in error


def test_an_interruption_before_the_first_object(prompts, tmp_path, capsys, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(prompt_locking, "lock_prompts", interrupt)
    assert lock(tmp_path, "--prompts", prompts) == 130
    assert "nothing is locked yet" in capsys.readouterr().err


def test_one_object_that_cannot_be_locked_does_not_stop_the_others(prompts, tmp_path, capsys):
    sets = PromptFile.load(prompts).objects
    below = PromptSet("cellar", world_points=(WorldPoint(0.0, 0.0, -5.0),))
    PromptFile((below, sets[0])).save(prompts)
    assert lock(tmp_path, "--prompts", prompts) == 1
    assert told(locked(tmp_path)) == [(1, "левый")]
    error = capsys.readouterr().err
    assert "object 'cellar' cannot be locked: none of its positive points is visible" in error
    assert error.count("\n") == 1


def test_several_that_cannot_be_locked_are_told_one_by_one(tmp_path, capsys):
    below = [PromptSet(name, world_points=(WorldPoint(0.0, 0.0, -5.0),)) for name in ("cellar", "vault")]
    PromptFile(tuple(below)).save(tmp_path / "p.json")
    assert lock(tmp_path, "--prompts", tmp_path / "p.json") == 1
    lines = capsys.readouterr().err.splitlines()
    assert [("'cellar'" in line, "'vault'" in line) for line in lines[:2]] == [(True, False), (False, True)]
    assert "2 objects could not be locked, as said above" in lines[2]
    assert not (tmp_path / "run").exists()


def test_objects_of_another_training_are_refused_and_left_as_they_are(toy, prompts, tmp_path, capsys):
    path = tmp_path / "run" / "objects.json"
    save_layers(path, toy.layers(3), "deadbeef")
    before = path.read_bytes()
    assert lock(tmp_path, "--prompts", prompts) == 1
    assert "locked in another training of the scene (checkpoint deadbeef, now c0ffee)" in capsys.readouterr().err
    assert path.read_bytes() == before
    assert main(["segment", "--config", "c.yml", "--locks", str(path), "--output", str(tmp_path / "out")]) == 1
    options = ["--ignore-scene", "--output", str(tmp_path / "out")]
    assert main(["segment", "--config", "c.yml", "--locks", str(path), *options]) == 0
    assert lock(tmp_path, "--prompts", prompts, "--objects", "green square", "--ignore-scene") == 0
    assert told(locked(tmp_path)) == [(1, "blue square"), (2, "green square")]


def test_everything_is_locked_besides_what_is_known(toy, tmp_path, monkeypatch):
    found = [toy.lock(1), toy.lock(2), toy.lock(3)]
    monkeypatch.setattr("samnerf.objects.everything.lock_everything", lambda *_: found)
    save_layers(tmp_path / "run" / "objects.json", toy.layers(2), HASH)
    assert lock(tmp_path, "--everything") == 0
    assert told(locked(tmp_path)) == [(1, "green square"), (2, "object 1"), (3, "object 2")]
    assert lock(tmp_path, "--everything") == 0
    assert len(locked(tmp_path).objects) == 3


def test_no_object_at_all_is_said(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("samnerf.objects.everything.lock_everything", lambda *_: [])
    assert lock(tmp_path, "--everything") == 1
    assert "no object was found without prompts" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "give either --prompts FILE or --everything"),
        (("--prompts", "p.json", "--everything"), "give either --prompts FILE or --everything"),
        (("--prompts", "nowhere.json"), "prompt file nowhere.json does not exist"),
        (("--everything", "--views", "0"), "--views is 0 but must be 1 or more"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(tmp_path, capsys, options, message):
    assert lock(tmp_path, *options) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--config", "c.yml"), "give either --prompts FILE or --locks FILE"),
        (
            ("--config", "c.yml", "--locks", "l.json", "--prompts", "p.json"),
            "give either --prompts FILE or --locks FILE",
        ),
        (("--image", "i.png", "--locks", "l.json"), "objects are locked in the world of a scene; give its --config"),
        (("--config", "c.yml", "--locks", "nowhere.json"), "objects file nowhere.json does not exist"),
    ],
)
def test_segment_takes_prompts_or_locks(tmp_path, capsys, options, message):
    assert main(["segment", "--output", str(tmp_path / "out"), *options]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_full_disk_leaves_the_objects_that_were(toy, prompts, tmp_path, capsys, monkeypatch):
    path = tmp_path / "run" / "objects.json"
    save_layers(path, toy.layers(3), HASH)

    def full(path, content):
        raise SamNerfError("no space left on the disk")

    monkeypatch.setattr("samnerf.objects.layer_files.write_bytes", full)
    assert lock(tmp_path, "--prompts", prompts) == 1
    assert "no space left" in capsys.readouterr().err
    assert told(locked(tmp_path)) == [(1, "blue square")]
