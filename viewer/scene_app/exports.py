"""Objects as files to take home: written below one folder, and packed into one file for the browser."""

import io
import re
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from samnerf.camera import Camera
from samnerf.errors import SamNerfError
from samnerf.export.boxes import ObjectBox, oriented_box, write_boxes
from samnerf.export.cryptomatte import write_cryptomatte
from samnerf.export.exr import write_mattes
from samnerf.export.lock_masks import segment_locks
from samnerf.export.mask_files import write_png
from samnerf.export.object_points import object_points
from samnerf.export.point_cloud import PointCloud, write_ply
from samnerf.objects.layer_files import save_layers
from samnerf.objects.layers import ObjectLayers
from samnerf.scene import TrainedScene
from samnerf.viewer.scene_app.desk import Desk
from samnerf.viewer.scene_app.frames import Frame
from samnerf.viewer.scene_app.painting import paint
from samnerf.viewer.scene_app.work import Work

LEAST_POINTS = 4
"""Of an object, for a box around it."""


@dataclass(frozen=True)
class Export:
    """What there is to export.

    Attributes:
        scene: where the objects are.
        layers: the objects; hidden ones are left out.
        frame: what is seen now.
        desk: how it is shown.
    """

    scene: TrainedScene
    layers: ObjectLayers
    frame: Frame
    desk: Desk

    @property
    def cameras(self) -> list[tuple[str, Camera]]:
        """Of all photographs."""
        return [(picture.name, picture.camera) for picture in self.scene.pictures.values()]

    def points(self, work: Work) -> PointCloud:
        """Points of the visible objects."""
        cameras = [camera for _, camera in self.cameras]
        visible = [one for one in self.layers.objects if one.visible]
        work.step("collecting points", 0, 1)
        return object_points(self.scene, visible, cameras)


def _masks(export: Export, folder: Path, work: Work) -> None:
    cameras = export.cameras
    done: list[str] = []

    def show(view: str) -> None:
        done.append(view)
        work.step(f"masks of {view}", len(done), len(cameras))

    segment_locks(export.scene, export.layers, cameras, folder, done=show)


def _picture(export: Export, folder: Path, work: Work) -> None:
    write_png(folder / "picture.png", paint(export.frame, export.desk, export.layers))


def _mattes(export: Export, folder: Path, work: Work) -> None:
    alphas = export.frame.alphas(export.layers)
    mattes = {
        one.name: alphas.alpha(i).clamp(0, 1).numpy() for i, one in enumerate(export.layers.objects) if one.visible
    }
    write_mattes(folder / "mattes.exr", mattes, export.frame.view.rgb)


def _cryptomatte(export: Export, folder: Path, work: Work) -> None:
    alphas = export.frame.alphas(export.layers)
    shown = [(i, one.name) for i, one in enumerate(export.layers.objects) if one.visible]
    pictures = (alphas.alpha(i).clamp(0, 1).numpy() for i, _ in shown)
    write_cryptomatte(folder / "cryptomatte.exr", pictures, [name for _, name in shown], export.frame.view.rgb)


def _points(export: Export, folder: Path, work: Work) -> None:
    write_ply(folder / "objects.ply", export.points(work))


def _boxes(export: Export, folder: Path, work: Work) -> None:
    cloud = export.points(work)
    boxes = []
    for one in export.layers.objects:
        positions = cloud.positions[cloud.object_ids == one.object_id]
        if len(positions) >= LEAST_POINTS:
            boxes.append(ObjectBox(one.object_id, one.name, oriented_box(positions.astype(np.float64))))
    if not boxes:
        raise SamNerfError("no object has enough points for a box around it")
    write_boxes(folder / "boxes.json", boxes)


def _objects(export: Export, folder: Path, work: Work) -> None:
    save_layers(folder / "objects.json", export.layers, export.scene.checkpoint_hash)


FORMATS: dict[str, Callable[[Export, Path, Work], None]] = {
    "Masks of all photographs (PNG)": _masks,
    "This picture (PNG)": _picture,
    "Mattes of this view (EXR)": _mattes,
    "Cryptomatte of this view (EXR)": _cryptomatte,
    "Point cloud (PLY)": _points,
    "Boxes (JSON)": _boxes,
    "Objects and grids (JSON)": _objects,
}
"""What it is called -> what writes it into a folder."""
WITHOUT_OBJECTS = ("This picture (PNG)",)


def export_objects(export: Export, name: str, folder: Path, work: Work) -> Path:
    """Write one of FORMATS into a new folder below `folder`; gives its path.

    Raises:
        SamNerfError: if there is no such format, no object is shown, or files cannot be written.
        CancelledError: if the work was cancelled; what was written stays.
    """
    if name not in FORMATS:
        raise SamNerfError(f"there is no export {name!r}; there are {', '.join(FORMATS)}")
    if name not in WITHOUT_OBJECTS and not any(one.visible for one in export.layers.objects):
        raise SamNerfError("there is nothing to export: no object is locked and shown")
    word = re.sub(r"\W+", "_", name.split("(")[0]).strip("_").lower()
    target = _fresh(folder, f"{word}_{time.strftime('%Y%m%d_%H%M%S')}")
    FORMATS[name](export, target, work)
    return target


def packed(folder: Path) -> tuple[str, bytes]:
    """Name and content of what the browser gets: the file itself if there is one, else all of them in a ZIP file."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.parent.name != "records")
    if len(files) == 1:
        return files[0].name, files[0].read_bytes()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.write(path, Path(folder.name) / path.relative_to(folder))
    return f"{folder.name}.zip", buffer.getvalue()


def _fresh(folder: Path, name: str) -> Path:
    """A folder that did not exist before."""
    folder = Path(folder)
    for number in range(1, 1000):
        target = folder / (name if number == 1 else f"{name}_{number}")
        try:
            target.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise SamNerfError(f"exports cannot be written below {folder}: {error.strerror or error}") from error
        return target
    raise SamNerfError(f"there are too many exports of this second below {folder}; try again")
