"""The viewer in a real browser, on a trained scene made in code: how long one waits, what one sees, what breaks.

    make bench-viewer
    python benchmarks/viewer.py --seed 7 --repeats 30 --interactions 500

A time begins when Playwright is told to act, and ends when Chromium has drawn a picture in which something changed, as
its screencast tells. The viewer, Chromium (which draws on the CPU) and this script share the machine's cores.

- click_to_mask_ms: a click into a view at rest, until the mask is there.
- phrase_to_heatmap_ms: Find is pressed, until the heat map is there.
- first_coarse_frame_ms, full_frame_ms: the camera jumps, until the first picture from there, and until the sharp one.
- screenshot_miou: masks read from screenshots, against the ray tracer: of a click into each object that a held-out view
  shows, and of each object, locked where the most of it is seen, in two views further along.
- soak_*: random interactions, as fast as a hand may be; what the page or the viewer did not foresee is an exception.
"""

import random
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any, Literal, get_args

import numpy as np
import tyro
from playwright.sync_api import sync_playwright
from receipts import RESULTS, circumstances, write_receipt
from screencast import SMALLER, Screencast
from soak import Soak
from trained_scenes import SyntheticScene, trained_scene
from viewer_page import ARGUMENTS, CHROMIUM, Colours, Mask, ViewerPage, middle, served, until

from samnerf.atomic_files import read_json
from samnerf.evaluation.metrics import iou, mean
from samnerf.viewer.scene_app.desk import Mode
from samnerf.viewer.scene_app.viser_cameras import look_from, same_view
from samnerf.viewer.scene_app.visit import Visit

Part = Literal["waits", "screenshots", "soak"]
LEAST_SHOWN = 0.005
"""Share of the picture that an object must fill to be clicked."""
VIEWPORT = (882, 562)
"""Of the window; the panel leaves a picture of 512 x 512 pixels or so."""
BALL = 10
"""Pixels around a click that its marker may cover; it is there before the mask."""
CHANGED = 10.0
"""Mean difference of three colours, 0 to 255 each, from which on a part of the picture has changed."""


@dataclass
class ViewerBenchmark:
    """Latency, masks on the screen, and a soak of the viewer."""

    seed: int = 7
    """Of the scene; by default the demo's."""
    steps: int | None = None
    """Of its training; by default those of `samnerf-tiny`."""
    size: int = 512
    """Longer side of the picture, pixels."""
    repeats: int = 30
    """How often each time is taken."""
    views: int = 10
    """In which all objects are clicked for `screenshot_miou`."""
    locks: int = 9
    """Objects that are locked for it."""
    interactions: int = 500
    """Of the soak."""

    parts: tuple[Part, ...] = get_args(Part)
    """What is measured; the figures of the others stay as an earlier run wrote them."""

    def measure(self) -> None:
        """Run, print and write the receipt."""
        warnings.filterwarnings("ignore", module="nerfstudio|torch|timm|websockets|viser")
        scene = trained_scene(self.seed, self.steps)
        receipt = RESULTS / "viewer.json"
        kept = read_json(receipt, "receipt") if receipt.exists() and self.parts != get_args(Part) else {}
        with served(scene.trained, self.size) as (app, address), sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
            ways: dict[Part, Callable[[ViewerPage], Any]] = {
                "waits": lambda page: Waits(page, scene, self.repeats),
                "screenshots": lambda page: Screenshots(page, scene, self.views, self.locks),
                "soak": lambda page: Soak(page, scene, self.interactions, random.Random(self.seed)),
            }
            for part in self.parts:
                # Masks are read from as many pixels as a GPU would draw; waits are those of a browser without one.
                fine = 1.0 if part == "screenshots" else None
                page = ViewerPage(browser, app, address, VIEWPORT, scene.trained.to_capture, fine)
                figures = ways[part](page).measure() | {f"{part}_measured": circumstances("cpu")}
                canvas = [round(page.canvas[side]) for side in ("width", "height")]
                kept |= figures | {"seed": self.seed, "picture": [self.size, self.size], "canvas": canvas}
                write_receipt("viewer", "cpu", kept)
                for name, value in figures.items():
                    print(f"{name:<24} {value}", flush=True)
                page.start_again()
                page.close()
            browser.close()
        print(receipt)


