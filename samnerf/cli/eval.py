"""`samnerf eval`: a trained scene against its ground truth, or trained scenes by a public protocol."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from samnerf.cli.scene_session import chosen_device, load_session

if TYPE_CHECKING:
    from rich.console import Console

    from samnerf.evaluation.public_protocols import PublicProtocol
    from samnerf.evaluation.report import Report

Show = Callable[[str, int, int], None]


@dataclass
class SceneEvaluationCommand:
    """A trained scene whose capture has ground truth: clicks, boxes and words on held-out views, beside the teachers.

    Agreement of views, PSNR and SSIM are measured, too; LPIPS where its weights are on this machine already.
    Writes report.html (one file, pictures in it), results.json and a CSV for each table.
    """

    config: Path
    """config.yml of a run, as ns-train wrote it."""
    capture: Path | None = None
    """Folder with objects.json, masks and depth. Default: the capture that the scene was trained on."""
    split: Literal["test", "train"] = "test"
    """Which views are measured."""
    seed: int = 7
    """Of the clicks."""
    output: Path | None = None
    """Folder for the report. Default: evaluation beside config.yml."""
    device: str = "auto"
    """Where to compute, e.g. cpu or cuda; auto takes a GPU if there is one."""

    def run(self) -> None:
        """Measure, write the report, and print its goals."""
        import functools

        from rich.console import Console

        from samnerf.evaluation.perceptual import lpips_at_hand
        from samnerf.evaluation.scene_evaluation import evaluate_scene, scene_truth
        from samnerf.evaluation.scene_report import scene_report, worst_cases
        from samnerf.scene import TrainedScene

        device = chosen_device(self.device)
        scene = TrainedScene.load(self.config, device)
        truth = scene_truth(scene, self.capture)
        session = load_session(scene.pair, True, device)
        console = Console()
        with _bar(console) as show:
            result = evaluate_scene(scene, session, truth, self.seed, self.split, lpips_at_hand(), show)
            pictures = worst_cases(
                session,
                result.held_out.rows,
                truth,
                functools.cache(lambda name: scene.view(scene.camera(name), name)),
                scene.image,
            )
        about = {
            "run": str(self.config),
            "checkpoint": scene.checkpoint_hash[:12],
            "capture": str(truth.folder),
            "teachers": scene.pair,
            "views": f"{self.split}, seed {self.seed} of the clicks",
        }
        _finish(console, self.output or self.config.parent / "evaluation", scene_report(result, truth, about, pictures))


@dataclass
class _PublicCommand:
    data: Path
    """Folder of the data set, as it was published."""
    runs: Path
    """Folder below which the trained scenes are, as .../SCENE/samnerf-*/TIMESTAMP/config.yml; of several runs of a
    scene the newest is taken."""
    method: Literal["prompts", "lock"] = "prompts"
    """How an object gets from one view to another: its prompts are carried over and decoded in every view, or it is
    locked in 3D first and rendered."""
    scenes: tuple[str, ...] = ()
    """Names of the scenes to measure. Default: all of the data set, and all must have been trained."""
    seed: int = 0
    """Of what is drawn at random."""
    output: Path | None = None
    """Folder for the report. Default: outputs/eval/ and the name of the data set."""
    device: str = "auto"
    """Where to compute, e.g. cpu or cuda; auto takes a GPU if there is one."""

    def _measure(self, protocol: "PublicProtocol") -> None:
        from rich.console import Console

        from samnerf.evaluation.public_evaluation import evaluate_public, public_report
        from samnerf.evaluation.scene_prediction import ScenePredictor
        from samnerf.scene import TrainedScene

        device = chosen_device(self.device)

        def predictor(config: Path, show: Show) -> ScenePredictor:
            scene = TrainedScene.load(config, device)
            return ScenePredictor(scene, load_session(scene.pair, protocol.words, device), self.method, show)

        console = Console()
        with _bar(console) as show:
            results = evaluate_public(protocol, self.data, self.runs, predictor, self.scenes, self.seed, show)
        about = {"data": str(self.data), "runs": str(self.runs), "method": self.method, "seed": str(self.seed)}
        report = public_report(protocol, results, self.method, about)
        _finish(console, self.output or Path("outputs/eval") / protocol.key, report)


@dataclass
class NvosCommand(_PublicCommand):
    """NVOS: scribbles in a reference image, scored in another view of each of eight tasks."""

    def run(self) -> None:
        """Measure and write the report."""
        from samnerf.evaluation.public_protocols import NVOS

        self._measure(NVOS)


@dataclass
class SpinNerfCommand(_PublicCommand):
    """SPIn-NeRF: the mask of the first view is the prompt, the annotated views of ten scenes are scored."""

    def run(self) -> None:
        """Measure and write the report."""
        from samnerf.evaluation.public_protocols import SPIN_NERF

        self._measure(SPIN_NERF)


@dataclass
class LerfOvsCommand(_PublicCommand):
    """LERF-OVS: words, localized and segmented in 22 frames; in 2D by relevancy, or with --method lock in 3D."""

    def run(self) -> None:
        """Measure and write the report."""
        from samnerf.evaluation.public_protocols import LERF_OVS, LERF_OVS_3D

        self._measure(LERF_OVS_3D if self.method == "lock" else LERF_OVS)


@dataclass
class LerfMaskCommand(_PublicCommand):
    """LERF-Mask: words, segmented in novel views of three scenes."""

    def run(self) -> None:
        """Measure and write the report."""
        from samnerf.evaluation.public_protocols import LERF_MASK

        self._measure(LERF_MASK)


Measured = (
    Annotated[SceneEvaluationCommand, tyro.conf.subcommand("scene", prefix_name=False)]
    | Annotated[NvosCommand, tyro.conf.subcommand("nvos", prefix_name=False)]
    | Annotated[SpinNerfCommand, tyro.conf.subcommand("spin-nerf", prefix_name=False)]
    | Annotated[LerfOvsCommand, tyro.conf.subcommand("lerf-ovs", prefix_name=False)]
    | Annotated[LerfMaskCommand, tyro.conf.subcommand("lerf-mask", prefix_name=False)]
)


@dataclass
class Eval:
    """Measure a trained scene against its ground truth, or trained scenes by the protocol of a public data set.

    Prompts are drawn by a seed, and nothing is ever chosen by ground truth: the same command gives the same numbers.
    """

    what: tyro.conf.OmitSubcommandPrefixes[Measured]

    def run(self) -> None:
        """Measure, write the report, and print its goals."""
        import warnings

        # nerfstudio was written for an older torch, which says so in every other line.
        warnings.filterwarnings("ignore", module="nerfstudio|torch|timm")
        try:
            self.what.run()
        except KeyboardInterrupt:
            raise KeyboardInterrupt("a report is written at the end only; the same command begins anew") from None


@contextmanager
def _bar(console: "Console") -> Iterator[Show]:
    """A bar: call what is given with what is done, how far, and how far it goes."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    text = TextColumn("{task.description}", markup=False)
    with Progress(text, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task("loading", total=None)

        def show(what: str, done: int, of: int) -> None:
            progress.update(task, description=what, completed=done, total=of)

        yield show


def _finish(console: "Console", folder: Path, report: "Report") -> None:
    """Write the report; print the goals and where everything is."""
    from rich.table import Table
    from rich.text import Text

    from samnerf.evaluation.report_files import write_report

    path = write_report(folder, report)
    table = Table("measure", "value", "goal", "", title=f"\n{report.title}", title_justify="left", title_style="bold")
    for one in report.goals:
        mark = {None: "", True: "[green]reached[/green]", False: "[red]missed[/red]"}[one.reached(report.scores)]
        table.add_row(Text(one.words), one.said(report.scores[one.key]), one.wanted, mark)
    console.print(table)
    for note in report.notes:
        console.print(note, markup=False, highlight=False, soft_wrap=True)
    console.print(f"report: {path}", markup=False, highlight=False, soft_wrap=True)
