"""`samnerf export encoded-matte`, and what `samnerf segment --encoded-matte` does with its files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from samnerf.cli.scene_session import chosen_device, load_session

if TYPE_CHECKING:
    from samnerf.camera import Camera
    from samnerf.export.encoded_sequence import MatteSource
    from samnerf.prompts import PromptFile
    from samnerf.scene import TrainedScene
    from samnerf.session import Session
    from samnerf.teachers.sam import SamEncoder

Result = TypeVar("Result")
MODES = {"high": "sam-vit-h", "fast": "sam-vit-b"}
LARGEST_SIDE = 16384


@dataclass
class ExportEncodedMatte:
    """What SAM's encoder says of each frame, as EXR files that SAM for Nuke decodes: points, and no encoder.

    Frames are views of a trained scene, whose plates and cameras are written, too, or a folder of plates. Interrupt it
    as you like: the same command goes on where it stopped.
    """

    config: Path | None = None
    """config.yml of a run, as ns-train wrote it, with features of the layout stretch or without distilled ones."""
    plates: Path | None = None
    """Folder of plates instead of a scene: EXR in linear light, or pictures in sRGB."""
    cameras: str = "test"
    """Which views of the scene: test, train, all, or a camera path (JSON) that nerfstudio's viewer exported."""
    size: tuple[int, int] | None = None
    """Width and height of the rendered plates, pixels. Default: those of the cameras."""
    mode: Literal["high", "fast"] | None = None
    """For --plates: high looks with SAM ViT-H, fast with ViT-B. Default: high."""
    teachers: str | None = None
    """For --plates, a pair of teachers instead of a mode, e.g. tiny or sam-vit-l; Nuke has no decoder for these."""
    bypass_srgb: bool = False
    """Plates are sRGB already, not linear light: they are resized as they are and get no curve."""
    name: str = "samnerf"
    """With which the files' names begin: NAME.0001.exr."""
    first_frame: int = 1
    """Number of the first frame, unless the names of plates say theirs."""
    output: Path = Path("outputs/encoded-matte")
    """Folder for the results."""
    device: str = "auto"
    """Where to compute, e.g. cpu or cuda; auto takes a GPU if there is one."""

    def run(self) -> None:
        """Export, and say where the results are."""
        import warnings

        from rich.console import Console

        from samnerf.errors import SamNerfError
        from samnerf.export.encoded_sequence import export_mattes

        if (self.config is None) == (self.plates is None):
            raise SamNerfError("give either --config RUN/config.yml or --plates FOLDER")
        if self.config is not None and (self.mode or self.teachers or self.bypass_srgb):
            raise SamNerfError("--mode, --teachers and --bypass-srgb are for --plates; a scene knows its own")
        if self.mode and self.teachers:
            raise SamNerfError("give either --mode or --teachers")
        if self.plates is not None and self.size is not None:
            raise SamNerfError("--size is for rendered plates; the encoder resizes those of --plates")
        if self.size is not None and not all(1 <= side <= LARGEST_SIDE for side in self.size):
            raise SamNerfError(f"--size is {self.size[0]} {self.size[1]} but sides must be 1 to {LARGEST_SIDE} pixels")
        if self.first_frame < 0:
            raise SamNerfError(f"--first-frame is {self.first_frame} but frames are numbered from 0 or more")
        # nerfstudio was written for an older torch, which says so in every other line.
        warnings.filterwarnings("ignore", module="nerfstudio|torch|timm")
        source, count = self._source()
        with_notes = _with_bar(
            "exporting", count, lambda done: export_mattes(source, self.output, self.name, self.first_frame, done)
        )
        console = Console()
        for note in with_notes.notes:
            console.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True)
        console.print(f"exported: {with_notes.manifest}", markup=False, highlight=False, soft_wrap=True)

    def _source(self) -> "tuple[MatteSource, int]":
        from samnerf.camera_path import load_camera_path
        from samnerf.export.encoded_sequence import PlateMattes, SceneMattes
        from samnerf.export.plates import find_plates
        from samnerf.scene import SPLITS, TrainedScene

        if self.plates is not None:
            plates = find_plates(self.plates, self.first_frame)
            teachers = self.teachers or MODES[self.mode or "high"]
            source = PlateMattes(plates, teachers, lambda: self._encoder(teachers), self.bypass_srgb)
            return source, len(plates)
        assert self.config is not None
        along_path = None if self.cameras in (*SPLITS, "all") else load_camera_path(Path(self.cameras))
        scene = TrainedScene.load(self.config, chosen_device(self.device))
        cameras = self._sized(along_path or self._of_splits(scene))
        return SceneMattes(scene, cameras, self.first_frame), len(cameras)

    def _of_splits(self, scene: "TrainedScene") -> "list[tuple[str, Camera]]":
        from samnerf.scene import SPLITS

        splits = SPLITS if self.cameras == "all" else (self.cameras,)
        return [one for split in splits for one in scene.cameras(split)]

    def _sized(self, cameras: "list[tuple[str, Camera]]") -> "list[Camera]":
        if self.size is None:
            return [camera for _, camera in cameras]
        width, height = self.size
        return [camera.scaled(height, width) for _, camera in cameras]

    def _encoder(self, teachers: str) -> "SamEncoder":
        from samnerf.teachers.pairs import load_encoder
        from samnerf.teachers.sam import SamEncoder

        encoder = load_encoder(teachers, "sam", chosen_device(self.device))
        assert isinstance(encoder, SamEncoder)
        return encoder


