"""`samnerf export`: locked objects as masks, mattes, Cryptomatte, videos, cameras, points, meshes and boxes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from samnerf.cli.scene_session import chosen_device

if TYPE_CHECKING:
    from samnerf.camera import Camera
    from samnerf.export.export_source import ExportedObjects
    from samnerf.export.scene_export import ExportResult
    from samnerf.scene import TrainedScene

LARGEST_SIDE = 16384
ORBIT = "orbit"


@dataclass
class Export:
    """Export locked objects: per frame, per sequence, and in 3D, with one ID, name and colour for each everywhere.

    Interrupt it as you like: the same command goes on where it stopped, and other formats can be added later.
    """

    config: Path
    """config.yml of a run, as ns-train wrote it."""
    locks: Path | None = None
    """Objects file (JSON) that samnerf lock wrote. Default: objects.json beside config.yml."""
    formats: tuple[str, ...] = ("masks", "cryptomatte", "coco")
    """Any of masks, ids, mattes-png, mattes-exr, cryptomatte, coco, depth, plate, video, cameras; in 3D points, mesh,
    boxes, scene-points; or all."""
    objects: tuple[str, ...] = ()
    """Names of the objects to export. Default: all that are not hidden."""
    cameras: str = "test"
    """Of which views: test, train, all, orbit (a circle around the objects named, or the scene), or a camera path
    (JSON) that nerfstudio's viewer exported."""
    frames: int = 120
    """How many cameras an orbit has."""
    size: tuple[int, int] | None = None
    """Width and height of the frames, pixels. Default: those of the cameras."""
    scale: float | None = None
    """Size of the frames as a part of that of the cameras, instead of --size."""
    alpha: Literal["geometry", "adapter"] = "geometry"
    """Who says how much of a pixel an object covers: the geometry, or the teacher's matting adapter, which looks at
    each frame and is kept near the object by the geometry. Masks and IDs follow."""
    adapter: Path | None = None
    """Matting adapter for --alpha adapter, instead of the teacher's own."""
    refine: bool = False
    """Let --alpha adapter follow the edges of the picture."""
    fps: int | float = 24
    """Frames per second of the video."""
    spacing: float | None = None
    """Between points, and of the grid of a mesh, scene units. Default: a hundredth of the smallest object for points,
    and 1/64 of an object for its mesh."""
    floor: float | None = None
    """Height (z, scene units) on which the objects stand, where meshes end. Default: closed where what is seen ends."""
    jobs: int = 1
    """Processes that make frames; each takes the memory of a scene."""
    output: Path = Path("outputs/export")
    """Folder for the results."""
    ignore_scene: bool = False
    """Use the objects though they were locked in another training of the scene."""
    device: str = "auto"
    """Where to compute, e.g. cpu or cuda; auto takes a GPU if there is one."""

    def run(self) -> None:
        """Export, and say where the results are."""
        import warnings

        from rich.console import Console

        from samnerf.camera_path import load_camera_path
        from samnerf.export.export_source import RunSource
        from samnerf.export.scene_export import ExportSettings, chosen_formats, export_scene, needs_objects, steps
        from samnerf.export.solids import SolidSettings
        from samnerf.scene import SPLITS

        # nerfstudio was written for an older torch, which says so in every other line.
        warnings.filterwarnings("ignore", module="nerfstudio|torch|timm")
        # All that can be wrong without the scene is said before it loads.
        formats = chosen_formats(self.formats)
        settings = ExportSettings(self.jobs, self.fps, SolidSettings(self.spacing, self.floor))
        self._check_size()
        self._check_alpha()
        along_path = None if self.cameras in (*SPLITS, "all", ORBIT) else load_camera_path(Path(self.cameras))
        locks = self.locks or self.config.parent / "objects.json"
        without = self.locks is None and not self.objects and not locks.exists() and not needs_objects(formats)
        source = RunSource(
            self.config, None if without else locks, self.objects, chosen_device(self.device), self.ignore_scene,
            self.alpha, self.adapter, self.refine,
        )  # fmt: skip
        opened = source.open()
        cameras = [(name, self._sized(camera)) for name, camera in along_path or self._cameras(*opened)]

        def export(done: Callable[[str], None]) -> "ExportResult":
            return export_scene(source, opened, cameras, formats, self.output, settings, done)

        result = _with_bar(steps(formats, len(cameras)), export)
        console = Console()
        for note in result.notes:
            console.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True)
        console.print(f"exported: {result.manifest}", markup=False, highlight=False, soft_wrap=True)

    def _check_size(self) -> None:
        from samnerf.errors import SamNerfError

        if self.size is not None and self.scale is not None:
            raise SamNerfError("give either --size or --scale, not both")
        if self.size is not None and not all(1 <= side <= LARGEST_SIDE for side in self.size):
            raise SamNerfError(f"--size is {self.size[0]} {self.size[1]} but sides must be 1 to {LARGEST_SIDE} pixels")
        if self.scale is not None and not 0 < self.scale <= 64:
            raise SamNerfError(f"--scale is {self.scale:g} but must lie between 0 and 64; 1 keeps the cameras' size")

    def _check_alpha(self) -> None:
        from samnerf.errors import SamNerfError

        if self.alpha == "geometry" and (self.adapter is not None or self.refine):
            raise SamNerfError("--adapter and --refine say how an adapter makes alpha; ask for it with --alpha adapter")

    def _cameras(self, scene: "TrainedScene", objects: "ExportedObjects") -> "list[tuple[str, Camera]]":
        from samnerf.objects.orbit import middle_of, orbit_cameras
        from samnerf.scene import SPLITS

        if self.cameras == ORBIT:
            centre = middle_of(objects.written) if self.objects else None
            around = orbit_cameras([camera for _, camera in scene.cameras("train")], self.frames, centre)
            return [(f"{ORBIT}_{i:04d}", camera) for i, camera in enumerate(around, start=1)]
        splits = SPLITS if self.cameras == "all" else (self.cameras,)
        return [one for split in splits for one in scene.cameras(split)]

    def _sized(self, camera: "Camera") -> "Camera":
        from samnerf.errors import SamNerfError

        if self.size is not None:
            return camera.scaled(self.size[1], self.size[0])
        if self.scale is None:
            return camera
        height, width = (max(1, round(side * self.scale)) for side in camera.image_size)
        if max(height, width) > LARGEST_SIDE:
            raise SamNerfError(
                f"--scale {self.scale:g} makes frames of {width} x {height} pixels; sides may have {LARGEST_SIDE}"
            )
        return camera.scaled(height, width)


def _with_bar(count: int, export: "Callable[[Callable[[str], None]], ExportResult]") -> "ExportResult":
    """Runs `export` under a bar over frames and solids; it is given what it is to call with the name of each."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    words = TextColumn("exporting {task.fields[what]}", markup=False)
    with Progress(words, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as progress:
        task = progress.add_task("export", total=count, what="")

        def done(what: str) -> None:
            progress.update(task, advance=1, what=what)

        return export(done)
