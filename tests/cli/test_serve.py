"""`samnerf serve` and `samnerf serve-nuke` from the command line: refusals, and a whole life of each."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import urllib.request

import numpy as np
import pytest

from samnerf.cli.main import main
from samnerf.nuke.client import FrameClient
from samnerf.nuke.frames import Frame


@pytest.fixture
def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running(command, port):
    """The command in a process of its own, once it says that it listens."""
    program = "import sys; from samnerf.cli.main import main; sys.exit(main())"
    arguments = [sys.executable, "-c", program, command, "--port", str(port), "--device", "cpu"]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        process.first_line = process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("command", ["serve", "serve-nuke"])
def test_a_busy_port_is_one_line(command, capsys):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        assert main([command, "--port", str(listener.getsockname()[1])]) == 1
    message = capsys.readouterr().err
    assert "address already in use; choose" in message
    assert message.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["serve", "--teachers", "sam-vit-x"], "no teachers called 'sam-vit-x'"),
        (["serve-nuke", "--teachers", "sam-vit-x"], "no teachers called 'sam-vit-x'"),
        (["serve", "--config", "nowhere.yml"], "config nowhere.yml does not exist"),
        (["serve-nuke", "--config", "nowhere.yml"], "config nowhere.yml does not exist"),
        (["serve-nuke", "--locks", "objects.json"], "give its --config with --locks"),
        (["serve-nuke", "--longest-request", "0"], "at least 1 MiB"),
    ],
)
def test_what_cannot_be_served_is_said_first(arguments, words, free_port, capsys):
    assert main([*arguments, "--port", str(free_port)]) == 1
    assert words in capsys.readouterr().err


@pytest.mark.slow
def test_the_frame_server_serves_and_ends_when_it_is_told(free_port):
    with running("serve-nuke", free_port) as process:
        assert f"127.0.0.1:{free_port} with sam_points, sam_box" in process.first_line
        client = FrameClient(port=free_port, timeout=120.0)
        assert client.infer("sam_points", [Frame(np.ones((3, 9, 7), np.float32))], points="3,3").size == (9, 7)
        process.send_signal(signal.SIGTERM)
        out, error = process.communicate(timeout=120)
        assert (process.returncode, out, error) == (0, "\nclosed\n", "")


@pytest.mark.slow
def test_masks_over_http_are_served_until_they_are_not(free_port):
    with running("serve", free_port) as process:
        assert f"http://127.0.0.1:{free_port}/docs" in process.first_line
        with urllib.request.urlopen(f"http://127.0.0.1:{free_port}/v1/about") as answer:
            assert json.load(answer)["teachers"] == "tiny"
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=120)
        assert (process.returncode, out) == (0, "\nclosed\n")
