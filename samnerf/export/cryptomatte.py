"""Cryptomatte 1.2.0: the alphas of all objects in a few layers of one EXR file.

In each pixel the objects are ranked by coverage; layer `crypto_object00` holds ID and coverage of the first in `R` and
`G` and those of the second in `B` and `A`, `crypto_object01` the next two, and so on. An ID is the hash of the object's
name, its 32 bits read as a float, so an object has the same one in every frame and every file. To get a matte, sum up
the coverage wherever its ID is found (https://github.com/Psyop/Cryptomatte, the specification).

Coverage of a pixel sums up to at most 1. Where alphas do, they are kept as they are, and what they lack of 1 belongs to
"nothing", whose ID is 0. Where objects overlap beyond 1, each has its share: alpha / sum of alphas. `write_mattes`
keeps every alpha whole.
"""

import itertools
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import mmh3
import numpy as np
from jaxtyping import Float, Float32, UInt8

from samnerf.errors import SamNerfError
from samnerf.export.exr import checked_alpha, colour_channels, write_exr

TYPE_NAME = "crypto_object"
RANKS = 6


@dataclass(frozen=True, eq=False)
class Ranks:
    """The objects of each pixel, the most covering first.

    Attributes:
        ids: ID of the object of each rank; 0 is nothing.
        coverages: part of the pixel that it covers, 0 to 1; falls with the rank, and sums up to at most 1.
        lost: coverage of the objects for which there was no rank left.
    """

    ids: Float32[np.ndarray, "ranks height width"]
    coverages: Float32[np.ndarray, "ranks height width"]
    lost: Float32[np.ndarray, "height width"]


def name_hash(name: str) -> int:
    """MurmurHash3_x86_32 of the name in UTF-8, kept clear of the floats that are infinite, subnormal or no numbers."""
    bits = mmh3.hash(name.encode(), signed=False)
    return bits ^ (1 << 23) if (bits >> 23) & 255 in (0, 255) else bits


def name_id(name: str) -> np.float32:
    """The ID in the pixels: the bits of the hash read as a float."""
    return np.uint32(name_hash(name)).view(np.float32)


def metadata_key(type_name: str) -> str:
    """Under which a Cryptomatte's attributes are found: the first seven digits of its name's hash."""
    return f"{name_hash(type_name):08x}"[:7]


def manifest(names: Sequence[str]) -> dict[str, str]:
    """The hash of each object, eight hexadecimal digits, by name.

    Raises:
        SamNerfError: if two names are the same, or happen to have the same hash.
    """
    hashes: dict[str, str] = {}
    owners: dict[str, str] = {}
    for name in names:
        digits = f"{name_hash(name):08x}"
        if name in hashes:
            raise SamNerfError(f"two objects are called {name!r}; names must differ in a Cryptomatte")
        if digits in owners:
            raise SamNerfError(
                f"{owners[digits]!r} and {name!r} have the same hash in a Cryptomatte; rename one of them"
            )
        hashes[name] = digits
        owners[digits] = name
    return hashes


def rank(alphas: Iterable[Float[np.ndarray, "height width"]], names: Sequence[str], ranks: int = RANKS) -> Ranks:
    """Rank the objects of each pixel. Where two cover the same, the first of them ranks higher.

    Nothing has a rank wherever the objects leave one free, so that up to `ranks` objects may meet in a pixel without
    loss. Of more, those that cover least are left out; the others keep their coverage.

    Args:
        alphas: 0 to 1, one for each name and of one size; taken one after the other, so they may come from a generator.
        names: of the objects.
        ranks: how many objects a pixel can hold.

    Raises:
        ValueError: if there is no alpha, or not one for each name, or one is of another size or not from 0 to 1.
        SamNerfError: if two names or their hashes are the same.
    """
    manifest(names)
    arriving = iter(alphas)
    first = next(arriving, None)
    if first is None:
        raise ValueError("a Cryptomatte needs at least one object")
    coverages = np.zeros((ranks, first.size), np.float32)
    ids = np.zeros((ranks, first.size), np.float32)
    total, lost = np.zeros(first.size, np.float32), np.zeros(first.size, np.float32)
    for alpha, name in zip(itertools.chain([first], arriving), names, strict=True):
        if alpha.shape != first.shape:
            raise ValueError(f"the alpha of {name!r} is of {alpha.shape} but the first of {first.shape} pixels")
        values = checked_alpha(alpha, name).ravel()
        total += values
        pixels = np.flatnonzero(values)
        pixels, values = _insert(coverages, ids, pixels, values[pixels], name_id(name))
        lost[pixels] += values
    scale = np.maximum(total, 1)
    coverages /= scale
    coverages[0] += total == 0
    pixels = np.flatnonzero((total > 0) & (total < 1) & (coverages[-1] == 0))
    _insert(coverages, ids, pixels, 1 - total[pixels], np.float32(0))
    shape = first.shape
    return Ranks(ids.reshape(-1, *shape), coverages.reshape(-1, *shape), (lost / scale).reshape(shape))


