"""Frames of a scene in many formats, one after the other or side by side, and the files of the sequence as a whole.

A frame is made format by format, and each format of it has a record (`samnerf.export.manifest`): what is done is not
made again, and another format can be added to a folder later. Where several processes work, each loads the scene once
and makes whole frames, so the files are the same however many there are.
"""

import functools
import hashlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image

from samnerf.atomic_files import read_json, write_json
from samnerf.camera import Camera
from samnerf.camera_path import save_camera_path
from samnerf.errors import SamNerfError
from samnerf.export import coco
from samnerf.export.cameras import write_chan, write_nuke_cameras
from samnerf.export.export_source import ExportedObjects, Source
from samnerf.export.frame_formats import FRAME_FORMATS, Frame, categories, overlay_file
from samnerf.export.manifest import ExportFolder, Made
from samnerf.export.video import write_video
from samnerf.preprocessing.synthetic.processes import available_cores, in_processes
from samnerf.scene import TrainedScene

CAMERAS = "cameras"
SEQUENCE_FORMATS = (*FRAME_FORMATS, CAMERAS)
Done = Callable[[str], None]
"""Called with the name of each frame that is through."""


@dataclass(frozen=True)
class FrameJob:
    """A frame that is to be made, as plain values.

    Attributes:
        folder: of the export.
        name: of the frame.
        camera: see `camera_numbers`.
        keys: of each format that is to be made, what its files depend on.
    """

    folder: Path
    name: str
    camera: tuple[int | float, ...]
    keys: dict[str, str]


@dataclass(frozen=True)
class FrameMade:
    """What there is to say of a frame.

    Attributes:
        notes: what a user should know, in words.
        kept: see `Frame.kept`.
    """

    notes: tuple[str, ...]
    kept: tuple[str, ...]


