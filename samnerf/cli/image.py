"""`samnerf image`: one picture, many, or a folder, segmented by points, boxes and words, or without any."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from samnerf.images.settings import ImageSettings

if TYPE_CHECKING:
    from samnerf.export.image_files import ImageFolder
    from samnerf.images.prompts import ImagePrompts
    from samnerf.images.segmentation import ImageSegmenter


@dataclass
class Image:
    """Segment pictures: masks, an ID map, an overlay and a COCO file of each.

    Any point, box or text says what to segment; without any, everything in the picture is. Points with at most one box
    speak of one object; of several boxes each is an object. Pixels are those of the upright picture, x to the right
    and y down.

    Interrupt it as you like: the same command goes on where it stopped.
    """

    paths: tyro.conf.Positional[tuple[Path, ...]]
    """Image files, or folders of them."""
    output: Path = Path("outputs/image")
    """Folder for the results."""
    points: str = ""
    """Points, JSON: [[x, y], ...] or [x, y]."""
    labels: str = ""
    """One for each point, JSON: [1, 0, ...]; 1 adds, 0 takes away. Default: all 1."""
    boxes: str = ""
    """Boxes, JSON: [[x1, y1, x2, y2], ...] or [x1, y1, x2, y2]."""
    text: str = ""
    """Words such as "striped red cube"."""
    threshold: float = 0.5
    """How well the words must fit a place, 0 to 1."""
    top_k: int = 1
    """How many places become points, -30 to 30: the best ones, or below 0 that many at random."""
    seed: int = 0
    """Of the random places."""
    teachers: str = "tiny"
    """Pair of teachers, e.g. tiny, sam-vit-h or sam2-hiera-small."""
    overwrite: bool = False
    """Segment pictures again that are done."""
    device: str = "auto"
    """Where to compute, e.g. cpu or cuda; auto takes a GPU if there is one."""
    settings: tyro.conf.OmitArgPrefixes[ImageSettings] = field(default_factory=ImageSettings)

    def run(self) -> None:
        """Segment, and say where the results are."""
        import warnings

        from rich.console import Console

        from samnerf.errors import SamNerfError
        from samnerf.export.image_files import ImageFolder, result_names, settings_key
        from samnerf.images.prompts import ImagePrompts
        from samnerf.preprocessing.images import find_pictures
        from samnerf.teachers.pairs import installed_weights_hash

        # nerfstudio was written for an older torch, which says so in every other line.
        warnings.filterwarnings("ignore", module="nerfstudio|torch|timm")
        prompts = ImagePrompts(self.points, self.labels, self.boxes, self.text, self.threshold, self.top_k, self.seed)
        sources = find_pictures(self.paths)
        if not sources:
            raise SamNerfError("give at least one image file or folder")
        weights = [str(installed_weights_hash(self.teachers, "sam"))]
        if prompts.text:
            weights.append(str(installed_weights_hash(self.teachers, "clipseg")))
        key = settings_key(prompts, self.settings, [self.teachers, *weights])
        folder = ImageFolder(self.output, key, self.text.strip() or "object")
        names = result_names(sources)
        try:
            failures = self._segment(folder, dict(zip(names, sources, strict=True)), prompts)
        finally:
            if self.output.exists():
                folder.write_index(names)
        if failures:
            raise SamNerfError(
                failures[0]
                if len(sources) == 1
                else f"{len(failures)} of {len(sources)} pictures failed, as said above"
            )
        Console().print(
            f"masks of {len(sources)} pictures: {self.output / 'coco.json'}", highlight=False, soft_wrap=True
        )

    def _segment(self, folder: "ImageFolder", pictures: dict[str, Path], prompts: "ImagePrompts") -> list[str]:
        """What went wrong with single pictures; the others are segmented all the same."""
        import sys
        from functools import cache

        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        from samnerf.errors import SamNerfError
        from samnerf.preprocessing.images import read_picture

        @cache  # nothing is loaded if everything is done
        def segmenter() -> "ImageSegmenter":
            return self._segmenter(prompts)

        failures: list[str] = []

        def failed(source: Path, error: SamNerfError) -> None:
            failures.append(str(error) if str(source) in str(error) else f"{source}: {error}")
            if len(pictures) > 1:
                print(f"samnerf image: {failures[-1]}", file=sys.stderr)

        words = TextColumn("segmenting {task.fields[picture]}")
        with Progress(words, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as progress:
            task = progress.add_task("segment", total=len(pictures), picture="")
            for name, source in progress.track(pictures.items(), task_id=task):
                progress.update(task, picture=name)
                try:
                    rgb = None if not self.overwrite and folder.is_done(name, source) else read_picture(source)
                except SamNerfError as error:
                    failed(source, error)
                    continue
                if rgb is None:
                    continue
                ready = segmenter()  # what is wrong with the teachers is wrong with every picture, and ends the run
                try:
                    result = ready.segment(rgb, prompts, self.settings)
                except SamNerfError as error:
                    failed(source, error)
                    continue
                folder.write(name, source, rgb, result)
                if result.reason is not None:
                    say = f"{source}: no masks; {result.reason}"
                    progress.console.print(say, markup=False, highlight=False, soft_wrap=True)
        return failures

    def _segmenter(self, prompts: "ImagePrompts") -> "ImageSegmenter":
        import torch

        from samnerf.images.segmentation import ImageSegmenter

        automatic = "cuda" if torch.cuda.is_available() else "cpu"
        segmenter = ImageSegmenter(self.teachers, automatic if self.device == "auto" else self.device)
        segmenter.session(prompts)
        return segmenter
