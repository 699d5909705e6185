"""One scene: trained once, gone on with where it stopped, and failed in one line."""

import json
import subprocess
import sys
import time

import pytest

from samnerf.feature_store import sole_writer
from samnerf.scale.scene_training import ns_train, train_scene


def test_a_scene_is_trained_once(toy_ns_train, job, calls, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    scene = job(steps=4)
    assert train_scene(scene).state == "trained"
    assert train_scene(scene).state == "there"
    assert calls(scene) == [[0, 4, None]]
    assert json.loads((scene.run.parent / "training.json").read_text())["finished"] is True


@pytest.mark.parametrize(("steps", "left"), [(9, 6), (None, 2)])
def test_a_stopped_scene_goes_on_from_its_last_whole_checkpoint(toy_ns_train, job, calls, steps, left):
    scene = job(steps=steps, arguments=("stop",))
    outcome = train_scene(scene)
    assert outcome.state == "failed"
    assert "ns-train was ended by signal 9: it said nothing" in outcome.problem
    assert train_scene(scene).state == "resumed"
    assert [call[:2] for call in calls(scene)] == [[0, steps or 5], [3, left]]
    assert train_scene(scene).state == "there"


def test_a_scene_that_was_killed_after_its_last_checkpoint_is_done(toy_ns_train, job, calls):
    scene = job(steps=4)
    train_scene(scene)
    record = scene.run.parent / "training.json"
    record.write_text(record.read_text().replace('"finished": true', '"finished": false'))
    assert train_scene(scene).state == "resumed"
    assert len(calls(scene)) == 1
    assert json.loads(record.read_text())["finished"] is True


def test_a_failure_is_said_in_its_last_words(toy_ns_train, job):
    outcome = train_scene(job(arguments=("fail",)))
    assert outcome.state == "failed"
    assert outcome.problem.startswith("ns-train ended with status 3: the loss is not finite (")
    assert outcome.problem.endswith("train.log)")


def test_other_arguments_or_a_run_of_somebody_else_are_refused(toy_ns_train, job):
    train_scene(job(steps=4))
    outcome = train_scene(job(steps=5))
    assert outcome.state == "failed"
    assert "was begun with steps 4, now it is 5; rename the scene" in outcome.problem
    other = job("owl")
    other.run.mkdir(parents=True)
    assert "a run that was not begun by train-many" in train_scene(other).problem
    missing = job("elk", capture=other.capture / "nowhere")
    assert "does not exist" in train_scene(missing).problem


def test_a_scene_waits_for_an_ns_train_whose_parent_was_killed(toy_ns_train, job, calls):
    scene = job(steps=4)
    with sole_writer(scene.run.parent) as lock:
        orphan = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1)"], pass_fds=(lock,))
    begun = time.monotonic()
    assert train_scene(scene).state == "trained"
    assert time.monotonic() - begun > 0.5
    orphan.wait()


def test_the_command_is_that_of_ns_train(job):
    scene = job(method="samnerf-tiny", arguments=("--machine.seed", "3"))
    whole = ns_train(scene, 0, 100, gpus=2)
    assert whole[1:4] == ["-m", "nerfstudio.scripts.train", "samnerf-tiny"]
    assert "--load-dir" not in whole
    assert whole[-6:] == ["--machine.num-devices", "2", "--max-num-iterations", "100", "--machine.seed", "3"]
    rest = ns_train(scene, 60, 100)
    at = rest.index("--load-dir")
    models = str(scene.run / "nerfstudio_models")
    assert rest[at : at + 6] == ["--load-dir", models, "--load-step", "59", "--max-num-iterations", "40"]
    assert "--machine.num-devices" not in rest