@dataclass(frozen=True)
class MatteSegmentation:
    """What `samnerf segment --encoded-matte` was told.

    Attributes:
        mattes: files, or folders of them.
        prompts: prompt file; else `points` with `labels`, JSON, pixels of the plate.
        size: (W, H) of the plates, where the files do not say.
        objects: names of those of the prompt file; all by default.
        output: folder of the results.
        refinements: how often the mask decoder's answer is fed back to it.
        device: where to compute.
    """

    mattes: Sequence[Path]
    prompts: Path | None
    points: str
    labels: str
    size: tuple[int, int] | None
    objects: Sequence[str]
    output: Path
    refinements: int
    device: str

    def run(self) -> Path:
        """Segment; gives the path of `masks.json`."""
        from samnerf.errors import SamNerfError
        from samnerf.export.encoded_segmentation import segment_mattes

        if (self.prompts is None) == (not self.points):
            raise SamNerfError("give either --prompts FILE or --points '[[x, y], ...]' with --encoded-matte")
        said, ids = self._said()
        paths = _matte_files(self.mattes)
        size = None if self.size is None else (self.size[1], self.size[0])
        return _with_bar(
            "segmenting",
            len(paths),
            lambda done: segment_mattes(paths, self._session, said, self.output, size, ids, done),
        )

    def _said(self) -> "tuple[PromptFile, dict[str, int]]":
        from dataclasses import replace

        from samnerf.images.prompts import ImagePrompts
        from samnerf.prompts import PromptFile

        if self.prompts is None:
            (clicked,) = ImagePrompts(self.points, self.labels).objects
            return PromptFile((replace(clicked, name="object"),)), {"object": 1}
        whole = PromptFile.load(self.prompts)
        ids = {prompts.name: i for i, prompts in enumerate(whole.objects, start=1)}
        return whole.select(list(self.objects)) if self.objects else whole, ids

    def _session(self, teacher: str, weights_hash: str | None) -> "Session":
        from samnerf.errors import SamNerfError
        from samnerf.teachers.pairs import PAIRS, installed_weights_hash

        pair = next((pair for pair, specs in PAIRS.items() if specs["sam"].teacher == teacher), None)
        if pair is None:
            raise SamNerfError(f"the encoded matte is of {teacher!r}, which this program does not know")
        here = installed_weights_hash(pair, "sam")
        if weights_hash is not None and here is not None and weights_hash != here:
            raise SamNerfError(
                f"the encoded matte was made by other weights of {teacher} (hash {weights_hash[:12]}, now {here[:12]})"
                "; export it again, or put those weights back"
            )
        return load_session(pair, False, chosen_device(self.device), self.refinements)


def _matte_files(given: Sequence[Path]) -> list[Path]:
    from samnerf.errors import SamNerfError

    found: list[Path] = []
    for path in given:
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(file for file in path.glob("*.exr") if not file.name.startswith("."))
        if not inside:
            raise SamNerfError(f"folder {path} holds no encoded mattes (*.exr)")
        found += inside
    return list(dict.fromkeys(found))


def _with_bar(verb: str, count: int, work: Callable[[Callable[[str], None]], Result]) -> Result:
    """Runs `work` under a bar over frames; it is given what it is to call with the name of each."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    words = TextColumn(f"{verb} {{task.fields[what]}}", markup=False)
    with Progress(words, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as progress:
        task = progress.add_task(verb, total=count, what="")

        def done(what: str) -> None:
            progress.update(task, advance=1, what=what)

        return work(done)
