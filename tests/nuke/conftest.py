"""Small models, a picture of two squares, and a server with its client."""

import contextlib
import socket
from dataclasses import dataclass

import numpy as np
import pytest

from samnerf.images.segmentation import ImageSegmenter
from samnerf.nuke.client import FrameClient
from samnerf.nuke.frames import Frame
from samnerf.nuke.options import NoOptions, option
from samnerf.nuke.server import FrameServer, Limits, serving
from samnerf.nuke.service import FrameService


class Identity:
    """Gives back what it gets."""

    name, label, inputs, options = "identity", "Identity", ("source",), NoOptions

    def infer(self, frames, options):
        return frames[0]


@dataclass(frozen=True)
class GainOptions:
    gain: float = option(1.0, 0.0, 100.0)
    offset: int = option(0, -5, 5)
    invert: bool = option(False)
    mode: str = option("add", choices=("add", "none"))


class Gain:
    """Multiplies and adds, so that every option can be seen in the answer."""

    name, label, inputs, options = "gain", "Gain", ("source",), GainOptions

    def infer(self, frames, options):
        values = frames[0].pixels * np.float32(options.gain)
        if options.mode == "add":
            values = values + np.float32(options.offset)
        return Frame((-values if options.invert else values).astype(np.float32))


class Broken:
    """Has a mistake."""

    name, label, inputs, options = "broken", "Broken", ("source", "other"), NoOptions

    def infer(self, frames, options):
        raise ZeroDivisionError("a mistake of the model")


def random_frame(height, width, channels=3, seed=0):
    return Frame(np.random.default_rng(seed).normal(size=(channels, height, width)).astype(np.float32))


@contextlib.contextmanager
def served(models, limits=None):
    """A server on a free port of this machine, and its client."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        server = FrameServer(FrameService(models), limits or Limits())
        with serving(server, listener) as (host, port):
            client = FrameClient(host, port, timeout=20.0)
            client.server = server
            yield client


class Kit:
    """What tests of the frame server need."""

    Identity, Gain, Broken = Identity, Gain, Broken
    served = staticmethod(served)
    random_frame = staticmethod(random_frame)


@pytest.fixture(scope="session")
def kit():
    """See `Kit`."""
    return Kit


@pytest.fixture
def client(kit):
    """Of a server with the small models."""
    with served([Identity(), Gain(), Broken()]) as client:
        yield client


@pytest.fixture(scope="session")
def segmenter():
    """The bundled teachers."""
    return ImageSegmenter("tiny")
