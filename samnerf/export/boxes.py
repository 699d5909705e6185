"""Oriented boxes around objects: how large, where, and which way they lie.

Frame: nerfstudio's world, right-handed, +Z up, scene units.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from jaxtyping import Float
from scipy.spatial import ConvexHull
from trimesh.visual import ColorVisuals

from samnerf.atomic_files import write_json
from samnerf.errors import SamNerfError
from samnerf.objects.palette import object_colour
from samnerf.objects.scene_object import Colour

FORMAT = "samnerf-boxes"
VERSION = 1
BAR = 0.006
"""Thickness of a drawn edge, as a part of the box's diagonal."""
MOST_FACES = 256
"""A free box is tried on so many faces, the most promising ones; only round things have more that matter, all alike."""

_QUARTER_TURNS = np.array(
    [
        turn
        for order in itertools.permutations(range(3))
        for signs in itertools.product((1.0, -1.0), repeat=3)
        if np.linalg.det(turn := np.eye(3)[list(order)] * signs) > 0
    ]
)
"""The 24 rotations of a cube onto itself."""


@dataclass(frozen=True)
class OrientedBox:
    """A box in the world; `corner = centre + axes @ (± size / 2)`.

    Attributes:
        centre: scene units.
        axes: a rotation; its columns are the box's own x, y and z as unit vectors of the world. Of the 24 ways to name
            the sides of a box it is the one nearest to the world's axes.
        size: lengths along these axes, scene units; 0 where the points lie in a plane or on a line.
    """

    centre: Float[np.ndarray, "3"]
    axes: Float[np.ndarray, "3 3"]
    size: Float[np.ndarray, "3"]

    def corners(self) -> Float[np.ndarray, "8 3"]:
        """Corners in the world; bit 2, 1 and 0 of the index say which end of the box's x, y and z it is."""
        ends = np.array(list(itertools.product((-0.5, 0.5), repeat=3)))
        return self.centre + (ends * self.size) @ self.axes.T


@dataclass(frozen=True)
class ObjectBox:
    """The box of an object.

    Attributes:
        object_id, name: of the object.
        box: around its points.
        own_colour: sRGB, 0 to 255; None for that of the palette.
    """

    object_id: int
    name: str
    box: OrientedBox
    own_colour: Colour | None = None

    @property
    def colour(self) -> Colour:
        """In which it is drawn."""
        return object_colour(self.object_id) if self.own_colour is None else self.own_colour


def oriented_box(positions: Float[np.ndarray, "points 3"], upright: bool = True, trim: float = 0.01) -> OrientedBox:
    """The smallest box that holds the points.

    An upright box has the least area seen from above, over all edges of the convex hull there (one side of the best
    rectangle lies on an edge: Freeman and Shapira 1975). A free one has the least volume over all boxes with a side on
    a face of the hull; a few boxes that rest on edges only can be smaller still (O'Rourke 1985).

    Args:
        positions: in the world; any number from 1, also all in a plane, on a line or in one place.
        upright: keep the box's z along the world's, as things that stand on a floor have it.
        trim: the part of the points that is left out as stray, those furthest from the middle by the cloud's own
            standard deviations; 0 to below 0.5.

    Raises:
        SamNerfError: if there are no points, a position is not finite, or `trim` is out of range.
    """
    if not len(positions):
        raise SamNerfError("an object without points has no box; is it seen in any view?")
    if not np.isfinite(positions).all():
        raise SamNerfError("positions hold NaN or infinity, so there is no box; leave those points out")
    if not 0 <= trim < 0.5:
        raise SamNerfError(f"trim is {trim:g} but must be at least 0 and below 0.5, the part of the points left out")
    kept = _trimmed(positions.astype(np.float64), trim)
    axes = np.eye(3)
    if upright:
        axes[:2, :2] = _rectangle_axes(kept[:, :2])
    else:
        axes = _free_axes(kept)
    local = kept @ axes
    low, high = local.min(axis=0), local.max(axis=0)
    turn = _QUARTER_TURNS[np.trace(axes @ _QUARTER_TURNS, axis1=1, axis2=2).argmax()]
    return OrientedBox(axes @ ((low + high) / 2), axes @ turn, (high - low) @ np.abs(turn))


