"""How long a click, a box or a phrase takes in a view: decoders alone, and with the features still to be made.

    python benchmarks/prompting.py                                  # the demo's scene, CPU
    python benchmarks/prompting.py --config RUN/config.yml --device cuda
    python benchmarks/prompting.py --runs 1 --results FOLDER        # seconds

In each run and in turns, every prompt is asked in five situations:

- cached: the view has its features, so only decoders run: every prompt in a view but the first;
- rendered: a new view, whose features the scene renders, and the depth that cuts masks;
- rendered, uncut: a new view, whose features the scene renders; masks are the decoder's own;
- photograph: a photograph, which the teachers' image encoders look at;
- rendered, encoded: a new view without distilled features: colour is rendered at full size, then encoded.

Words cost an embedding when they are new; `phrase` is a new one every time, `phrase again` one asked before. Its
threshold is 0, so that a mask is always decoded. Medians go to `benchmarks/results/prompting.json`, the plot beside it.
"""

import itertools
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import tyro
from plots import BLUE, RED, ROSE, SKY, drawn, say
from receipts import RESULTS, on_device, write_receipt
from stopwatch import seconds, spread
from view_features import newest_demo

from samnerf.camera import Camera
from samnerf.cli.scene_session import load_session
from samnerf.errors import SamNerfError
from samnerf.preprocessing.synthetic.scene import COLOURS, MATERIALS, SHAPES
from samnerf.prompts import Box, Phrase, Point, PromptSet
from samnerf.scene import TrainedScene
from samnerf.session import Session
from samnerf.view import View

PROMPTS = ("click", "box", "phrase", "phrase again")
UNCUT = "rendered, uncut"
SITUATIONS = {
    "cached": ("features cached", BLUE),
    "rendered": ("features and depth rendered", SKY),
    UNCUT: ("features rendered", SKY),
    "photograph": ("photograph encoded", ROSE),
    "rendered, encoded": ("colour rendered, encoded", RED),
}
"""With what the plot calls them, and in which colour."""
_NAMES = [" ".join(words) for words in itertools.product(MATERIALS, COLOURS, SHAPES)]
_MOST_RUNS = len(_NAMES) // len(SITUATIONS) - 1


@dataclass
class Prompting:
    """Latency of single prompts."""

    config: Path | None = None
    """A trained scene with distilled features; the demo's by default."""
    device: str = "cpu"
    """Where everything runs."""
    runs: int = 20
    """How often each is measured, after one that warms up."""
    views: int = 5
    """Held-out views, taken in turn."""
    results: Path = RESULTS
    """Folder of receipt and plot."""
    times: dict[str, dict[str, list[float]]] = field(default_factory=dict, init=False)

    def measure(self) -> None:
        """Run, print, draw, and write the receipt."""
        if not 1 <= self.runs <= _MOST_RUNS:
            raise SamNerfError(f"--runs is {self.runs} but must be 1 to {_MOST_RUNS}, for as many phrases are new")
        warnings.filterwarnings("ignore", module="nerfstudio|torch|timm")
        scene = TrainedScene.load(self.config or newest_demo(), self.device)
        if not scene.distilled:
            raise SamNerfError("this scene was trained without features; give --config of another method's run")
        session = load_session(scene.pair, True, self.device)
        cameras = scene.cameras("test")[: self.views]
        phrases = iter(_NAMES)
        self.times = {situation: {prompt: [] for prompt in PROMPTS} for situation in SITUATIONS}
        for turn in range(self.runs + 1):
            name, camera = cameras[turn % len(cameras)]
            for prompt, (situation, make) in itertools.product(PROMPTS, _makers(scene, name, camera).items()):
                said, view = _prompts(prompt, camera, phrases), make()
                taken = self._taken(session, view, said, situation != UNCUT)
                if turn:
                    self.times[situation][prompt].append(taken)
        spreads = {
            situation: {prompt: spread(values) for prompt, values in of_prompts.items()}
            for situation, of_prompts in self.times.items()
        }
        name = on_device("prompting", self.device)
        measured = {
            "pair": scene.pair,
            "image_size": list(cameras[0][1].image_size),
            "views": len(cameras),
            "seconds": spreads,
        }
        path = write_receipt(name, self.device, measured, self.results)
        _plot(spreads, self.results / f"{name}.png")
        print(f"{'milliseconds':<22}" + "".join(f"{prompt:>14}" for prompt in PROMPTS))
        for situation, of_prompts in spreads.items():
            print(f"{situation:<22}" + "".join(f"{1000 * of_prompts[prompt]['median']:14.1f}" for prompt in PROMPTS))
        print(f"-> {path}")

    def _taken(self, session: Session, view: View, said: PromptSet, by_depth: bool) -> float:
        return seconds(lambda: session.segment(view, said, by_depth=by_depth).mask(), self.device)


def _makers(scene: TrainedScene, name: str, camera: Camera) -> dict[str, Callable[[], View]]:
    """What makes a view of each situation; nothing of it is measured."""

    def cached() -> View:
        view = scene.view(camera, name)
        for kind in ("sam", "clipseg"):
            view.feature_map(kind)
        assert view.surface is not None
        return view

    return {
        "cached": cached,
        "rendered": lambda: scene.view(camera, name),
        UNCUT: lambda: scene.view(camera, name),
        "photograph": lambda: scene.image_view(name),
        "rendered, encoded": lambda: scene.rendered_view(camera, name),
    }


def _prompts(prompt: str, camera: Camera, phrases: Iterator[str]) -> PromptSet:
    height, width = camera.image_size
    if prompt == "click":
        return PromptSet(points=(Point(width / 2, height / 2),))
    if prompt == "box":
        return PromptSet(boxes=(Box(width / 4, height / 4, 3 * width / 4, 3 * height / 4),))
    return PromptSet(phrase=Phrase(next(phrases) if prompt == "phrase" else _NAMES[-1], threshold=0.0))


def _plot(spreads: Mapping[str, Mapping[str, Mapping[str, float]]], path: Path) -> None:
    """A group of rows for each prompt, in it a row for each situation, which is named in the first group."""
    with drawn(path, size=(6.8, 4.4)) as (axes,):
        for place, (situation, of_prompts) in enumerate(spreads.items()):
            words, colour = SITUATIONS[situation]
            for group, prompt in enumerate(PROMPTS):
                row = group + 0.17 * (place - (len(spreads) - 1) / 2)
                median, least, greatest = (1000 * of_prompts[prompt][end] for end in ("median", "least", "greatest"))
                axes.hlines(row, least, greatest, color=colour, alpha=0.5)
                axes.plot(median, row, "o", color=colour)
                value = f"{median:.0f}" if median >= 10 else f"{median:.1f}"
                say(axes, (greatest, row), f"{value}   {words}" if group == 0 else value, colour)
        axes.set_xscale("log")
        axes.set_yticks(range(len(PROMPTS)), list(PROMPTS))
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        axes.set_ylim(len(PROMPTS) - 0.5, -0.5)
        axes.set(xlabel="milliseconds until the mask is there: median, least and greatest")


if __name__ == "__main__":
    tyro.cli(Prompting).measure()
