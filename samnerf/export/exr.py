"""OpenEXR files: named channels with text attributes, mattes with a layer for each object, depth.

One part of scanlines, ZIP compression, half or single precision. A channel is called `<layer>.<channel>`; Nuke reads
the channel `A` of a layer as its `alpha`, `R`, `G` and `B` without a layer as `rgba`, and `Z` without a layer as
`depth.Z`. Any other channel without a layer ends up in the layer `other` with those of all other files, which is why
every object has a layer of its own (`red_cube.A`, in Nuke `red_cube.alpha`).
"""

import io
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import OpenEXR
from jaxtyping import Float, Float16, Float32, UInt8

from samnerf.atomic_files import write_bytes
from samnerf.camera import Camera
from samnerf.errors import SamNerfError

# The attribute that tells which object a layer belongs to: JSON, {layer: name}.
LAYERS_ATTRIBUTE = "samnerf/layers"

# Names of up to 31 characters are what every reader of EXR takes, and ".A" is two of them.
_LONGEST_LAYER = 29

# Layers that Nuke has already, or in which it looks for something else, in lower case.
_RESERVED = (
    *("alpha", "backward", "ci", "deep", "depth", "disparityl", "disparityr", "forward", "left", "main", "mask"),
    *("motion", "other", "rgb", "rgba", "right", "rotopaint_mask"),
)


@dataclass(frozen=True, eq=False)
class ExrImage:
    """What an EXR file holds.

    Attributes:
        channels: pixels of each channel by its full name, row 0 on top.
        attributes: texts in its header.
        whole: whether its pixels are those of the display window, no more and no less.
    """

    channels: dict[str, Float[np.ndarray, "height width"]]
    attributes: dict[str, str]
    whole: bool = True


def write_exr(
    path: Path, channels: Mapping[str, Float[np.ndarray, "height width"]], attributes: Mapping[str, str] | None = None
) -> None:
    """Write channels of one size, each in its own precision: the whole file or none of it.

    Args:
        path: of the file.
        channels: float16 or float32 pixels by full name, row 0 on top.
        attributes: texts for the header by name.

    Raises:
        ValueError: if there is no channel, or they differ in size, or one is neither float16 nor float32.
        SamNerfError: if the disk is full or the folder cannot be written.
    """
    if not channels or len({pixels.shape for pixels in channels.values()}) > 1:
        raise ValueError("an EXR file needs at least one channel, and channels of one size")
    wrong = [name for name, pixels in channels.items() if pixels.dtype not in (np.float16, np.float32)]
    if wrong:
        raise ValueError(f"channel {wrong[0]!r} is {channels[wrong[0]].dtype} but must be float16 or float32")
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, **(attributes or {})}
    # The library reads memory row by row, whatever the strides of an array say.
    pixels = {name: np.ascontiguousarray(values) for name, values in channels.items()}
    # No threads of its own: a process that is forked later would wait for them for ever.
    encoded = io.BytesIO()
    OpenEXR.File(header, pixels, num_threads=0).write(encoded)
    write_bytes(path, encoded.getvalue())


def read_exr(path: Path) -> ExrImage:
    """Read every channel of a file of one part.

    Raises:
        SamNerfError: if the file is missing, is no EXR, or is damaged.
    """
    try:
        encoded = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise SamNerfError(f"EXR file {path} does not exist") from error
    except OSError as error:
        raise SamNerfError(f"EXR file {path} cannot be read: {error.strerror}") from error
    try:
        file = OpenEXR.File(io.BytesIO(encoded), separate_channels=True, num_threads=0)
        header, channels = file.header(), file.channels()
    except (RuntimeError, ValueError) as error:  # a part whose pixels cannot be read is left out by the library
        raise SamNerfError(f"{path} is no EXR file, or a damaged one") from error
    return ExrImage(
        {name: channel.pixels for name, channel in channels.items()},
        {name: value for name, value in header.items() if isinstance(value, str)},
        np.array_equal(header["dataWindow"], header["displayWindow"]),
    )


def layer_names(names: Sequence[str]) -> dict[str, str]:
    """A layer for each object, by name: ASCII letters, digits and underscores, begun by no digit, all different.

    Accents are dropped; a name of which nothing is left becomes `object`; one that Nuke has a use for gets `_object`
    behind it; where two would be the same (capitals do not count), the later ones get a number. The same names in the
    same order give the same layers, so a sequence keeps them.

    Raises:
        SamNerfError: if two objects have one name.
    """
    layers: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        if name in layers:
            raise SamNerfError(f"two objects are called {name!r}; names must differ")
        plain = _plain(name)
        layer, number = plain, 1
        while layer.casefold() in taken:
            number += 1
            ending = f"_{number}"
            layer = plain[: _LONGEST_LAYER - len(ending)] + ending
        taken.add(layer.casefold())
        layers[name] = layer
    return layers


