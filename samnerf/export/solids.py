"""Locked objects in space: point clouds, closed meshes, boxes, and the whole scene with a label on each point.

    points        points/<object>.ply, points/all.ply
    mesh          meshes/<object>.ply and .glb, meshes/all.glb
    boxes         boxes.json, boxes.glb               upright, around the points
    scene-points  scene.ply                           all objects and the rest, whose ID is 0

All are made from one cloud of points, see `samnerf.export.object_points`. Each format has a record of its own
(`samnerf.export.manifest`), so one that is done is not made again.

Frame: nerfstudio's world, right-handed, +Z up, scene units; GLB files are turned to +Y up, as glTF demands.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import trimesh

from samnerf.camera import Camera
from samnerf.errors import SamNerfError
from samnerf.export.boxes import ObjectBox, box_frames, oriented_box, write_boxes
from samnerf.export.export_source import COMBINED, ExportedObjects
from samnerf.export.manifest import ExportFolder, FrameFiles, Made
from samnerf.export.mesh import painted, solid_mesh, write_mesh
from samnerf.export.object_points import extent, object_points
from samnerf.export.point_cleaning import merge_points
from samnerf.export.point_cloud import PointCloud, joined, write_ply
from samnerf.export.solid import surface_occupancy
from samnerf.objects.scene_object import SceneObject
from samnerf.scene import TrainedScene

SOLID_FORMATS = ("points", "mesh", "boxes", "scene-points")
MOST_CAMERAS = 96
"""From which points are looked for; of more, every second, third, ... is taken."""
MESH_CELLS = 64
"""Cells of a mesh's grid along the longest side of its object."""


@dataclass(frozen=True)
class SolidSettings:
    """How fine the solids are.

    Attributes:
        spacing: between points, and of the grid of a mesh, scene units; by default a part of the object's size.
        floor: height (z) on which the objects stand, where a mesh ends; None closes it where what is seen ends.

    Raises:
        SamNerfError: if the spacing is not positive.
    """

    spacing: float | None = None
    floor: float | None = None

    def __post_init__(self) -> None:
        if self.spacing is not None and not self.spacing > 0:
            raise SamNerfError(f"the spacing is {self.spacing:g} but must be positive, in scene units")


class Solids:
    """Objects in space, and which files of them are made.

    Args:
        scene: in whose world the objects are.
        objects: of which files are made.
        folder: of the export.
        settings: how fine.
    """

    def __init__(
        self, scene: TrainedScene, objects: ExportedObjects, folder: Path, settings: SolidSettings | None = None
    ) -> None:
        self._scene = scene
        self._objects = objects
        self._settings = settings or SolidSettings()
        self._export = ExportFolder(folder)
        told = [objects.key(scene.checkpoint_hash), repr(self._settings)]
        self._key = hashlib.sha256("\n".join(told).encode()).hexdigest()

    def make(self, formats: Sequence[str], done: Callable[[str], None]) -> list[str]:
        """Make what is missing of the formats; gives what a user should know, in words.

        An object that cannot be had in a format is left out, and said to be.

        Args:
            formats: any; those that are none of `SOLID_FORMATS` make no files here.
            done: called with the name of each format of the space, also if it was there already.

        Raises:
            SamNerfError: if no object at all can be had in a format, or a file cannot be written.
        """
        writers = {
            "points": self._write_points,
            "mesh": self._write_meshes,
            "boxes": self._write_boxes,
            "scene-points": self._write_scene,
        }
        missing = [one for one in SOLID_FORMATS if one in formats and not self._export.is_done(None, self._key, one)]
        notes: list[str] = []
        cloud = self._cloud("scene-points" in missing) if missing else None
        for one in SOLID_FORMATS:
            if one in missing and cloud is not None:
                with self._export.frame(None, self._key, one) as files:
                    notes += writers[one](files, cloud)
            if one in formats:
                done(one)
        # An object without points is so in every format.
        return list(dict.fromkeys(notes))

    def done(self) -> list[Made]:
        """Every format that is there and up to date, for the manifest."""
        return [Made(None, one) for one in SOLID_FORMATS if self._export.is_done(None, self._key, one)]

    def _cloud(self, background: bool) -> PointCloud:
        cameras = _cameras(self._scene)
        return object_points(self._scene, self._objects.rendered, cameras, self._settings.spacing, background)

    def _seen(self, cloud: PointCloud) -> tuple[list[tuple[SceneObject, PointCloud]], list[str]]:
        """Written objects with their points, and what to say of those that have none."""
        clouds = [(one, cloud.select(cloud.object_ids == one.object_id)) for one in self._objects.written]
        seen = [(one, points) for one, points in clouds if len(points)]
        unseen = [
            f"object {one.name!r} has no points: no training camera shows it"
            for one, points in clouds
            if not len(points)
        ]
        if not seen:
            raise SamNerfError(unseen[0] if unseen else "there are no objects to export; run samnerf lock first")
        return seen, unseen

    def _write_points(self, files: FrameFiles, cloud: PointCloud) -> list[str]:
        seen, notes = self._seen(cloud)
        for one, points in seen:
            write_ply(files.path("points", f"points/{self._objects.file_names[one.object_id]}.ply"), points)
        write_ply(files.path("points", f"points/{COMBINED}.ply"), joined([points for _, points in seen]))
        return notes

    def _write_meshes(self, files: FrameFiles, cloud: PointCloud) -> list[str]:
        seen, notes = self._seen(cloud)
        meshes: dict[str, trimesh.Trimesh] = {}
        for one, points in seen:
            try:
                mesh = self._mesh(one, points)
            except SamNerfError as error:
                notes.append(f"object {one.name!r} has no mesh: {error}")
                continue
            meshes[one.name] = mesh
            for suffix in ("ply", "glb"):
                file = f"meshes/{self._objects.file_names[one.object_id]}.{suffix}"
                write_mesh(files.path("mesh", file), {one.name: mesh})
        if not meshes:
            raise SamNerfError(notes[-1])
        write_mesh(files.path("mesh", f"meshes/{COMBINED}.glb"), meshes)
        return notes

    def _mesh(self, one: SceneObject, points: PointCloud) -> trimesh.Trimesh:
        cell = self._settings.spacing or extent(one) / MESH_CELLS
        even = merge_points(points, cell)
        solid = solid_mesh(surface_occupancy(even.positions, even.normals, cell, self._settings.floor))
        return painted(solid, points.positions, points.colours)

    def _write_boxes(self, files: FrameFiles, cloud: PointCloud) -> list[str]:
        seen, notes = self._seen(cloud)
        boxes = [ObjectBox(one.object_id, one.name, oriented_box(of.positions), one.colour) for one, of in seen]
        write_boxes(files.path("boxes", "boxes.json"), boxes)
        write_mesh(files.path("boxes", "boxes.glb"), box_frames(boxes))
        return notes

    def _write_scene(self, files: FrameFiles, cloud: PointCloud) -> list[str]:
        write_ply(files.path("scene-points", "scene.ply"), cloud)
        return []


def _cameras(scene: TrainedScene) -> list[Camera]:
    cameras = [camera for _, camera in scene.cameras("train")]
    return cameras[:: -(-len(cameras) // MOST_CAMERAS) or 1]
