"""The picture behind everything, as viser's page takes it, with the depth that things in the world are hidden by.

viser compresses depth anew with every picture, as hard as it can: a sixth of a second for one that has not changed. So
its message is made here; what it holds is said in viser's `BackgroundImageMessage` and `App.tsx`.
"""

from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from viser import _messages

STEPS_PER_UNIT = 100_000
"""viser's depths are 24-bit whole numbers, the lowest byte first as red."""
STEP = 256
"""Depths are rounded to it. Red stays zero then: smaller, and the browser, which interpolates bytes, blends it well."""

Picture = UInt8[np.ndarray, "height width 3"]


def send_backdrop(client: Any, picture: Picture, quality: int, depth: bytes | None = None) -> None:
    """Show a picture behind everything.

    Args:
        client: viser's handle.
        picture: 8-bit sRGB.
        quality: of the JPEG, 0 to 100.
        depth: of `packed_depth`; without it, nothing in the world is hidden by the picture.
    """
    message = _messages.BackgroundImageMessage("image/jpeg", _jpeg(picture, quality), depth)
    client.scene._websock_interface.queue_message(message)
    client.flush()


def packed_depth(depth: Float[np.ndarray, "height width"]) -> bytes:
    """Depth along the optical axis, scene units, as the page reads it: a PNG; 0 to 167, and what is further, 167.

    It has half the picture's size, which hides a ball well enough, and which every picture has to be sent with.
    """
    steps = np.clip(np.round(depth[::2, ::2] * (STEPS_PER_UNIT / STEP)), 0, 2**16 - 1).astype(np.uint16)
    rgb = np.stack([np.zeros_like(steps), steps & 255, steps >> 8], axis=-1).astype(np.uint8)
    return cv2.imencode(".png", rgb[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


def _jpeg(picture: Picture, quality: int) -> bytes:
    return cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