class FrameSequence:
    """Frames of a scene, and which of them are made.

    Args:
        scene: what is seen.
        objects: locked in the scene.
        cameras: name and camera of each frame, in order.
        folder: of the export.
        fps: frames per second of videos.

    Raises:
        SamNerfError: if there is no camera.
    """

    def __init__(
        self,
        scene: TrainedScene,
        objects: ExportedObjects,
        cameras: Sequence[tuple[str, Camera]],
        folder: Path,
        fps: int | float = 24,
    ) -> None:
        if not cameras:
            raise SamNerfError("there are no cameras, so there are no frames to export; choose another split")
        self._scene = scene
        self._objects = objects
        self._cameras = cameras
        self._fps = fps
        self._export = ExportFolder(folder)
        self._objects_key = objects.picture_key(scene.checkpoint_hash)

    def make_frames(self, formats: Sequence[str], jobs: int, source: Source, done: Done) -> list[str]:
        """Make what is missing of the formats; gives what a user should know, in words.

        Args:
            formats: of `FRAME_FORMATS`.
            jobs: processes.
            source: where they find scene and objects; one alone takes those that are here.
            done: called for each frame, also for those that were there already.

        Raises:
            SamNerfError: if a file cannot be written, or a process was killed; what is made stays.
        """
        missing = []
        for name, camera in self._cameras:
            keys = {one: key for one, key in self._keys(camera, formats) if not self._export.is_done(name, key, one)}
            if keys:
                missing.append(FrameJob(self._export.folder, name, camera_numbers(camera), keys))
            else:
                done(name)
        notes: list[str] = []
        kept: dict[str, list[str]] = {}
        for job, made in zip(missing, self._made(missing, jobs, source), strict=True):
            notes += made.notes
            for name in made.kept:
                kept.setdefault(name, []).append(job.name)
            done(job.name)
        return notes + [_kept_note(name, frames) for name, frames in kept.items()]

    def make_whole(self, formats: Sequence[str]) -> list[str]:
        """Make the files of the sequence as a whole from those of its frames; gives what a user should know, in words.

        Args:
            formats: any; those without such files make none.

        Raises:
            SamNerfError: if a file cannot be written, or the frames differ in size.
        """
        notes: list[str] = []
        makers = {"coco": self._write_coco, "video": self._write_video, CAMERAS: self._write_cameras}
        for one, write in makers.items():
            if one in formats and not self._export.is_done(None, self._whole_key(one), one):
                notes += write()
        return notes

    def done(self) -> list[Made]:
        """Everything that is there and up to date, in whatever format, for the manifest."""
        frames = [
            Made(name, one)
            for name, camera in self._cameras
            for one, key in self._keys(camera, list(FRAME_FORMATS))
            if self._export.is_done(name, key, one)
        ]
        wholes = [
            Made(None, one)
            for one in ("coco", "video", CAMERAS)
            if self._export.is_done(None, self._whole_key(one), one)
        ]
        return frames + wholes

    def check_one_size(self, formats: Sequence[str]) -> None:
        """Say beforehand that a video cannot be made of frames of several sizes.

        Raises:
            SamNerfError: if one is asked for.
        """
        sizes = {camera.image_size for _, camera in self._cameras}
        if "video" in formats and len(sizes) > 1:
            (height, width), (other_height, other_width) = sorted(sizes)[:2]
            raise SamNerfError(
                f"a video has frames of one size, but the cameras have {width} x {height} and {other_width} x "
                f"{other_height} pixels; give a --size"
            )

    def _made(self, missing: list[FrameJob], jobs: int, source: Source) -> Iterator[FrameMade]:
        workers = min(jobs, len(missing))
        if workers <= 1:
            yield from (_make_frame(self._scene, self._objects, job) for job in missing)
            return
        threads = max(1, min(torch.get_num_threads(), available_cores() // workers))
        yield from in_processes(_make_in_worker, [(source, job, threads) for job in missing], workers)

    def _keys(self, camera: Camera, formats: Sequence[str]) -> Iterator[tuple[str, str]]:
        for one in formats:
            if one in FRAME_FORMATS:
                about = self._objects_key if FRAME_FORMATS[one].of_objects else self._scene.checkpoint_hash
                yield one, f"{one} {about} {camera_numbers(camera)}"

    def _whole_key(self, one: str) -> str:
        told = [one, self._objects_key, str("" if one == "coco" else self._fps)]
        told += [f"{name} {camera_numbers(camera)}" for name, camera in self._cameras]
        return hashlib.sha256("\n".join(told).encode()).hexdigest()

    def _write_coco(self) -> list[str]:
        documents = [read_json(self._export.folder / f"coco/{name}.json", "annotations") for name, _ in self._cameras]
        with self._export.frame(None, self._whole_key("coco"), "coco") as files:
            write_json(files.path("coco", "coco.json"), coco.merged(documents, categories(self._objects)))
        return []

    def _write_video(self) -> list[str]:
        frames = (_read_png(self._export.folder / overlay_file(name)) for name, _ in self._cameras)
        with self._export.frame(None, self._whole_key("video"), "video") as files:
            write_video(files.path("video", "overlay.mp4"), frames, self._fps)
        return []

    def _write_cameras(self) -> list[str]:
        """All the files of cameras that can hold these."""
        cameras = [camera for _, camera in self._cameras]
        at_speed = functools.partial(save_camera_path, seconds=len(cameras) / self._fps)
        writers = {"cameras.nk": write_nuke_cameras, "cameras.chan": write_chan, "cameras.json": at_speed}
        return write_camera_files(self._export, self._whole_key(CAMERAS), cameras, writers)


def write_camera_files(
    export: ExportFolder,
    key: str,
    cameras: Sequence[Camera],
    writers: Mapping[str, Callable[[Path, Sequence[Camera]], None]],
) -> list[str]:
    """Cameras in all the formats that can hold them; gives what to say of the others.

    Args:
        export: the folder.
        key: what the files depend on.
        cameras: of the frames, in order.
        writers: by the names of their files.

    Raises:
        SamNerfError: if a file cannot be written.
    """
    notes = []
    with export.frame(None, key, CAMERAS) as files:
        for name, write in writers.items():
            try:
                write(export.folder / name, cameras)
            except (SamNerfError, ValueError) as error:
                if isinstance(error.__cause__, OSError):
                    raise
                notes.append(f"no {name}: {error}")
            else:
                files.path(CAMERAS, name)
    return notes


def camera_numbers(camera: Camera) -> tuple[int | float, ...]:
    """Pose row by row, focal lengths, principal point, height and width: all of a camera as plain numbers."""
    pose = camera.camera_to_world.flatten().tolist()
    return (*pose, camera.fx, camera.fy, camera.cx, camera.cy, camera.height, camera.width)


def camera_of(numbers: Sequence[int | float]) -> Camera:
    """The camera of `camera_numbers`."""
    fx, fy, cx, cy, height, width = numbers[12:]
    return Camera(torch.tensor(numbers[:12]).reshape(3, 4), fx, fy, cx, cy, int(height), int(width))


def _make_frame(scene: TrainedScene, objects: ExportedObjects, job: FrameJob) -> FrameMade:
    export = ExportFolder(job.folder)
    frame = Frame(job.name, camera_of(job.camera), scene, objects)
    notes = []
    for one, key in job.keys.items():
        with export.frame(job.name, key, one) as files:
            note = FRAME_FORMATS[one].write(frame, files)
        if note is not None:
            notes.append(note)
    shows_objects = any(FRAME_FORMATS[one].of_objects for one in job.keys)
    return FrameMade(tuple(notes), frame.kept if shows_objects else ())


def _kept_note(name: str, frames: Sequence[str]) -> str:
    where = ", ".join(frames[:3]) + (", ..." if len(frames) > 3 else "")
    return (
        f"alpha of {name!r} is the geometry's in {len(frames)} frame{'s' * (len(frames) > 1)}, where the adapter sees "
        f"something else: {where}"
    )


def _make_in_worker(given: tuple[Source, FrameJob, int]) -> FrameMade:
    source, job, threads = given
    torch.set_num_threads(threads)
    return _make_frame(*_opened(source), job)


@functools.lru_cache(maxsize=1)
def _opened(source: Source) -> tuple[TrainedScene, ExportedObjects]:
    # What the command silences in its own process; see `samnerf.cli.export`.
    warnings.filterwarnings("ignore", module="nerfstudio|torch|timm")
    return source.open()


def _read_png(path: Path) -> UInt8[np.ndarray, "height width 3"]:
    with Image.open(path) as image:
        return np.asarray(image)
