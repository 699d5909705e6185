"""The example pictures, the bundled teachers, and the app in a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from samnerf.images.segmentation import ImageSegmenter
from samnerf.viewer.image_app.examples import EXAMPLES


class Scene:
    """The first example, what is where in it, and where one would click."""

    example = EXAMPLES[0]

    def mask(self, name):
        ids = {thing.name: thing.id for thing in self.example.scene.objects}
        return self.example.rendering.ids == ids[name]

    def inside(self, name):
        """The point (x, y) deepest inside an object."""
        depth = ndimage.distance_transform_edt(self.mask(name))
        row, column = np.unravel_index(depth.argmax(), depth.shape)
        return float(column) + 0.5, float(row) + 0.5

    def corners(self, name):
        """(x1, y1), (x2, y2) about an object."""
        rows, columns = np.nonzero(self.mask(name))
        return (
            (float(columns.min()), float(rows.min())),
            (float(columns.max()) + 1, float(rows.max()) + 1),
        )

    @staticmethod
    def iou(one, other):
        return float((one & other).sum() / max(1, (one | other).sum()))


@pytest.fixture(scope="session")
def scene():
    """The first example and its ground truth (see `Scene`)."""
    return Scene()


@pytest.fixture(scope="session")
def segmenter():
    """The bundled teachers."""
    return ImageSegmenter("tiny")


GUARDED = """
import socket, sys
from samnerf.cli.main import main

def tell(name, position):
    whole = getattr(socket.socket if name == "connect" else socket, name)
    def told(*arguments):
        place = arguments[position]
        host = place[0] if isinstance(place, tuple) else place
        if host not in (None, "", "127.0.0.1", "localhost", "::1"):
            print("OUTSIDE", host, file=sys.stderr, flush=True)
        return whole(*arguments)
    return told

socket.socket.connect, socket.gethostbyname = tell("connect", 1), tell("gethostbyname", 0)
sys.exit(main(sys.argv[1:]))
"""
"""The command line, which tells of every connection that it makes to another machine."""
ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 600
"""Seconds until the app must be there, on a machine with much else to do."""


class App:
    """`samnerf image-app` at work."""

    def __init__(self, folder):
        self.port = _free_port()
        self.folder = folder
        self.address = f"http://127.0.0.1:{self.port}"
        self.output, self.errors = folder / "output.txt", folder / "errors.txt"
        with self.output.open("w") as output, self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-c", GUARDED, "image-app", "--port", str(self.port)],
                stdout=output,
                stderr=errors,
                cwd=ROOT,
                env=os.environ | {"TMPDIR": str(folder)},
            )

    def wait(self):
        deadline = time.monotonic() + PATIENCE
        while "is at http" not in self.output.read_text():
            assert self.process.poll() is None, self.errors.read_text()
            assert time.monotonic() < deadline, "the app did not start"
            time.sleep(0.1)

    def interrupt(self):
        """Ctrl-C; the exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def free_port():
    """A port that nobody listens on."""
    return _free_port()


@pytest.fixture(scope="session")
def app(tmp_path_factory):
    """The app (see `App`), ready."""
    with App(tmp_path_factory.mktemp("app")) as started:
        started.wait()
        yield started


@pytest.fixture
def started_app(tmp_path):
    """An app of one's own."""
    with App(tmp_path) as started:
        started.wait()
        yield started


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
