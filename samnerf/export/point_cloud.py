"""A coloured point cloud with normals and object IDs, and its file: binary little endian PLY.

Positions and normals are in nerfstudio's world (right-handed, +Z up, scene units), and a PLY keeps them so. Blender,
MeshLab and CloudCompare read `x y z nx ny nz red green blue`; what more there is (`object_id`, `confidence`) they keep
as scalar attributes. The format: http://paulbourke.net/dataformats/ply/. It is written and read here because a record
of numbers under a few lines of text needs no library.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Int, UInt8, UInt16

from samnerf.atomic_files import atomic_path
from samnerf.errors import SamNerfError

RECORD = np.dtype(
    [(name, "<f4") for name in ("x", "y", "z", "nx", "ny", "nz")]
    + [(name, "u1") for name in ("red", "green", "blue")]
    + [("object_id", "<u2"), ("confidence", "<f4")]
)
"""One vertex as it lies in the file."""

_PROPERTY_TYPES = {"<f4": "float", "|u1": "uchar", "<u2": "ushort"}
_NUMPY_TYPES = {
    "char": "i1",
    "int8": "i1",
    "uchar": "u1",
    "uint8": "u1",
    "short": "<i2",
    "int16": "<i2",
    "ushort": "<u2",
    "uint16": "<u2",
    "int": "<i4",
    "int32": "<i4",
    "uint": "<u4",
    "uint32": "<u4",
    "float": "<f4",
    "float32": "<f4",
    "double": "<f8",
    "float64": "<f8",
}
_LONGEST_HEADER = 1 << 16


@dataclass(frozen=True)
class PointCloud:
    """Points on the surfaces of a scene.

    Attributes:
        positions: in the world, scene units; finite.
        colours: sRGB.
        normals: unit vectors in world axes that point out of the surface.
        object_ids: ID of the object each point belongs to; 0 is the background.
        confidence: how sure that is, 0 to 1.

    Raises:
        ValueError: if the arrays differ in length, or a number is not finite.
    """

    positions: Float32[np.ndarray, "points 3"]
    colours: UInt8[np.ndarray, "points 3"]
    normals: Float32[np.ndarray, "points 3"]
    object_ids: UInt16[np.ndarray, " points"]
    confidence: Float32[np.ndarray, " points"]

    def __post_init__(self) -> None:
        lengths = {field.name: len(getattr(self, field.name)) for field in fields(self)}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"the arrays of a point cloud differ in length: {lengths}")
        for name in ("positions", "normals", "confidence"):
            if not np.isfinite(getattr(self, name)).all():
                raise ValueError(f"{name} of a point cloud hold NaN or infinity")

    def __len__(self) -> int:
        return len(self.positions)

    def select(self, which: Bool[np.ndarray, " points"] | Int[np.ndarray, " chosen"]) -> "PointCloud":
        """The points under a mask, or at indices."""
        return PointCloud(*(getattr(self, field.name)[which] for field in fields(self)))


def joined(clouds: Sequence[PointCloud]) -> PointCloud:
    """All points of several clouds, in order.

    Raises:
        ValueError: if there is no cloud.
    """
    return PointCloud(*(np.concatenate([getattr(one, field.name) for one in clouds]) for field in fields(PointCloud)))


def write_ply(path: Path, cloud: PointCloud) -> None:
    """Write binary little endian PLY, the whole file or none of it.

    Raises:
        SamNerfError: if there are no points, or the file cannot be written.
    """
    if not len(cloud):
        raise SamNerfError(f"{path} would hold no points: no view shows the object, so there is nothing to write")
    vertices = np.empty(len(cloud), RECORD)
    for names, values in (("xyz", cloud.positions), (("nx", "ny", "nz"), cloud.normals)):
        for axis, name in enumerate(names):
            vertices[name] = values[:, axis]
    for channel, name in enumerate(("red", "green", "blue")):
        vertices[name] = cloud.colours[:, channel]
    vertices["object_id"] = cloud.object_ids
    vertices["confidence"] = cloud.confidence
    properties = [f"property {_PROPERTY_TYPES[RECORD[name].str]} {name}" for name in RECORD.names or ()]
    header = [
        "ply",
        "format binary_little_endian 1.0",
        "comment nerfstudio world: right-handed, +Z up, scene units",
        f"element vertex {len(cloud)}",
        *properties,
        "end_header",
    ]
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(("\n".join(header) + "\n").encode("ascii"))
        vertices.tofile(file)


def read_ply(path: Path) -> PointCloud:
    """Read what `write_ply` wrote, or a program kept of it: the order and the width of the properties may differ.

    Raises:
        SamNerfError: if the file is missing, is no binary little endian PLY, lacks a property or is cut off.
    """
    try:
        with Path(path).open("rb") as file:
            count, record = _read_header(file.read(_LONGEST_HEADER), path, file)
            vertices = np.fromfile(file, record, count)
    except OSError as error:
        raise SamNerfError(f"point cloud {path} cannot be read: {error.strerror or error}") from error
    if len(vertices) < count:
        raise SamNerfError(
            f"point cloud {path} is cut off: its header promises {count} points, it holds {len(vertices)}"
        )

    def columns(*names: str) -> np.ndarray:
        return np.stack([vertices[name] for name in names], axis=-1)

    try:
        return PointCloud(
            columns("x", "y", "z").astype(np.float32),
            columns("red", "green", "blue").astype(np.uint8),
            columns("nx", "ny", "nz").astype(np.float32),
            vertices["object_id"].astype(np.uint16),
            vertices["confidence"].astype(np.float32),
        )
    except ValueError as error:
        raise SamNerfError(f"point cloud {path} is damaged: {error}") from error


def _read_header(start: bytes, path: Path, file) -> tuple[int, np.dtype]:
    """Number and record of the vertices; leaves the file where they begin."""
    end = re.search(rb"end_header\r?\n", start)
    if not start.startswith(b"ply") or end is None:
        raise SamNerfError(f"point cloud {path} is not a PLY file: it should begin with 'ply' and a header")
    lines = [line.split() for line in start[: end.start()].decode("ascii", errors="replace").splitlines()]
    if ["format", "binary_little_endian", "1.0"] not in lines:
        raise SamNerfError(f"point cloud {path} is not binary little endian PLY 1.0; save it in that form")
    elements = [index for index, words in enumerate(lines) if words[:1] == ["element"]]
    first = lines[elements[0]] if elements else []
    if len(first) != 3 or first[1] != "vertex" or not first[2].isdecimal():
        raise SamNerfError(
            f"point cloud {path} should begin with the element vertex, but has {' '.join(first) or None}"
        )
    properties: dict[str, str] = {}
    for words in lines[elements[0] + 1 : (elements[1:] or [len(lines)])[0]]:
        if words[:1] == ["property"]:
            if len(words) != 3 or words[1] not in _NUMPY_TYPES:
                raise SamNerfError(f"point cloud {path}: '{' '.join(words)}' is not a number per point")
            properties[words[2]] = _NUMPY_TYPES[words[1]]
    missing = [name for name in RECORD.names or () if name not in properties]
    if missing:
        raise SamNerfError(f"point cloud {path} lacks {', '.join(missing)}; was it written by samnerf?")
    file.seek(end.end())
    return int(first[2]), np.dtype(list(properties.items()))
