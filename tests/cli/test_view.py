"""`samnerf view` from the command line: what it refuses, and what it prints when it serves."""

import json
import socket
import threading
from pathlib import Path

import pytest

from samnerf.cli.main import main
from samnerf.objects.layer_files import load_layers, save_layers
from samnerf.scene import TrainedScene
from samnerf.session import Session


@pytest.fixture
def config(toy, tmp_path, monkeypatch):
    """A run whose scene is the toy world."""
    path = tmp_path / "run" / "config.yml"
    path.parent.mkdir()
    path.write_text("")
    monkeypatch.setattr(TrainedScene, "load", staticmethod(lambda config, device="cpu": toy.scene()))
    monkeypatch.setattr("samnerf.cli.view.load_session", lambda pair, with_text, device: Session(toy.MaskDecoder()))
    return path


@pytest.fixture
def served(monkeypatch):
    """Serving ends at once, as if by Ctrl-C; what was to be served is kept."""
    kept = []
    monkeypatch.setattr("samnerf.viewer.scene_app.guarded_server.GuardedServer", lambda *args: args)
    monkeypatch.setattr("samnerf.viewer.scene_app.app.SceneApp", lambda *args: kept.append(args))

    def interrupted(_event, timeout=None):
        raise KeyboardInterrupt

    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr(threading.Event, "wait", interrupted)
    return kept


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "0"], "--port is 0 but must be from 1 to 65535; 7007 is usual"),
        (["--size", "500"], "--size is 500 but must be one of 256, 384, 512, 768, 1024"),
    ],
)
def test_what_cannot_be_served_is_one_line(config, arguments, said, capsys):
    assert main(["view", "--config", str(config), *arguments]) == 1
    message = capsys.readouterr().err
    assert said in message
    assert message.count("\n") == 1


def test_a_run_that_is_not_there_is_one_line(tmp_path, capsys):
    assert main(["view", "--config", str(tmp_path / "config.yml")]) == 1
    assert str(tmp_path / "config.yml") in capsys.readouterr().err


def test_a_busy_port_is_one_line(config, capsys):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        assert main(["view", "--config", str(config), "--port", str(listener.getsockname()[1])]) == 1
    assert "address already in use; choose" in capsys.readouterr().err


def test_an_objects_file_of_another_training_is_refused(config, toy, capsys):
    save_layers(config.parent / "objects.json", toy.layers(1), "another")
    assert main(["view", "--config", str(config)]) == 1
    assert "objects.json" in capsys.readouterr().err


def test_an_objects_file_that_is_none_is_refused(config, capsys):
    (config.parent / "objects.json").write_text(json.dumps({"format": "something else"}))
    assert main(["view", "--config", str(config)]) == 1
    assert "objects.json" in capsys.readouterr().err


def test_it_serves_this_machine_with_the_objects_beside_the_run(config, toy, served, capsys):
    save_layers(config.parent / "objects.json", toy.layers(1, 2), toy.scene().checkpoint_hash)
    assert main(["view", "--config", str(config), "--port", "7010"]) == 0
    ((server, common, layers),) = served
    assert server[:2] == ("127.0.0.1", 7010)
    assert common.choices.exports == config.parent / "exports"
    saved = load_layers(common.choices.locks, toy.scene().checkpoint_hash)
    assert [one.name for one in layers.objects] == [one.name for one in saved.objects] == ["red square", "green square"]
    out, err = capsys.readouterr()
    assert "the viewer is at http://127.0.0.1:7010 (Ctrl-C ends it)" in out
    assert err == ""


@pytest.mark.parametrize(("more", "door"), [([], "no password"), (["--token", "sesame"], "a token")])
def test_an_open_door_is_said_to_be_one(config, served, more, door, capsys):
    assert main(["view", "--config", str(config), "--host", "0.0.0.0", *more]) == 0
    out, err = capsys.readouterr()
    assert f"listening on 0.0.0.0: everybody who can reach port 7007 of this machine can use it; {door}" in err
    assert ("?token=sesame" in out) == bool(more)
    assert Path(served[0][1].choices.locks).name == "objects.json"
