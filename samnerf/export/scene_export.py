"""Everything out of a scene: frames, sequences and solids in one folder, with one manifest.

Interrupted or stopped by a full disk, an export goes on where it was when it is run again; the manifest is written when
all is there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from samnerf.camera import Camera
from samnerf.errors import SamNerfError
from samnerf.export.export_source import ExportedObjects, Source
from samnerf.export.frame_formats import FRAME_FORMATS
from samnerf.export.manifest import ExportFolder, Made
from samnerf.export.sequences import CAMERAS, SEQUENCE_FORMATS, FrameSequence
from samnerf.export.solids import SOLID_FORMATS, Solids, SolidSettings
from samnerf.scene import TrainedScene

FORMATS = (*SEQUENCE_FORMATS, *SOLID_FORMATS)
ALL = "all"


@dataclass(frozen=True)
class ExportResult:
    """What became of an export.

    Attributes:
        manifest: path of `manifest.json`.
        notes: what a user should know: objects that are missing in a format, formats that cannot hold something.
    """

    manifest: Path
    notes: tuple[str, ...]


@dataclass(frozen=True)
class ExportSettings:
    """How an export is made.

    Attributes:
        jobs: processes that make frames.
        fps: frames per second of videos.
        solids: how fine points and meshes are.

    Raises:
        SamNerfError: if there is no process, or the rate is not positive.
    """

    jobs: int = 1
    fps: int | float = 24
    solids: SolidSettings = field(default_factory=SolidSettings)

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise SamNerfError(f"{self.jobs} jobs were asked for, but at least 1 is needed")
        if not 0 < self.fps <= 1000:
            raise SamNerfError(f"a video cannot have {self.fps:g} frames per second; 24, 25 or 30 are usual")


def chosen_formats(names: Sequence[str]) -> tuple[str, ...]:
    """Formats by name, in the order of `FORMATS`; "all" stands for all of them.

    Raises:
        SamNerfError: if there is no such format, or none is named.
    """
    unknown = [name for name in names if name not in (*FORMATS, ALL)]
    if unknown:
        raise SamNerfError(f"there is no format {unknown[0]!r}; there are {', '.join(FORMATS)}, and {ALL}")
    if not names:
        raise SamNerfError(f"name at least one format: {', '.join(FORMATS)}, or {ALL}")
    return FORMATS if ALL in names else tuple(one for one in FORMATS if one in names)


def needs_objects(formats: Sequence[str]) -> bool:
    """Whether any of the formats tells of objects, and not of the scene and its cameras alone."""
    return any(one != CAMERAS and (one not in FRAME_FORMATS or FRAME_FORMATS[one].of_objects) for one in formats)


def steps(formats: Sequence[str], frames: int) -> int:
    """How often `export_scene` says that something is done."""
    of_frames = frames if any(one in FRAME_FORMATS for one in formats) else 0
    return of_frames + sum(one in SOLID_FORMATS for one in formats)


def export_scene(
    source: Source,
    opened: tuple[TrainedScene, ExportedObjects],
    cameras: Sequence[tuple[str, Camera]],
    formats: Sequence[str],
    output: Path,
    settings: ExportSettings | None = None,
    done: Callable[[str], None] = lambda _: None,
) -> ExportResult:
    """Objects of a scene as files.

    Args:
        source: where other processes find scene and objects.
        opened: the same, as this process has them.
        cameras: names and cameras of the frames, at the size of the files; not needed for solids alone.
        formats: see `FORMATS`.
        output: folder of the results; what is there and up to date is kept.
        settings: how it is made.
        done: called with the name of each frame or solid, made or kept.

    Raises:
        SamNerfError: if a format does not exist or cannot be had, or a file cannot be written; what is made stays.
    """
    scene, objects = opened
    wanted = chosen_formats(formats)
    settings = settings or ExportSettings()
    notes: list[str] = []
    made: list[Made] = []
    if any(one in SEQUENCE_FORMATS for one in wanted):
        frames = FrameSequence(scene, objects, cameras, output, settings.fps)
        frames.check_one_size(wanted)
        if any(one in FRAME_FORMATS for one in wanted):
            notes += frames.make_frames(wanted, settings.jobs, source, done)
        notes += frames.make_whole(wanted)
        made += frames.done()
    solids = Solids(scene, objects, output, settings.solids)
    notes += solids.make(wanted, done)
    made += solids.done()
    names = {one.object_id: one.name for one in objects.written}
    colours = {one.object_id: one.colour for one in objects.written}
    about = {"checkpoint": scene.checkpoint_hash, "pair": scene.pair, "frames": [name for name, _ in cameras]}
    return ExportResult(ExportFolder(output).write_manifest(made, names, about, colours), tuple(notes))
