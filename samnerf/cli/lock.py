"""`samnerf lock`: objects of a prompt file, or all that can be found, locked in the world of a trained scene."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from samnerf.cli.scene_session import chosen_device, load_session

if TYPE_CHECKING:
    from samnerf.objects.layers import ObjectLayers
    from samnerf.objects.support import Support
    from samnerf.prompts import PromptFile
    from samnerf.scene import TrainedScene
    from samnerf.session import Session

    ShowWork = Callable[[str, int, int], None]


@dataclass
class Lock:
    """Lock objects in the world of a trained scene, so that every view shows them under one name, ID and colour.

    An object that is locked already under the same name is locked anew and keeps its ID and colour. The file is written
    after each object: interrupt it as you like, and go on with --keep.
    """

    config: Path
    """config.yml of a run, as ns-train wrote it."""
    prompts: Path | None = None
    """Prompt file (JSON): clicks, boxes, scribbles and phrases of each object."""
    everything: bool = False
    """Lock all objects that can be found without prompts, besides those that are locked already."""
    output: Path | None = None
    """File for the objects; their grids go beside it. Default: objects.json beside config.yml."""
    objects: tuple[str, ...] = ()
    """Names of the objects to lock. Default: all that the prompt file has."""
    instances: Literal["all", "best"] = "all"
    """What words alone lock: all things that they find (as many as the phrase's top_k allows), or the best."""
    views: int = 24
    """How many views are asked about one object, at most."""
    keep: bool = False
    """Leave objects as they are that are locked already."""
    ignore_scene: bool = False
    """Go on with a file though its objects were locked in another training of the scene."""
    device: str = "auto"
    """Where to compute, e.g. cpu or cuda; auto takes a GPU if there is one."""

    def run(self) -> None:
        """Lock, and say what became of each object."""
        import warnings

        from samnerf.errors import SamNerfError
        from samnerf.objects.support import Support
        from samnerf.prompts import PromptFile
        from samnerf.scene import TrainedScene

        if (self.prompts is None) != self.everything:
            raise SamNerfError("give either --prompts FILE or --everything")
        if self.views < 1:
            raise SamNerfError(f"--views is {self.views} but must be 1 or more")
        # nerfstudio was written for an older torch, which says so in every other line.
        warnings.filterwarnings("ignore", module="nerfstudio|torch|timm")
        # The prompt file is read first: a mistake in it should not wait for a scene to load.
        whole = PromptFile(()) if self.prompts is None else PromptFile.load(self.prompts)
        chosen = whole.select(list(self.objects)) if self.objects else whole
        device = chosen_device(self.device)
        scene = TrainedScene.load(self.config, device)
        layers = self._layers(scene)
        session = load_session(scene.pair, any(said.phrase is not None for said in chosen.objects), device)
        views = [scene.view(camera, name) for name, camera in scene.cameras("train")]
        support = Support(views, scene.render_samples, self.views)
        if self.everything:
            self._lock_everything(scene, session, support, layers)
        else:
            taken = frozenset(said.name for said in whole.objects)
            self._lock_prompts(scene, session, support, layers, chosen, taken)

    @property
    def _file(self) -> Path:
        return self.output or self.config.parent / "objects.json"

    def _layers(self, scene: "TrainedScene") -> "ObjectLayers":
        from samnerf.objects.layer_files import load_layers
        from samnerf.objects.layers import ObjectLayers

        if not self._file.exists():
            return ObjectLayers()
        return load_layers(self._file, scene.checkpoint_hash, self.ignore_scene)

    def _lock_prompts(
        self,
        scene: "TrainedScene",
        session: "Session",
        support: "Support",
        layers: "ObjectLayers",
        chosen: "PromptFile",
        taken: frozenset[str],
    ) -> None:
        from samnerf.errors import SamNerfError
        from samnerf.objects.layer_files import save_layers
        from samnerf.objects.prompt_locking import instance_names, lock_prompts

        views = {one.name: one.view for one in support.views}
        wanted = [said for said in chosen.objects if not (self.keep and layers.find(said.name))]
        names: list[str] = []
        failures: list[str] = []
        with _bars(len(wanted), self._interrupted) as (next_object, show):
            for said in wanted:
                next_object(said.name)
                try:
                    found = lock_prompts(
                        session,
                        support,
                        said,
                        lambda name: views.get(name) or scene.view(scene.camera(name), name),
                        self.instances,
                        show,
                    )
                except SamNerfError as error:
                    failures.append(str(error))
                    continue
                failures += found.failures
                for name, lock in zip(instance_names(said.name, taken), found.locks, strict=False):
                    layers = layers.put(name, lock)
                    names.append(name)
                save_layers(self._file, layers, scene.checkpoint_hash)
        self._report(scene, layers, names)
        if len(failures) > 1:
            for failure in failures:
                print(f"samnerf lock: {failure}", file=sys.stderr)
            raise SamNerfError(f"{len(failures)} objects could not be locked, as said above")
        if failures:
            raise SamNerfError(failures[0])

    def _lock_everything(
        self, scene: "TrainedScene", session: "Session", support: "Support", layers: "ObjectLayers"
    ) -> None:
        from samnerf.errors import SamNerfError
        from samnerf.images.settings import automatic_settings
        from samnerf.objects.everything import lock_everything
        from samnerf.objects.grid_algebra import overlap
        from samnerf.objects.layer_files import save_layers
        from samnerf.objects.prompt_locking import SAME_OBJECT

        with _bars(1, self._interrupted) as (next_object, show):
            next_object("everything")
            found = lock_everything(session, support, automatic_settings(scene.pair), show)
        names = []
        for lock in found:
            if all(overlap(lock.grid, one.grid) < SAME_OBJECT for one in layers.objects):
                names.append(layers.numbered("object"))
                layers = layers.add(lock, names[-1])
        if not layers.objects:
            raise SamNerfError("no object was found without prompts; lock some with --prompts")
        save_layers(self._file, layers, scene.checkpoint_hash)
        self._report(scene, layers, names)

    def _interrupted(self) -> str:
        if not self._file.exists():
            return "nothing is locked yet; run the same command again"
        more = "" if self.everything else "; the same command with --keep goes on"
        return f"what was locked so far is in {self._file}{more}"

    def _report(self, scene: "TrainedScene", layers: "ObjectLayers", names: list[str]) -> None:
        """A table of what was locked now, and where it is; and a config with which nerfstudio shows it."""
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        from samnerf.objects.locked_pipeline import write_locked_config

        console = Console()
        if names:
            table = Table("object", "ID", "consistency", "views", "uncertain")
            for one in map(layers.named, names):
                numbers = str(one.object_id), f"{one.consistency:.2f}", str(len(one.view_scores))
                table.add_row(Text(one.name), *numbers, Text(one.uncertain or ""))
            console.print(table)
        if layers.objects:
            shown = write_locked_config(self.config, self._file, scene.checkpoint_hash)
            for words in (
                f"{len(names)} locked, {len(layers.objects)} objects in all: {self._file}",
                f"to show them in ns-viewer and ns-render: --load-config {shown}",
            ):
                console.print(words, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def _bars(count: int, interrupted: Callable[[], str]) -> Iterator[tuple[Callable[[str], None], "ShowWork"]]:
    """A bar over objects with what is done for the one at work: call the first with its name, the second as progress.

    An interruption gets the words of `interrupted`.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    # Names are shown as they are, brackets and all.
    words = TextColumn("{task.description}", markup=False)
    with Progress(words, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()) as progress:
        objects = progress.add_task("locking", total=count)
        work = progress.add_task("", total=None)
        begun = 0

        def next_object(name: str) -> None:
            nonlocal begun
            progress.update(objects, description=f"locking {name}", completed=begun)
            begun += 1

        def show(what: str, done: int, of: int) -> None:
            progress.update(work, description=what, completed=done, total=of)

        try:
            yield next_object, show
        except KeyboardInterrupt as interruption:
            raise KeyboardInterrupt(interrupted()) from interruption
        progress.update(objects, completed=count)
        progress.remove_task(work)
