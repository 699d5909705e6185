"""`samnerf train-many` from the command line."""

import functools
import json

import pytest

from samnerf.cli.main import main
from samnerf.scale import many_scenes
from samnerf.scale.scene_training import Outcome


@pytest.fixture
def manifest(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    scenes = [{"capture": f"captures/{name}"} for name in ("fox", "owl", "elk")]
    path = tmp_path / "many.json"
    path.write_text(json.dumps({"output": "out", "method": "samnerf-tiny", "scenes": scenes}))
    return path


@pytest.fixture
def trained(monkeypatch):
    """What comes of a scene, by its name: "there", or words of a failure."""
    what = {}

    def train(job, devices, gpus):
        said = what.get(job.name, "trained")
        failed = said not in ("trained", "resumed", "there")
        return Outcome(job.name, "failed" if failed else said, 2.0, said if failed else None)

    monkeypatch.setattr(many_scenes, "LocalTraining", functools.partial(many_scenes.LocalTraining, train=train))
    return what


def test_every_scene_is_spoken_of(manifest, trained, capsys):
    trained.update(owl="there", elk="resumed")
    assert main(["train-many", str(manifest)]) == 0
    out = capsys.readouterr().out
    run = manifest.parent / "out" / "fox" / "samnerf-tiny" / "run"
    assert f"fox: trained in 2 s, {run}" in out
    assert "owl: done already, " in out
    assert "elk: gone on with and trained in 2 s, " in out
    assert "[3/3]" in out


def test_failures_are_listed_and_the_status_is_1(manifest, trained, capsys):
    trained.update(owl="ns-train ended with status 1: no memory (train.log)", fox="it is gone")
    assert main(["train-many", str(manifest)]) == 1
    captured = capsys.readouterr()
    assert "owl: failed: ns-train ended with status 1: no memory (train.log)" in captured.out
    assert "elk: trained" in captured.out
    assert captured.err == "samnerf train-many: 2 of 3 scenes failed: fox, owl; the same command tries them again\n"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--address", "auto"], "--address belongs to --engine ray"),
        (["--engine", "ray", "--workers", "2"], "--workers belongs to --engine local"),
        (["--workers", "0"], "--workers is 0 but must be at least 1"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(manifest, options, words, capsys):
    assert main(["train-many", str(manifest), *options]) == 1
    assert words in capsys.readouterr().err
