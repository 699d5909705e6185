"""Soft mattes as run lengths, in JSON: alpha-RLE, version 1.

    {"format": "alpha-rle", "version": 1, "size": [H, W], "order": "C", "bits": 8, "counts": "0:12,255:3"}

Runs go row by row from the top left, each as value:length. Values are 0 to 255 and differ from run to run, lengths are
1 or more and sum to H x W; alpha is value / 255. Values are rounded to the nearest, or, if the record says
`"quant": "floor"`, cut off. A record is read strictly: whatever breaks one of these rules is refused.

Records of before version 1 have `size` and `counts` alone, and perhaps an `order`, which says "F" though the runs go
row by row; they are read so, and may repeat a value in neighbouring runs. Binary masks are kept in COCO's form
(`samnerf.export.coco.run_lengths`).
"""

import re
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float, Float32, UInt8

from samnerf.errors import SamNerfError

FORMAT = "alpha-rle"
VERSION = 1
Quantisation = Literal["round", "floor"]
MOST_PIXELS = 2**28
_FIELDS = {"format", "version", "size", "order", "bits", "counts"}
_LEGACY_FIELDS = {"size", "counts"}
# No sign, no blank, no leading zero: one way to write a matte.
_RUNS = re.compile(r"(?:0|[1-9]\d{0,2}):[1-9]\d{0,9}(?:,(?:0|[1-9]\d{0,2}):[1-9]\d{0,9})*", re.ASCII)


def encode_alpha(alpha: Float[np.ndarray, "height width"], quant: Quantisation = "round") -> dict[str, Any]:
    """A matte as a record.

    Args:
        alpha: 0 to 1.
        quant: how it becomes 8 bits.

    Raises:
        ValueError: if the matte has no pixels, more than can be read again, or is not 0 to 1.
    """
    if not 0 < alpha.size <= MOST_PIXELS:
        raise ValueError(f"a matte of shape {alpha.shape} has {alpha.size} pixels; expected 1 to {MOST_PIXELS}")
    if not (alpha.min() >= 0 and alpha.max() <= 1):
        raise ValueError(f"alpha runs from {alpha.min():g} to {alpha.max():g} but must lie between 0 and 1")
    scaled = alpha * 255  # in the matte's own precision: cut off, that gives the bytes that older programs wrote
    record = encode_levels((np.floor(scaled) if quant == "floor" else np.rint(scaled)).astype(np.uint8))
    return record | {"quant": "floor"} if quant == "floor" else record


def encode_levels(levels: UInt8[np.ndarray, "height width"]) -> dict[str, Any]:
    """A matte of 8 bits as a record."""
    flat = levels.ravel()
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    lengths = np.diff(starts, append=flat.size)
    runs = zip(flat[starts].tolist(), lengths.tolist(), strict=True)
    return {
        "format": FORMAT,
        "version": VERSION,
        "size": [int(side) for side in levels.shape],
        "order": "C",
        "bits": 8,
        "counts": ",".join(f"{value}:{length}" for value, length in runs),
    }


def decode_alpha(record: Any, where: str = "alpha-RLE") -> Float32[np.ndarray, "height width"]:
    """The matte of a record that came from outside, 0 to 1; `where` begins messages.

    Raises:
        SamNerfError: naming the rule that it breaks.
    """
    return decode_levels(record, where).astype(np.float32) / np.float32(255)


def decode_levels(record: Any, where: str = "alpha-RLE") -> UInt8[np.ndarray, "height width"]:
    """As `decode_alpha`, the 8 bits themselves."""
    if not isinstance(record, dict):
        raise SamNerfError(f"{where} is {record!r} but must be an object")
    legacy = "format" not in record
    _check_fields(record, legacy, where)
    height, width = _size(record["size"], where)
    counts = record["counts"]
    if not isinstance(counts, str) or not _RUNS.fullmatch(counts):
        raise SamNerfError(f'{where}: "counts" must be runs of value:length such as "0:12,255:3"')
    numbers = np.array(counts.replace(":", ",").split(","), dtype=np.int64)
    values, lengths = numbers[::2], numbers[1::2]
    if values.max() > 255:
        raise SamNerfError(f'{where}: "counts" has the value {values.max()} but values are 0 to 255')
    if lengths.sum() != height * width:
        raise SamNerfError(
            f"{where}: the runs sum to {lengths.sum()} pixels but {height} x {width} has {height * width}"
        )
    if not legacy and (values[1:] == values[:-1]).any():
        again = int(values[1:][values[1:] == values[:-1]][0])
        raise SamNerfError(f'{where}: "counts" has two runs of {again} side by side; one run is as long as it can be')
    return np.repeat(values.astype(np.uint8), lengths).reshape(height, width)


def _check_fields(record: dict[str, Any], legacy: bool, where: str) -> None:
    needed, optional = (_LEGACY_FIELDS, {"order", "quant"}) if legacy else (_FIELDS, {"quant"})
    if missing := needed - set(record):
        raise SamNerfError(f"{where} has no {sorted(missing)[0]!r}; it must have {', '.join(sorted(needed))}")
    if unknown := set(record) - needed - optional:
        raise SamNerfError(f"{where} has an unknown field {min(map(str, unknown))!r}")
    expected: dict[str, tuple[Any, ...]] = {"quant": get_args(Quantisation), "order": ("C", "F") if legacy else ("C",)}
    if not legacy:
        expected |= {"format": (FORMAT,), "version": (VERSION,), "bits": (8,)}
    for name, right in expected.items():
        value = record.get(name, right[0])
        if type(value) is not type(right[0]) or value not in right:
            raise SamNerfError(f"{where}: {name!r} is {value!r} but must be {' or '.join(map(repr, right))}")


def _size(value: Any, where: str) -> tuple[int, int]:
    whole = isinstance(value, list) and all(isinstance(side, int) and not isinstance(side, bool) for side in value)
    if not whole or len(value) != 2 or min(value) < 1 or value[0] * value[1] > MOST_PIXELS:
        raise SamNerfError(
            f'{where}: "size" is {value!r} but must be [H, W], whole numbers from 1 with at most {MOST_PIXELS} pixels'
        )
    return value[0], value[1]
