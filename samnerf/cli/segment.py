"""`samnerf segment`: a prompt file on views of a trained scene, or on a photograph."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from samnerf.prompts import PromptFile
    from samnerf.session import Session


@dataclass
class Segment:
    """Segment views of a trained scene by a prompt file: masks, an ID map, overlays, heat maps and masks.json.

    Interrupt it as you like: the same command goes on where it stopped.
    """

    prompts: Path
    """Prompt file (JSON): clicks, boxes, scribbles and phrases of each object."""
    config: Path | None = None
    """config.yml of a run, as ns-train wrote it."""
    image: Path | None = None
    """A photograph to segment instead of a scene."""
    cameras: str = "test"
    """Which views: test, train, all, or a camera path (JSON) that nerfstudio's viewer exported."""
    objects: tuple[str, ...] = ()
    """Names of the objects to segment. Default: all that the prompt file has."""
    output: Path = Path("outputs/segment")
    """Folder for the results."""
    teachers: str = "tiny"
    """Pair of teachers for --image; a scene knows its own."""
    refinements: int = 1
    """How often the mask decoder's answer is fed back to it."""
    device: str = "auto"
    """Where to compute, e.g. cpu or cuda; auto takes a GPU if there is one."""

    def run(self) -> None:
        """Segment, and say where the results are."""
        import warnings

        from rich.console import Console

        from samnerf.errors import SamNerfError
        from samnerf.prompts import PromptFile

        if (self.config is None) == (self.image is None):
            raise SamNerfError("give either --config RUN/config.yml or --image PHOTO")
        # nerfstudio was written for an older torch, which says so in every other line.
        warnings.filterwarnings("ignore", module="nerfstudio|torch|timm")
        # The prompt file is read first: a mistake in it should not wait for a scene to load.
        whole = PromptFile.load(self.prompts)
        ids = {prompts.name: i for i, prompts in enumerate(whole.objects, start=1)}
        chosen = whole.select(list(self.objects)) if self.objects else whole
        index = self._image(chosen, ids) if self.image is not None else self._scene(chosen, ids)
        Console().print(f"masks of {len(chosen.objects)} objects: {index}", highlight=False, soft_wrap=True)

    def _scene(self, prompts: "PromptFile", ids: dict[str, int]) -> Path:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        from samnerf.camera_path import load_camera_path
        from samnerf.export.segmentation import segment_scene
        from samnerf.scene import SPLITS, TrainedScene

        along_path = None if self.cameras in (*SPLITS, "all") else load_camera_path(Path(self.cameras))
        assert self.config is not None
        scene = TrainedScene.load(self.config, self._device())
        splits = SPLITS if self.cameras == "all" else (self.cameras,)
        cameras = along_path or [one for split in splits for one in scene.cameras(split)]
        session = self._session(scene.pair, prompts)
        columns = (
            TextColumn("segmenting {task.fields[view]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns) as progress:
            task = progress.add_task("segment", total=len(cameras), view="")

            def done(view: str) -> None:
                progress.update(task, advance=1, view=view)

            return segment_scene(scene, session, prompts, cameras, self.output, ids, done)

    def _image(self, prompts: "PromptFile", ids: dict[str, int]) -> Path:
        from samnerf.export.segmentation import segment_image
        from samnerf.preprocessing.images import read_image
        from samnerf.teachers.pairs import feature_specs, load_encoder
        from samnerf.view import ImageView

        assert self.image is not None
        feature_specs(self.teachers)
        device = self._device()
        pixels = read_image(self.image)
        view = ImageView(
            self.image.stem, pixels, lambda kind, image: load_encoder(self.teachers, kind, device).encode(image)
        )
        return segment_image(view, self._session(self.teachers, prompts), prompts, self.output, ids)

    def _session(self, pair: str, prompts: "PromptFile") -> "Session":
        from samnerf.session import Session
        from samnerf.teachers.pairs import load_mask_decoder, load_text_decoder

        device = self._device()
        words = any(said.phrase is not None for said in prompts.objects)
        text_decoder = load_text_decoder(pair, device) if words else None
        return Session(load_mask_decoder(pair, device), text_decoder, self.refinements)

    def _device(self) -> str:
        import torch

        if self.device != "auto":
            return self.device
        return "cuda" if torch.cuda.is_available() else "cpu"
