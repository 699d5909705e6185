"""`samnerf image-app` from the command line, where it refuses to start."""

import socket

import pytest

from samnerf.cli.main import main


@pytest.fixture
def busy_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_busy_port_is_one_line(busy_port, capsys):
    assert main(["image-app", "--port", str(busy_port)]) == 1
    message = capsys.readouterr().err
    assert f"image-app: cannot listen on 127.0.0.1 port {busy_port}: address already in use; choose" in message
    assert message.count("\n") == 1


def test_port_zero_is_refused(capsys):
    assert main(["image-app", "--port", "0"]) == 1
    assert "--port is 0 but must be from 1 to 65535" in capsys.readouterr().err


def test_teachers_that_are_not_there_are_named_before_the_app_starts(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("SAMNERF_CHECKPOINTS", str(tmp_path))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert main(["image-app", "--port", str(port), "--teachers", "sam-vit-b"]) == 1
    assert "samnerf download sam-vit-b" in capsys.readouterr().err
    assert main(["image-app", "--port", str(port), "--teachers", "sam-vit-x"]) == 1
    assert "there are no teachers called 'sam-vit-x'" in capsys.readouterr().err
