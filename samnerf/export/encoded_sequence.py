"""Encoded mattes of a sequence, with what a compositor needs beside them.

    encoded-matte/<name>.0001.exr    what SAM's encoder says of the frame (`samnerf.export.encoded_matte`)
    plate/<name>.0001.exr            the frame itself, scene-linear, where a scene was rendered
    <name>.nk, <name>.chan           its cameras, animated over the same frame numbers
    manifest.json                    all of it, and who can read the mattes

A frame is done when its record is written, so an export that was interrupted goes on where it was.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from samnerf.camera import Camera
from samnerf.errors import SamNerfError
from samnerf.export.cameras import write_chan, write_nuke_cameras
from samnerf.export.encoded_matte import (
    FOR_NUKE,
    FOR_SAMNERF,
    check_layout,
    is_for_nuke,
    matte_size,
    write_encoded_matte,
)
from samnerf.export.light import linear_light
from samnerf.export.manifest import ExportFolder, Made
from samnerf.export.plates import Plate, read_plate, square_input, write_plate
from samnerf.export.sequences import CAMERAS, camera_numbers, write_camera_files
from samnerf.feature_map import FeatureMap
from samnerf.scene import TrainedScene
from samnerf.teachers.pairs import feature_specs, installed_weights_hash
from samnerf.teachers.sam import SamEncoder
from samnerf.view import View

MATTE, PLATE = "encoded-matte", "plate"


@dataclass(frozen=True)
class MatteFrame:
    """A frame that can be made.

    Attributes:
        number: of the frame; part of its files' names.
        key: all that its files depend on.
        feature_map: makes what the encoder says of it, stretched to a square.
        rgb: makes its picture, sRGB; None where the plate is there already.
    """

    number: int
    key: str
    feature_map: Callable[[], FeatureMap]
    rgb: Callable[[], UInt8[np.ndarray, "height width 3"]] | None = None


@runtime_checkable
class MatteSource(Protocol):
    """Where frames come from.

    Attributes:
        teacher: name of the encoder.
        map_shape: [channels, side, side] of what it says.
        weights_hash: SHA-256 of its weights, where it is known.
        about: the same for the manifest, in words for JSON.
        cameras: of the frames, in their order; none for photographs.
    """

    teacher: str
    map_shape: tuple[int, int, int]
    weights_hash: str | None
    about: dict[str, str]
    cameras: Sequence[Camera]

    def frames(self) -> Iterator[MatteFrame]:
        """All frames, in order; nothing is rendered or encoded yet."""
        ...


class SceneMattes:
    """Views of a trained scene: features rendered from its field, or colour rendered and encoded.

    Args:
        scene: trained with features of the layout `stretch`, or without any.
        cameras: at the size of the plates.
        first_frame: number of the first one.

    Raises:
        SamNerfError: if its features are of another layout, or there is no camera.
    """

    def __init__(self, scene: TrainedScene, cameras: Sequence[Camera], first_frame: int = 1) -> None:
        if not cameras:
            raise SamNerfError("there are no cameras, so there are no frames to export; choose another split")
        spec = scene.pipeline.model.specs["sam"] if scene.distilled else feature_specs(scene.pair)["sam"]
        check_layout(spec.layout if scene.distilled else "stretch", spec.teacher)
        self.teacher = spec.teacher
        self.map_shape = spec.channels, spec.side, spec.side
        self._scene = scene
        self._first_frame = first_frame
        self.cameras = cameras
        if scene.distilled:
            self.weights_hash = scene.pipeline.model.statistics["sam"].weights_hash
        else:
            self.weights_hash = installed_weights_hash(scene.pair, "sam")
        rendered = "rendered from the field" if scene.distilled else "encoded from rendered colour"
        self.about = {"checkpoint": scene.checkpoint_hash, "pair": scene.pair, "features": rendered}

    def frames(self) -> Iterator[MatteFrame]:
        """One for each camera."""
        for number, camera in enumerate(self.cameras, start=self._first_frame):
            view = self._scene.view(camera, f"{number:04d}")
            key = f"{self._scene.checkpoint_hash} {camera_numbers(camera)}"
            yield MatteFrame(number, key, lambda view=view: self._feature_map(view), lambda view=view: view.rgb)

    def _feature_map(self, view: View) -> FeatureMap:
        if self._scene.distilled:
            return view.feature_map("sam")
        encoder = self._scene.encoder("sam")
        assert isinstance(encoder, SamEncoder)
        light = linear_light(view.rgb / 255).astype(np.float32)
        return encoder.encode_square(square_input(light, encoder.input_side), view.image_size)


class PlateMattes:
    """A folder of plates, with the encoder run on each.

    Args:
        plates: see `samnerf.export.plates.find_plates`.
        teachers: name of the pair whose SAM looks at them.
        load_encoder: loads it, when the first frame is made.
        bypass_srgb: plates are sRGB already, and get no curve.

    Raises:
        SamNerfError: if the encoder's features do not fit an encoded matte.
    """

    def __init__(
        self, plates: Sequence[Plate], teachers: str, load_encoder: Callable[[], SamEncoder], bypass_srgb: bool = False
    ) -> None:
        spec = feature_specs(teachers)["sam"]
        check_layout("stretch", spec.teacher)
        self.teacher = spec.teacher
        self.map_shape = spec.channels, spec.side, spec.side
        self.weights_hash = installed_weights_hash(teachers, "sam")
        self.cameras: Sequence[Camera] = ()
        self.about = {"pair": teachers, "features": "encoded", "light": "as it is" if bypass_srgb else "linear to sRGB"}
        self._plates = plates
        self._load_encoder = load_encoder
        self._bypass_srgb = bypass_srgb
        self._encoder: SamEncoder | None = None

    def frames(self) -> Iterator[MatteFrame]:
        """One for each plate."""
        for plate in self._plates:
            state = plate.path.stat()
            key = f"{self.weights_hash} {self._bypass_srgb} {plate.path.resolve()} {state.st_size} {state.st_mtime_ns}"
            yield MatteFrame(plate.number, key, lambda plate=plate: self._feature_map(plate))

    def _feature_map(self, plate: Plate) -> FeatureMap:
        if self._encoder is None:
            self._encoder = self._load_encoder()
        pixels = read_plate(plate.path, self._bypass_srgb)
        square = square_input(pixels, self._encoder.input_side, self._bypass_srgb)
        return self._encoder.encode_square(square, (pixels.shape[0], pixels.shape[1]))


@dataclass(frozen=True)
class MatteExport:
    """What became of an export.

    Attributes:
        manifest: path of `manifest.json`.
        notes: what a user should know.
    """

    manifest: Path
    notes: tuple[str, ...]


def export_mattes(
    source: MatteSource,
    output: Path,
    name: str = "samnerf",
    first_frame: int = 1,
    done: Callable[[str], None] = lambda _: None,
) -> MatteExport:
    """Encoded mattes of every frame, its plate where it was rendered, and the cameras; what is there is kept.

    Args:
        source: of the frames.
        output: folder of the results.
        name: with which the files' names begin.
        first_frame: number of the first camera.
        done: called with the number of each frame, made or kept.

    Raises:
        SamNerfError: if a file cannot be read or written, or features do not fit; what is made stays.
    """
    if not name or set(name) & set("/\\%#") or name.startswith("."):
        raise SamNerfError(f"the name {name!r} cannot begin the names of files; letters, digits and underscores can")
    export = ExportFolder(output)
    made = []
    for frame in source.frames():
        file = f"{name}.{frame.number:04d}"
        key = f"{source.teacher} {source.weights_hash} {frame.key}"
        if not export.is_done(file, key, MATTE):
            feature_map = frame.feature_map()
            with export.frame(file, key, MATTE) as files:
                write_encoded_matte(files.path(MATTE, f"{MATTE}/{file}.exr"), feature_map, source.weights_hash)
        made.append(Made(file, MATTE))
        if frame.rgb is not None:
            if not export.is_done(file, frame.key, PLATE):
                with export.frame(file, frame.key, PLATE) as files:
                    write_plate(files.path(PLATE, f"{PLATE}/{file}.exr"), frame.rgb())
            made.append(Made(file, PLATE))
        done(file)
    notes = []
    if source.cameras:
        notes += _write_cameras(export, source.cameras, name, first_frame)
        made.append(Made(None, CAMERAS))
    readers = FOR_NUKE if is_for_nuke(source.teacher) else FOR_SAMNERF
    if not is_for_nuke(source.teacher):
        notes.append(f"encoded mattes of {source.teacher} are for {FOR_SAMNERF}")
    rows, columns = matte_size(source.map_shape)
    facts = {"teacher": source.teacher, "weights": source.weights_hash, "layout": "stretch", "readers": readers}
    size = {"matte": {"width": columns, "height": rows}, "map": list(source.map_shape)}
    return MatteExport(export.write_manifest(made, {}, {**source.about, **facts, **size}), tuple(notes))


def _write_cameras(export: ExportFolder, cameras: Sequence[Camera], name: str, first_frame: int) -> list[str]:
    key = f"{name} {first_frame} {[camera_numbers(camera) for camera in cameras]}"
    if export.is_done(None, key, CAMERAS):
        return []
    nodes = partial(write_nuke_cameras, name=name, first_frame=first_frame)
    writers = {f"{name}.nk": nodes, f"{name}.chan": partial(write_chan, first_frame=first_frame)}
    return write_camera_files(export, key, cameras, writers)
