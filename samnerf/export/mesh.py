"""Closed triangle meshes of solids, and their files.

A mesh lives in nerfstudio's world (right-handed, +Z up, scene units). PLY and OBJ, which know of no up axis, keep it
so; a GLB is turned to +Y up and its colours are made linear, as glTF 2.0 demands, so that a program which follows glTF
shows the object upright and in its own colours.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from jaxtyping import Float, UInt8
from scipy.spatial import KDTree
from skimage.measure import marching_cubes
from trimesh.visual import ColorVisuals, TextureVisuals
from trimesh.visual.material import PBRMaterial

from samnerf.atomic_files import write_bytes
from samnerf.errors import SamNerfError
from samnerf.export.solid import OccupancyGrid

SUFFIXES = (".ply", ".obj", ".glb")
_Y_UP = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
"""(x, y, z) of a world with +Z up becomes (x, z, -y)."""


def solid_mesh(grid: OccupancyGrid, largest: bool = False) -> trimesh.Trimesh:
    """The surface of what is above the grid's level: watertight, its triangles wound outwards, in the world.

    Marching cubes (Lorensen and Cline 1987) with one reading of every ambiguous face, which cannot leave holes. What
    reaches the border of the grid is closed within one spacing beyond it.

    Args:
        grid: of values that are greater inside.
        largest: keep only the piece with the greatest volume, and fill its cavities.

    Raises:
        SamNerfError: if nothing is above the level, or a value is NaN.
    """
    values = grid.values.astype(np.float64) - grid.level
    if not np.isfinite(values).all():
        raise SamNerfError("the occupancy grid holds NaN or infinity, so it has no surface")
    if not (values > 0).any():
        raise SamNerfError(
            f"nothing of the occupancy grid is above its level {grid.level:g} (the most is {grid.values.max():.3g}); "
            "the object is thinner than the grid can show, so a smaller spacing may help"
        )
    # A value on the level would put several vertices at one place, and a triangle without area between them.
    least = 1e-3 * float(np.abs(values).max())
    values = np.where(np.abs(values) < least, np.copysign(least, values), values)
    padded = np.pad(values, 1, constant_values=-float(values.max()))
    vertices, faces, _, _ = marching_cubes(
        padded.astype(np.float32), 0.0, gradient_direction="ascent", method="lorensen", allow_degenerate=False
    )
    mesh = trimesh.Trimesh((vertices.astype(np.float64) - 1) * grid.spacing + grid.lower, faces, process=False)
    return _largest_piece(mesh) if largest else mesh


def painted(
    mesh: trimesh.Trimesh,
    positions: Float[np.ndarray, "points 3"],
    colours: UInt8[np.ndarray, "points 3"],
    neighbours: int = 4,
) -> trimesh.Trimesh:
    """The mesh with a colour per vertex: the mean of the nearest points, by inverse distance.

    Args:
        mesh: of an object, in the world.
        positions, colours: of points on its surface; sRGB.
        neighbours: how many points a vertex looks at.

    Raises:
        ValueError: if there are no points.
    """
    if not len(positions):
        raise ValueError("a mesh cannot be painted with the colours of no points")
    count = min(neighbours, len(positions))
    nearest = KDTree(positions).query(mesh.vertices, k=count, workers=-1)
    distances, indices = (np.reshape(found, (len(mesh.vertices), count)) for found in nearest)
    weights = 1 / np.maximum(distances, 1e-9)
    mixed = (colours[indices] * weights[..., None]).sum(axis=1) / weights.sum(axis=1, keepdims=True)
    return _with_colours(mesh, np.rint(mixed).astype(np.uint8))


def write_mesh(path: Path, meshes: trimesh.Trimesh | Mapping[str, trimesh.Trimesh]) -> None:
    """Write PLY, OBJ or GLB, as the name of the file says; the whole file or none of it.

    Args:
        path: ends in `.ply`, `.obj` or `.glb`.
        meshes: in the world; by name they are separate objects in a GLB, and one mesh in the others.

    Raises:
        SamNerfError: if the suffix is another, there are no triangles, or the file cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise SamNerfError(f"{path} should end in one of {', '.join(SUFFIXES)}, the files of meshes that are written")
    named = {path.stem: meshes} if isinstance(meshes, trimesh.Trimesh) else dict(meshes)
    if not sum(len(mesh.faces) for mesh in named.values()):
        raise SamNerfError(f"{path} would hold no triangles: there is nothing to write")
    if suffix == ".glb":
        content: Any = trimesh.Scene({name: _for_gltf(mesh) for name, mesh in named.items()}).export(file_type="glb")
    else:
        whole: Any = trimesh.util.concatenate(list(named.values()))
        content = whole.export(file_type=suffix[1:])
    write_bytes(path, content.encode() if isinstance(content, str) else content)


def _largest_piece(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    pieces = trimesh.graph.connected_component_labels(mesh.face_adjacency, node_count=len(mesh.faces))
    # Six times the signed volume between each triangle and the origin; a cavity is a piece of negative volume.
    spats = np.einsum("fc,fc->f", mesh.triangles[:, 0], np.cross(mesh.triangles[:, 1], mesh.triangles[:, 2]))
    kept = mesh.faces[pieces == np.bincount(pieces, weights=spats).argmax()]
    used, faces = np.unique(kept, return_inverse=True)
    return trimesh.Trimesh(mesh.vertices[used], faces.reshape(kept.shape), process=False)


def _with_colours(mesh: trimesh.Trimesh, colours: np.ndarray) -> trimesh.Trimesh:
    copy = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    copy.visual = ColorVisuals(copy, vertex_colors=colours)
    return copy


def _for_gltf(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """+Y up, linear colours, and a matt material: without one, glTF's default is bare metal."""
    copy = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    copy.apply_transform(_Y_UP)
    visual = TextureVisuals(material=PBRMaterial(metallicFactor=0.0, roughnessFactor=1.0))
    coloured: Any = mesh.visual
    if coloured.kind in ("vertex", "face"):
        visual.vertex_attributes["color"] = _linear(np.asarray(coloured.vertex_colors))
    copy.visual = visual
    return copy


def _linear(colours: UInt8[np.ndarray, "vertices 4"]) -> UInt8[np.ndarray, "vertices 4"]:
    """Linear light of sRGB colours (IEC 61966-2-1); alpha as it is."""
    srgb = colours[:, :3] / 255
    light = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return np.concatenate([np.rint(255 * light).astype(np.uint8), colours[:, 3:]], axis=1)