def boxes_document(boxes: Sequence[ObjectBox]) -> dict[str, Any]:
    """The boxes as JSON takes them; `axes` lists the box's x, y and z, each as a unit vector of the world."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "frame": "nerfstudio world: right-handed, +Z up, scene units",
        "objects": [
            {
                "id": one.object_id,
                "name": one.name,
                "colour": list(one.colour),
                "centre": one.box.centre.tolist(),
                "size": one.box.size.tolist(),
                "axes": one.box.axes.T.tolist(),
                "corners": one.box.corners().tolist(),
            }
            for one in boxes
        ],
    }


def write_boxes(path: Path, boxes: Sequence[ObjectBox]) -> None:
    """Write the JSON document of all boxes, the whole file or none of it."""
    write_json(path, boxes_document(boxes))


def box_frames(boxes: Sequence[ObjectBox]) -> dict[str, trimesh.Trimesh]:
    """The edges of each box as twelve thin bars in the object's colour, by name, for `mesh.write_mesh`.

    Bars and not lines, because every program shows triangles.
    """
    return {one.name: _frame(one) for one in boxes}


def _frame(one: ObjectBox) -> trimesh.Trimesh:
    box = one.box
    thickness = BAR * (float(np.linalg.norm(box.size)) or 1.0)
    bars = []
    for axis in range(3):
        others = [i for i in range(3) if i != axis]
        for ends in itertools.product((-0.5, 0.5), repeat=2):
            place = np.zeros(3)
            place[others] = np.array(ends) * box.size[others]
            extents = np.full(3, thickness)
            extents[axis] += box.size[axis]
            pose = np.eye(4)
            pose[:3, :3] = box.axes
            pose[:3, 3] = box.centre + box.axes @ place
            bars.append(trimesh.creation.box(extents, pose))
    frame: Any = trimesh.util.concatenate(bars)
    frame.visual = ColorVisuals(frame, vertex_colors=[*one.colour, 255])
    return frame


def _trimmed(positions: np.ndarray, trim: float) -> np.ndarray:
    if trim * len(positions) < 1:
        return positions
    offsets = positions - np.median(positions, axis=0)
    covariance = offsets.T @ offsets / len(offsets)
    spread = np.einsum("nc,nc->n", offsets @ np.linalg.pinv(covariance, rcond=1e-12, hermitian=True), offsets)
    return positions[spread <= np.quantile(spread, 1 - trim, method="higher")]


def _negligible(points: np.ndarray) -> float:
    """An extent that is rounding: of single precision, and of the points' own size."""
    return float(1e-6 * np.ptp(points, axis=0).max() + 4 * np.finfo(np.float32).eps * np.abs(points).max())


def _principal_axes(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal columns along which the points spread, most first, and their extents along them."""
    basis = np.linalg.svd(points - points.mean(axis=0), full_matrices=len(points) < points.shape[1])[2].T
    return basis, np.ptp(points @ basis, axis=0)


def _rectangle_axes(points: Float[np.ndarray, "points 2"]) -> Float[np.ndarray, "2 2"]:
    """Rotation whose columns are the sides of the rectangle of least area."""
    basis, extents = _principal_axes(points)
    negligible = _negligible(points)
    if extents.max() <= negligible:
        return np.eye(2)
    if extents.min() <= negligible:
        along = basis[:, extents.argmax()][None]
    else:
        outline = points[ConvexHull(points).vertices]
        along = np.roll(outline, -1, axis=0) - outline
        along /= np.linalg.norm(along, axis=1, keepdims=True)
        across = np.stack([-along[:, 1], along[:, 0]], axis=-1)
        areas = np.ptp(outline @ along.T, axis=0) * np.ptp(outline @ across.T, axis=0)
        along = along[areas.argmin()][None]
    (x, y) = along[0]
    return np.array([[x, -y], [y, x]])


def _free_axes(points: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, "3 3"]:
    """Rotation whose columns are the sides of the box of least volume with a side on a face of the hull."""
    basis, extents = _principal_axes(points)
    negligible = _negligible(points)
    if extents.max() <= negligible:
        return np.eye(3)
    if extents.min() <= negligible:
        return _with_rectangle(points, basis[:, extents.argmin()])
    hull = ConvexHull(points)
    corners = points[hull.vertices]
    normals = hull.equations[:, :3]
    normals = normals[np.unique(normals.round(6), axis=0, return_index=True)[1]]
    # The rectangle across a normal holds the hull's shadow, so it is no smaller than that.
    edges = np.diff(points[hull.simplices], axis=1)
    areas = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=-1) / 2
    shadows = np.abs(normals @ hull.equations[:, :3].T) @ areas / 2
    least = shadows * np.ptp(corners @ normals.T, axis=0)
    best, best_volume = basis, float(np.prod(extents))
    if np.linalg.det(best) < 0:
        best = best * (1.0, 1.0, -1.0)
    for index in np.argsort(least)[:MOST_FACES]:
        if least[index] >= best_volume:
            break
        axes = _with_rectangle(corners, normals[index])
        volume = float(np.prod(np.ptp(corners @ axes, axis=0)))
        if volume < best_volume:
            best, best_volume = axes, volume
    return best


def _with_rectangle(points: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Rotation with the normal as its third column and the best rectangle of the points across it."""
    plane = np.linalg.svd(normal[None])[2][1:].T
    sides = plane @ _rectangle_axes(points @ plane)
    return np.column_stack([sides, np.cross(sides[:, 0], sides[:, 1])])