def write_cryptomatte(
    path: Path,
    alphas: Iterable[Float[np.ndarray, "height width"]],
    names: Sequence[str],
    rgb: UInt8[np.ndarray, "height width 3"] | None = None,
    type_name: str = TYPE_NAME,
    ranks: int = RANKS,
) -> float:
    """Write a Cryptomatte with its manifest; gives the largest coverage that found no rank in some pixel, 0 for none.

    Args:
        path: of the file.
        alphas: 0 to 1, one for each name.
        names: of the objects; the same in all frames of a sequence, with empty alphas for those that are not seen.
        rgb: the view, sRGB; becomes `R`, `G`, `B`, scene-linear.
        type_name: name of the layers, without their numbers.
        ranks: how many objects a pixel can hold; even, and the same over a sequence.

    Raises:
        ValueError: as `rank`, or if the ranks are not even or the layers' name is none that Nuke keeps as it is.
        SamNerfError: if two names or their hashes are the same, or the file cannot be written.
    """
    if ranks < 2 or ranks % 2:
        raise ValueError(f"a Cryptomatte cannot have {ranks} ranks; a layer holds two")
    if not re.fullmatch(r"[A-Za-z](\w*[A-Za-z_])?", type_name, re.ASCII):
        raise ValueError(f"{type_name!r} must be letters, digits and underscores, without digits at either end")
    ranked = rank(alphas, names, ranks)
    channels = {}
    for layer in range(ranks // 2):
        for half, (id_channel, coverage_channel) in enumerate(("RG", "BA")):
            channels[f"{type_name}{layer:02d}.{id_channel}"] = ranked.ids[2 * layer + half]
            channels[f"{type_name}{layer:02d}.{coverage_channel}"] = ranked.coverages[2 * layer + half]
    prefix = f"cryptomatte/{metadata_key(type_name)}"
    attributes = {
        f"{prefix}/name": type_name,
        f"{prefix}/hash": "MurmurHash3_32",
        f"{prefix}/conversion": "uint32_to_float32",
        f"{prefix}/manifest": json.dumps(manifest(names), ensure_ascii=False, separators=(",", ":")),
    }
    write_exr(path, {**(colour_channels(rgb) if rgb is not None else {}), **channels}, attributes)
    return float(ranked.lost.max(initial=0))


def _insert(
    coverages: Float32[np.ndarray, "ranks pixels"],
    ids: Float32[np.ndarray, "ranks pixels"],
    pixels: np.ndarray,
    values: Float32[np.ndarray, " some"],
    new_id: np.float32,
) -> tuple[np.ndarray, Float32[np.ndarray, " left"]]:
    """Put an object into the ranks of the pixels (indices) that it covers; what it displaces moves down.

    Gives the pixels where something falls off the last rank, and its coverage.
    """
    moving = np.full(len(pixels), new_id)
    for held, held_ids in zip(coverages, ids, strict=True):
        before, before_ids = held[pixels], held_ids[pixels]
        wins = values > before
        held[pixels] = np.where(wins, values, before)
        held_ids[pixels] = np.where(wins, moving, before_ids)
        values, moving = np.where(wins, before, values), np.where(wins, before_ids, moving)
        left = values > 0
        pixels, values, moving = pixels[left], values[left], moving[left]
    return pixels, values
