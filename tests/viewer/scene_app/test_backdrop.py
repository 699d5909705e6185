"""The picture behind everything, as viser's page reads it."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from samnerf.viewer.scene_app.backdrop import packed_depth, send_backdrop


def unpacked(png: bytes) -> np.ndarray:
    """What viser's page makes of it (`readDepth` in its `App.tsx`)."""
    blue, green, red = np.moveaxis(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR) / 255, -1, 0)
    return red * 0.00255 + green * 0.6528 + blue * 167.1168


@pytest.mark.parametrize("shape", [(40, 60), (33, 47), (1, 1)])
def test_the_page_reads_the_depth_that_was_packed(shape):
    depth = np.random.default_rng(0).uniform(0.01, 160.0, shape).astype(np.float32)
    assert np.abs(unpacked(packed_depth(depth)) - depth[::2, ::2]).max() < 2e-3


def test_what_is_too_far_is_as_far_as_can_be_said():
    assert np.allclose(unpacked(packed_depth(np.array([[1e6, 1.0], [1.0, 1.0]]))), 167.77, atol=5e-3)


@pytest.mark.parametrize("depth", [None, b"png"])
def test_a_picture_is_sent_at_once(depth):
    sent = []
    client = SimpleNamespace(
        scene=SimpleNamespace(_websock_interface=SimpleNamespace(queue_message=sent.append)),
        flush=lambda: sent.append("flush"),
    )
    picture = np.zeros((24, 32, 3), np.uint8)
    picture[:, 16:] = (200, 40, 20)
    send_backdrop(client, picture, 95, depth)
    message, then = sent
    assert then == "flush"
    assert (message.media_type, message.depth_bytes) == ("image/jpeg", depth)
    seen = cv2.imdecode(np.frombuffer(message.rgb_bytes, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert seen.shape == picture.shape
    assert np.abs(seen[:, 24:].astype(int) - picture[:, 24:]).max() < 6