def write_mattes(
    path: Path,
    mattes: Mapping[str, Float[np.ndarray, "height width"]],
    rgb: UInt8[np.ndarray, "height width 3"] | None = None,
) -> None:
    """Alphas of objects as channels `<layer>.A` in half precision (see `layer_names`).

    The names as they are stay in the attribute `samnerf/layers`.

    Args:
        path: of the file.
        mattes: alpha, 0 to 1, by the name of the object.
        rgb: the view, sRGB; becomes `R`, `G`, `B`, scene-linear as Nuke takes EXR files.

    Raises:
        ValueError: if there is no matte, or one has another size, or values that are not from 0 to 1.
        SamNerfError: if the file cannot be written.
    """
    layers = layer_names(list(mattes))
    channels = {f"{layers[name]}.A": checked_alpha(alpha, name) for name, alpha in mattes.items()}
    halves = {name: alpha.astype(np.float16) for name, alpha in channels.items()}
    said = json.dumps({layer: name for name, layer in layers.items()}, ensure_ascii=False)
    write_exr(path, {**(colour_channels(rgb) if rgb is not None else {}), **halves}, {LAYERS_ATTRIBUTE: said})


def read_mattes(path: Path) -> dict[str, Float16[np.ndarray, "height width"]]:
    """Alphas of a file of `write_mattes`, by the name of the object.

    Raises:
        SamNerfError: if the file cannot be read, or holds no mattes.
    """
    image = read_exr(path)
    try:
        layers = json.loads(image.attributes[LAYERS_ATTRIBUTE])
        return {name: image.channels[f"{layer}.A"] for layer, name in layers.items()}
    except (KeyError, AttributeError, json.JSONDecodeError) as error:
        raise SamNerfError(f"{path} holds no mattes with names in its attribute {LAYERS_ATTRIBUTE!r}") from error


def write_depth(path: Path, depth: Float[np.ndarray, "height width"]) -> None:
    """Depth as the channel `Z` in single precision, which Nuke reads as `depth.Z`.

    Values are written as they are. Programs for compositing expect z-depth, along the optical axis, and not the
    distance along the ray that the rest of the package speaks of: `optical_depth` converts it.

    Args:
        path: of the file.
        depth: z-depth in scene units.

    Raises:
        SamNerfError: if the file cannot be written.
    """
    write_exr(path, {"Z": depth.astype(np.float32)})


def optical_depth(distances: Float[np.ndarray, "height width"], camera: Camera) -> Float32[np.ndarray, "height width"]:
    """Depth along the optical axis from the distance along the ray of each pixel's centre, both in scene units.

    Raises:
        ValueError: if the distances are not of the camera's size.
    """
    if distances.shape != camera.image_size:
        raise ValueError(f"distances are of {distances.shape} but the camera's image of {camera.image_size} pixels")
    x = (np.arange(camera.width) + 0.5 - camera.cx) / camera.fx
    y = (np.arange(camera.height) + 0.5 - camera.cy) / camera.fy
    return (distances / np.sqrt(1 + x**2 + y[:, None] ** 2)).astype(np.float32)


def checked_alpha(alpha: Float[np.ndarray, "height width"], name: str) -> Float32[np.ndarray, "height width"]:
    """An alpha in single precision.

    Raises:
        ValueError: if it has values that are not from 0 to 1.
    """
    if not (alpha.min(initial=0) >= 0 and alpha.max(initial=0) <= 1):
        raise ValueError(f"the alpha of {name!r} has values that are not from 0 to 1")
    return alpha.astype(np.float32, copy=False)


def colour_channels(
    rgb: UInt8[np.ndarray, "height width 3"],
) -> dict[str, Float16[np.ndarray, "height width"]]:
    """Channels `R`, `G`, `B`, scene-linear, of an sRGB picture (IEC 61966-2-1)."""
    values = np.arange(256) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4).astype(np.float16)
    return {channel: linear[rgb[..., i]] for i, channel in enumerate("RGB")}


def _plain(name: str) -> str:
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9]+", "_", ascii_name).strip("_") or "object"
    if plain[0].isdigit():
        plain = f"object_{plain}"
    if plain.casefold() in _RESERVED:
        plain = f"{plain}_object"
    return plain[:_LONGEST_LAYER]
