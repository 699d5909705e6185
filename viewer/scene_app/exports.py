"""Objects as files to take home: written below one folder, and packed into one file for the browser."""

import io
import re
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from samnerf.camera import Camera
from samnerf.errors import SamNerfError
from samnerf.export.export_source import Alpha, ExportedObjects
from samnerf.export.frame_formats import FRAME_FORMATS
from samnerf.export.mask_files import folder_names, write_png
from samnerf.export.scene_export import ExportSettings, export_scene, needs_objects, steps
from samnerf.export.video import write_video
from samnerf.objects.layer_files import save_layers
from samnerf.objects.layers import ObjectLayers
from samnerf.scene import TrainedScene
from samnerf.viewer.scene_app.actions import Actions
from samnerf.viewer.scene_app.desk import Desk
from samnerf.viewer.scene_app.flight import FPS
from samnerf.viewer.scene_app.frames import Frame, render_frame
from samnerf.viewer.scene_app.painting import Picture, paint
from samnerf.viewer.scene_app.work import Work

Views = Literal["This view", "All photographs", "Camera path"]
VIEWS: tuple[Views, ...] = get_args(Views)
ALPHAS: dict[str, Alpha] = {"Of the geometry": "geometry", "Of the adapter": "adapter"}
"""What it is called -> who says how much of a pixel a locked object covers."""
FORMATS = {
    "Masks (PNG)": "masks",
    "ID maps (PNG)": "ids",
    "Soft mattes (PNG)": "mattes-png",
    "Soft mattes (EXR)": "mattes-exr",
    "Cryptomatte (EXR)": "cryptomatte",
    "COCO annotations (JSON)": "coco",
    "Colour alone (PNG)": "plate",
    "Depth (EXR)": "depth",
    "Video of the masks (MP4)": "video",
    "Cameras (Nuke, JSON)": "cameras",
    "Point clouds (PLY)": "points",
    "Meshes (PLY, GLB)": "mesh",
    "Boxes (JSON, GLB)": "boxes",
    "Points of all of the scene (PLY)": "scene-points",
}
"""What it is called -> the format of `samnerf.export.scene_export`."""
PICTURES, FILM, OBJECTS = "As it is shown (PNG)", "As it is shown (MP4)", "Objects and grids (JSON)"
NAMES = (PICTURES, FILM, *FORMATS, OBJECTS)


@dataclass(frozen=True)
class Export:
    """What there is to export.

    Attributes:
        actions: the scene, and decoders for pictures as they are shown.
        layers: the objects; hidden ones are left out.
        frame: what is seen now.
        desk: how it is shown.
        cameras: names and cameras of the views that are wanted.
        alpha: who says how much of a pixel a locked object covers.
    """

    actions: Actions
    layers: ObjectLayers
    frame: Frame
    desk: Desk
    cameras: Sequence[tuple[str, Camera]]
    alpha: Alpha = "geometry"

    def pictures(self, work: Work) -> Iterator[Picture]:
        """Each view as the desk shows it."""
        for number, (name, camera) in enumerate(self.cameras, start=1):
            frame = self.frame if camera is self.frame.camera else self._frame(name, camera)
            answer = None if self.desk.said.empty else self.actions.answer(self.desk, frame)
            yield paint(frame, self.desk, self.layers, answer)
            work.step(f"picture of {name}", number, len(self.cameras))

    def _frame(self, name: str, camera: Camera) -> Frame:
        frame = render_frame(self.actions.scene, camera, name, self.layers, self.desk.removed)
        assert frame is not None
        return frame


@dataclass(frozen=True, eq=False)
class _Opened:
    """An export's source that is here already."""

    scene: TrainedScene
    objects: ExportedObjects

    def open(self) -> tuple[TrainedScene, ExportedObjects]:
        return self.scene, self.objects


def export_objects(export: Export, name: str, folder: Path, work: Work) -> Path:
    """Write what one of NAMES says into a new folder below `folder`; gives its path.

    Raises:
        SamNerfError: if there is no such export, no object is shown, or files cannot be written.
        CancelledError: if the work was cancelled; what was written stays.
    """
    if name not in NAMES:
        raise SamNerfError(f"there is no export {name!r}; there are {', '.join(NAMES)}")
    of_objects = name == OBJECTS or (name in FORMATS and needs_objects((FORMATS[name],)))
    if of_objects and not any(one.visible for one in export.layers.objects):
        raise SamNerfError("there is nothing to export: no object is locked and shown")
    word = re.sub(r"\W+", "_", name.split("(")[0]).strip("_").lower()
    target = _fresh(folder, f"{word}_{time.strftime('%Y%m%d_%H%M%S')}")
    writers = {PICTURES: _write_pictures, FILM: _write_film, OBJECTS: _write_objects}
    if name in writers:
        writers[name](export, target, work)
    else:
        _write_format(export, FORMATS[name], target, work)
    return target


def _write_pictures(export: Export, folder: Path, work: Work) -> None:
    files = folder_names({i: name for i, (name, _) in enumerate(export.cameras)})
    for i, picture in enumerate(export.pictures(work)):
        write_png(folder / f"{files[i]}.png", picture)


def _write_film(export: Export, folder: Path, work: Work) -> None:
    if len({camera.image_size for _, camera in export.cameras}) > 1:
        raise SamNerfError("a video has pictures of one size, but these views differ; take the camera path")
    write_video(folder / "film.mp4", export.pictures(work), FPS)


def _write_objects(export: Export, folder: Path, work: Work) -> None:
    save_layers(folder / "objects.json", export.layers, export.actions.scene.checkpoint_hash)


def _write_format(export: Export, one: str, folder: Path, work: Work) -> None:
    shown = any(layer.visible for layer in export.layers.objects)
    objects = ExportedObjects.chosen(export.layers) if shown else ExportedObjects.none()
    if shown and export.alpha == "adapter" and one in FRAME_FORMATS and FRAME_FORMATS[one].of_objects:
        objects = replace(objects, matter=export.actions.soft_edges.matter())
    scene, total, done = export.actions.scene, steps((one,), len(export.cameras)), 0

    def step(what: str) -> None:
        nonlocal done
        done += 1
        work.step(what, done, total)

    work.step("beginning", 0, total)
    export_scene(_Opened(scene, objects), (scene, objects), export.cameras, (one,), folder, ExportSettings(), step)


def packed(folder: Path) -> tuple[str, bytes]:
    """Name and content of what the browser gets: the file itself if there is one, else all of them in a ZIP file."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not _is_record(path.relative_to(folder)))
    if len(files) == 1:
        return files[0].name, files[0].read_bytes()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.write(path, Path(folder.name) / path.relative_to(folder))
    return f"{folder.name}.zip", buffer.getvalue()


def _is_record(path: Path) -> bool:
    """Whether it is of use only where the export was made; see `samnerf.export.manifest`."""
    return path.parts[0] == "records" or (len(path.parts) == 1 and path.name.startswith("records."))


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