@dataclass
class Waits:
    """How long a person waits.

    Attributes:
        runs: every time that was taken, milliseconds.
    """

    page: ViewerPage
    scene: SyntheticScene
    repeats: int
    runs: dict[str, list[float]] = field(default_factory=dict)

    def measure(self) -> dict[str, Any]:
        """Medians, milliseconds."""
        for turn in range(self.repeats):
            self._look(turn)
            self._click(turn)
            self._ask(turn)
            print(f"{turn + 1} of {self.repeats}", {name: runs[-1] for name, runs in self.runs.items()}, flush=True)
        return {**{name: round(median(values), 1) for name, values in self.runs.items()}, "waits_ms": self.runs}

    def _look(self, turn: int) -> None:
        """Jump to another camera."""
        cameras = self.page.app.common.cameras
        _, camera = cameras[(7 * turn + 3) % len(cameras)]
        visit, earlier = self.page.visit, self.page.visit.camera
        began = self._until_drawn(
            "first_coarse_frame_ms", lambda: look_from(visit.client, camera, self.page.app.common.distance)
        )
        until(lambda: visit.camera is not earlier and _is_sharp(visit) and visit.loop.idle)
        self.page.pixels()  # comes when the page has drawn, so what follows is an upper bound
        self._keep("full_frame_ms", time.time() - began)
        self.page.rest()

    def _click(self, turn: int) -> None:
        """Click the middle of an object."""
        masks = _shown(self.page, self.scene)
        name = sorted(masks)[turn % len(masks)]
        x, y = middle(masks[name])
        corner = self.page.canvas["x"], self.page.canvas["y"]
        part = masks[name] & beside_marker(masks[name].shape, (x, y))
        self._until_drawn("click_to_mask_ms", lambda: self.page.page.mouse.click(corner[0] + x, corner[1] + y), part)
        self._clear("Masks")

    def _ask(self, turn: int) -> None:
        """Look for words; the picture changes everywhere when the heat map comes."""
        self.page.visit.change(lambda desk: replace(desk, mode="Relevancy"))
        names = [thing.name for thing in self.scene.world.objects]
        self.page.visit.panel.words.value = names[turn % len(names)]
        self.page.rest()
        button = self.page.page.get_by_role("button", name="Find", exact=True).first.bounding_box()
        x, y = button["x"] + button["width"] / 2, button["y"] + button["height"] / 2
        self._until_drawn("phrase_to_heatmap_ms", lambda: self.page.page.mouse.click(x, y))
        self._clear("Masks")

    def _clear(self, mode: Mode) -> None:
        self.page.rest()
        self.page.visit.change(lambda desk: replace(desk.clear(), mode=mode))
        self.page.rest()

    def _until_drawn(self, name: str, act: Callable[[], Any], where: Mask | None = None) -> float:
        """Act, and keep how long it takes until the picture, or a part of it, is drawn anew; gives when it began."""
        with Screencast(self.page.context, self.page.page) as cast:
            before = cast.newest()
            part = np.ones(before.shape[:2], bool) if where is None else where[::SMALLER, ::SMALLER]
            began = time.time()
            act()
            self._keep(name, cast.wait(lambda seen: _differs(seen, before, part), began) - began)
        return began

    def _keep(self, name: str, seconds: float) -> None:
        self.runs.setdefault(name, []).append(round(1000 * seconds, 1))


