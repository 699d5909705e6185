"""Pictures of the wire as arrays, and linear light as the sRGB that encoders know.

On the wire a picture is float32, little endian, one channel after the other, row 0 at the bottom. Here row 0 is on top,
as everywhere else; numbers pass through as they are, bit for bit.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, UInt8

from samnerf.errors import SamNerfError
from samnerf.export.light import linear_light, srgb_curve
from samnerf.nuke.schema import Image

CHANNELS = (1, 3, 4)
LONGEST_SIDE = 65535


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture, or a matte, of a compositor: any numbers, usually linear light.

    Attributes:
        pixels: row 0 on top.
    """

    pixels: Float32[np.ndarray, "channels height width"]

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return self.pixels.shape[1], self.pixels.shape[2]

    @staticmethod
    def grey(values: Float[np.ndarray, "height width"]) -> "Frame":
        """A matte: the same in red, green and blue, because the client fills no channel that is not sent."""
        return Frame(np.repeat(values[None].astype(np.float32), 3, axis=0))

    @staticmethod
    def from_srgb(colours: Float[np.ndarray, "height width 3"], encoded: bool = False) -> "Frame":
        """A picture of sRGB colours, 0 to 1, as linear light; as they are if they are to stay `encoded`."""
        light = colours if encoded else linear_light(colours)
        return Frame(np.ascontiguousarray(light.transpose(2, 0, 1), np.float32))

    def srgb(self, encoded: bool = False) -> UInt8[np.ndarray, "height width 3"]:
        """What encoders see: 8-bit sRGB of linear light, or of values that are `encoded` already.

        What is beyond 0 to 1 is cut off, and what is no number is black. Grey is spread, an alpha channel left out.
        """
        colours = self.pixels[:3] if len(self.pixels) >= 3 else np.repeat(self.pixels[:1], 3, axis=0)
        # Not a number is black; +inf passes for 1.
        light = np.clip(np.nan_to_num(colours, nan=0.0), 0.0, 1.0)
        shown = light if encoded else srgb_curve(light)
        return np.ascontiguousarray(np.rint(shown * 255).astype(np.uint8).transpose(1, 2, 0))


def frame_from_message(image: Any, where: str) -> Frame:
    """A picture that came from outside; `where` names it in messages ("picture 1").

    Raises:
        SamNerfError: if it has no pixels, another number of channels, or not as many bytes as its size says.
    """
    width, height, channels = image.width, image.height, image.channels
    if not (1 <= width <= LONGEST_SIDE and 1 <= height <= LONGEST_SIDE):
        raise SamNerfError(f"{where} is {width} x {height} pixels, but each side must be 1 to {LONGEST_SIDE}")
    if channels not in CHANNELS:
        raise SamNerfError(f"{where} has {channels} channels, but 1 (grey), 3 (RGB) or 4 (RGBA) are taken")
    expected = width * height * channels * 4
    if len(image.image) != expected:
        raise SamNerfError(
            f"{where} has {len(image.image)} bytes, but {width} x {height} pixels of {channels} float32 are {expected}"
        )
    upwards = np.frombuffer(image.image, "<f4").reshape(channels, height, width)
    return Frame(np.ascontiguousarray(upwards[:, ::-1], np.float32))


def frame_to_message(frame: Frame) -> Any:
    """The inverse of `frame_from_message`."""
    channels, height, width = frame.pixels.shape
    upwards = np.ascontiguousarray(frame.pixels[:, ::-1], "<f4")
    return Image(width=width, height=height, channels=channels, image=upwards.tobytes())
