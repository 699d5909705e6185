"""`samnerf segment`: a prompt file on views of a trained scene or on a photograph, or locked objects on views."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from samnerf.cli.scene_session import chosen_device, load_session

if TYPE_CHECKING:
    from collections.abc import Callable

    from samnerf.camera import Camera
    from samnerf.matting.matter import Matter
    from samnerf.prompts import PromptFile
    from samnerf.scene import TrainedScene
    from samnerf.session import Session


@dataclass
class Segment:
    """Segment views of a trained scene by prompts or by locked objects: masks, an ID map, overlays and masks.json.

    Prompts give heat maps of what was said in words, too. Interrupt it as you like: the same command goes on where it
    stopped.
    """

    prompts: Path | None = None
    """Prompt file (JSON): clicks, boxes, scribbles and phrases of each object."""
    locks: Path | None = None
    """Objects file (JSON) that samnerf lock wrote, instead of prompts."""
    config: Path | None = None
    """config.yml of a run, as ns-train wrote it."""
    image: Path | None = None
    """A photograph to segment instead of a scene; by prompts only."""
    encoded_matte: tuple[Path, ...] = ()
    """Encoded mattes (EXR files, or folders of them) of samnerf export encoded-matte or SAM for Nuke, instead of a
    scene; by --prompts, or --points."""
    points: str = ""
    """With --encoded-matte: points, JSON, pixels of the plate from the top left: [[x, y], ...]."""
    labels: str = ""
    """With --points: one for each, JSON: [1, 0, ...]; 1 adds, 0 takes away. Default: all 1."""
    size: tuple[int, int] | None = None
    """With --encoded-matte: width and height of the plate, pixels. Default: what the files say."""
    cameras: str = "test"
    """Which views: test, train, all, or a camera path (JSON) that nerfstudio's viewer exported."""
    objects: tuple[str, ...] = ()
    """Names of the objects to segment. Default: all of the prompt file, or all locked ones that are not hidden."""
    output: Path = Path("outputs/segment")
    """Folder for the results."""
    teachers: str = "tiny"
    """Pair of teachers for --image; a scene knows its own."""
    refinements: int = 1
    """How often the mask decoder's answer is fed back to it."""
    by_depth: bool = True
    """Cut masks where the surface breaks off; --no-by-depth leaves them as the decoder gives them, for scenes whose
    depth is wrong, as with glass and mirrors."""
    alpha: bool = False
    """Write soft mattes, too (16-bit grey), by the teacher's matting adapter where there is one. For locked objects:
    samnerf export."""
    adapter: Path | None = None
    """Matting adapter for --alpha, instead of the teacher's own."""
    refine: bool = False
    """Let --alpha follow the edges of the picture."""
    ignore_scene: bool = False
    """Use --locks though they were made in another training of the scene."""
    device: str = "auto"
    """Where to compute, e.g. cpu or cuda; auto takes a GPU if there is one."""

    def run(self) -> None:
        """Segment, and say where the results are."""
        import warnings

        from rich.console import Console

        from samnerf.errors import SamNerfError
        from samnerf.prompts import PromptFile

        if (self.adapter is not None or self.refine) and not self.alpha:
            raise SamNerfError("--adapter and --refine say how alpha is made; ask for it with --alpha")
        if self.alpha and (self.locks is not None or self.encoded_matte):
            raise SamNerfError(
                "--alpha is for prompts; the soft mattes of locked objects are written by samnerf export"
            )
        if self.encoded_matte:
            Console().print(f"masks: {self._mattes()}", markup=False, highlight=False, soft_wrap=True)
            return
        if self.points or self.labels or self.size is not None:
            raise SamNerfError("--points, --labels and --size are for --encoded-matte; say the rest in a prompt file")
        if (self.config is None) == (self.image is None):
            raise SamNerfError("give either --config RUN/config.yml or --image PHOTO")
        if (self.prompts is None) == (self.locks is None):
            raise SamNerfError("give either --prompts FILE or --locks FILE")
        if self.locks is not None and self.config is None:
            raise SamNerfError("objects are locked in the world of a scene; give its --config with --locks")
        # nerfstudio was written for an older torch, which says so in every other line.
        warnings.filterwarnings("ignore", module="nerfstudio|torch|timm")
        if self.prompts is None:
            index = self._locks()
        else:
            # The prompt file is read first: a mistake in it should not wait for a scene to load.
            whole = PromptFile.load(self.prompts)
            ids = {prompts.name: i for i, prompts in enumerate(whole.objects, start=1)}
            chosen = whole.select(list(self.objects)) if self.objects else whole
            index = self._image(chosen, ids) if self.image is not None else self._scene(chosen, ids)
        Console().print(f"masks: {index}", markup=False, highlight=False, soft_wrap=True)

    def _mattes(self) -> Path:
        from samnerf.cli.encoded_matte import MatteSegmentation
        from samnerf.errors import SamNerfError

        if self.config is not None or self.image is not None or self.locks is not None:
            raise SamNerfError("--encoded-matte stands alone; leave out --config, --image and --locks")
        said = self.prompts, self.points, self.labels, self.size, self.objects
        return MatteSegmentation(self.encoded_matte, *said, self.output, self.refinements, self.device).run()

    def _scene(self, prompts: "PromptFile", ids: dict[str, int]) -> Path:
        from samnerf.export.segmentation import segment_scene

        scene, cameras = self._scene_and_cameras()
        session = self._session(scene.pair, prompts)
        matter = self._matter(session)
        return _with_bar(
            len(cameras),
            lambda done: segment_scene(scene, session, prompts, cameras, self.output, ids, done, matter=matter),
        )

    def _locks(self) -> Path:
        from samnerf.export.lock_masks import segment_locks
        from samnerf.objects.layer_files import load_layers

        scene, cameras = self._scene_and_cameras()
        assert self.locks is not None
        layers = load_layers(self.locks, scene.checkpoint_hash, self.ignore_scene)
        return _with_bar(
            len(cameras), lambda done: segment_locks(scene, layers, cameras, self.output, self.objects, done)
        )

    def _scene_and_cameras(self) -> "tuple[TrainedScene, list[tuple[str, Camera]]]":
        from samnerf.camera_path import load_camera_path
        from samnerf.scene import SPLITS, TrainedScene

        along_path = None if self.cameras in (*SPLITS, "all") else load_camera_path(Path(self.cameras))
        assert self.config is not None
        scene = TrainedScene.load(self.config, chosen_device(self.device))
        splits = SPLITS if self.cameras == "all" else (self.cameras,)
        return scene, along_path or [one for split in splits for one in scene.cameras(split)]

    def _image(self, prompts: "PromptFile", ids: dict[str, int]) -> Path:
        from samnerf.export.segmentation import segment_image
        from samnerf.preprocessing.images import read_image
        from samnerf.teachers.pairs import feature_specs, load_encoder
        from samnerf.view import ImageView

        assert self.image is not None
        feature_specs(self.teachers)
        device = chosen_device(self.device)
        pixels = read_image(self.image)
        view = ImageView(
            self.image.stem, pixels, lambda kind, image: load_encoder(self.teachers, kind, device).encode(image)
        )
        session = self._session(self.teachers, prompts)
        return segment_image(view, session, prompts, self.output, ids, self._matter(session))

    def _session(self, pair: str, prompts: "PromptFile") -> "Session":
        words = any(said.phrase is not None for said in prompts.objects)
        return load_session(pair, words, chosen_device(self.device), self.refinements, self.by_depth)

    def _matter(self, session: "Session") -> "Matter | None":
        if not self.alpha:
            return None
        from samnerf.matting.matter import load_matter

        return load_matter(session.mask_decoder, self.adapter, self.refine)


def _with_bar(count: int, segment: "Callable[[Callable[[str], None]], Path]") -> Path:
    """Runs `segment` under a bar over views; it is given what it is to call with the name of each."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    words = TextColumn("segmenting {task.fields[view]}", markup=False)
    with Progress(words, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as progress:
        task = progress.add_task("segment", total=count, view="")

        def done(view: str) -> None:
            progress.update(task, advance=1, view=view)

        return segment(done)