@dataclass
class Screenshots:
    """Masks as they are on the screen. What the marker of a click hides does not count.

    Attributes:
        views: held-out views in which every object is clicked, and through which locked ones are followed.
        locks: objects that are locked, each where the most of it is seen.
        after: views in which a locked object is looked for.
    """

    page: ViewerPage
    scene: SyntheticScene
    views: int
    locks: int
    after: int = 2

    def measure(self) -> dict[str, Any]:
        """Mean IoU of all masks, of clicks, and of locks."""
        self.page.visit.change(lambda desk: desk.adjust(replace(desk.settings, opacity=1.0)))
        self._cameras = [camera for _, camera in self.scene.trained.cameras("test")][: self.views]
        self._truths: list[dict[str, Mask]] = []
        self._plain: list[Colours] = []
        self.clicked: list[tuple[str, float]] = []
        self.locked: list[tuple[str, float]] = []
        for number in range(len(self._cameras)):
            self._go(number)
            self._truths.append(_shown(self.page, self.scene))
            self._plain.append(self.page.pixels_in("Colour"))
            for name, truth in self._truths[-1].items():
                self.page.click(middle(truth))
                self.clicked.append((name, self._iou(number, truth, middle(truth))))
                self.page.visit.change(lambda desk: desk.clear())
        for name in [thing.name for thing in self.scene.world.objects][: self.locks]:
            self._follow(name)
        return {
            "screenshot_miou": round(mean(value for _, value in (*self.clicked, *self.locked)), 4),
            "screenshot_click_miou": round(mean(value for _, value in self.clicked), 4),
            "screenshot_lock_miou": round(mean(value for _, value in self.locked), 4),
            "screenshots": len(self.clicked) + len(self.locked),
            "screenshot_ious": {"click": self.clicked, "lock": self.locked},
        }

    def _follow(self, name: str) -> None:
        """Lock an object, and look at it from elsewhere."""
        seen = [number for number, truths in enumerate(self._truths) if name in truths]
        if not seen:
            return
        best = max(seen, key=lambda number: int(self._truths[number][name].sum()))
        self._go(best)
        self.page.click(middle(self._truths[best][name]))
        self.page.press("Lock")
        self.page.expect("locked now")
        for number in sorted(seen, key=lambda number: (number - best) % len(self._cameras))[1 : 1 + self.after]:
            self._go(number)
            self.locked.append((name, self._iou(number, self._truths[number][name])))
        self.page.visit.objects.change("clear", lambda layers: replace(layers, objects=()))
        self.page.rest()

    def _iou(self, number: int, truth: Mask, marker: tuple[int, int] | None = None) -> float:
        found = self.page.laid_over(self._plain[number], self.page.pixels())
        if marker is None:
            return iou(found, truth)
        beside = beside_marker(truth.shape, marker)
        return iou(found[beside], truth[beside])

    def _go(self, number: int) -> None:
        look_from(self.page.visit.client, self._cameras[number], self.page.app.common.distance)
        self.page.rest()
        self.page.rest()


def beside_marker(shape: tuple[int, ...], marker: tuple[int, int]) -> Mask:
    """What the marker of a click at (x, y) does not cover."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (rows - marker[1]) ** 2 + (columns - marker[0]) ** 2 > BALL**2


def _shown(page: ViewerPage, scene: SyntheticScene) -> dict[str, Mask]:
    """Objects that fill enough of the picture, and where they are on the screen."""
    return {name: mask for name, mask in page.truths(scene.world).items() if mask.mean() >= LEAST_SHOWN}


def _is_sharp(visit: Visit) -> bool:
    frame = visit.loop.frame
    return frame is not None and frame.full and same_view(frame.camera, visit.camera)


def _differs(seen: np.ndarray, before: np.ndarray, where: np.ndarray) -> bool:
    """Whether a part of the picture, which is at the top left of the page, has changed."""
    rows, columns = where.shape
    change = np.abs(seen[:rows, :columns].astype(int) - before[:rows, :columns]).sum(-1)
    where = where[: len(change), : change.shape[1]]
    return float(change[where].mean()) > CHANGED


if __name__ == "__main__":
    tyro.cli(ViewerBenchmark).measure()
