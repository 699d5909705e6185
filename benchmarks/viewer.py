"""The viewer in a real browser, on a trained scene made in code: how long one waits, what one sees, what breaks.

    make bench-viewer
    python benchmarks/viewer.py --seed 7 --repeats 30 --interactions 500

A time begins when Playwright is told to act, and ends when Chromium has drawn a picture in which something changed, as
its screencast tells. The viewer, Chromium (which draws on the CPU) and this script share the machine's cores.

- click_to_mask_ms: a click into a view at rest, until the mask is there.
- phrase_to_heatmap_ms: Find is pressed, until the heat map is there.
- first_coarse_frame_ms, full_frame_ms: the camera jumps, until the first picture from there, and until the sharp one.
- screenshot_miou: masks read from screenshots, against the ray tracer: of a click into each object that the view
  shows, and of the object's lock in two views further along.
- soak_*: random interactions, as fast as a hand may be; what the page or the viewer did not foresee is an exception.
"""

import random
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import tyro
from playwright.sync_api import sync_playwright
from receipts import write_receipt
from screencast import SMALLER, Screencast
from soak import Soak
from trained_scenes import SyntheticScene, trained_scene
from viewer_page import ARGUMENTS, CHROMIUM, Mask, ViewerPage, free_port, middle, until

from samnerf.cli.scene_session import load_session
from samnerf.evaluation.metrics import iou, mean
from samnerf.objects.layers import ObjectLayers
from samnerf.viewer.scene_app.app import SceneApp
from samnerf.viewer.scene_app.common import Choices, Common
from samnerf.viewer.scene_app.desk import Mode
from samnerf.viewer.scene_app.guarded_server import GuardedServer
from samnerf.viewer.scene_app.viser_cameras import look_from, same_view
from samnerf.viewer.scene_app.visit import Visit

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
    views: int = 2
    """In which all objects are clicked for `screenshot_miou`."""
    locks: int = 5
    """Objects that are locked for it."""
    interactions: int = 500
    """Of the soak."""

    def measure(self) -> None:
        """Run, print and write the receipt."""
        warnings.filterwarnings("ignore", module="nerfstudio|torch|timm|websockets|viser")
        scene = trained_scene(self.seed, self.steps)
        with _viewer(scene, self.size) as (app, address), sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
            page = ViewerPage(browser, app, address, VIEWPORT, scene.trained.to_capture)
            waits = Waits(page, scene, self.repeats)
            figures = waits.measure() | Screenshots(page, scene, self.views, self.locks).measure()
            figures |= Soak(page, scene, self.interactions, random.Random(self.seed)).measure()
            canvas = page.canvas
            browser.close()
        shown = {"picture": [self.size, self.size], "canvas": [round(canvas["width"]), round(canvas["height"])]}
        path = write_receipt("viewer", "cpu", {**figures, "seed": self.seed, **shown, "runs_ms": waits.runs})
        for name, value in figures.items():
            print(f"{name:<24} {value}")
        print(path)


@contextmanager
def _viewer(scene: SyntheticScene, size: int) -> Iterator[tuple[SceneApp, str]]:
    port = free_port()
    server = GuardedServer("127.0.0.1", port, "SAM-NeRF")
    with tempfile.TemporaryDirectory() as folder:
        choices = Choices(True, Path(folder) / "objects.json", Path(folder) / "exports", size)
        common = Common.of(scene.trained, load_session(scene.trained.pair, True, "cpu"), choices)
        yield SceneApp(server, common, ObjectLayers()), f"http://127.0.0.1:{port}/"
        server.stop()


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

    def measure(self) -> dict[str, float]:
        """Medians, milliseconds."""
        for turn in range(self.repeats):
            self._look(turn)
            self._click(turn)
            self._ask(turn)
            print(f"{turn + 1} of {self.repeats}", {name: runs[-1] for name, runs in self.runs.items()}, flush=True)
        return {name: round(median(values), 1) for name, values in self.runs.items()}

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
        rows, columns = np.ogrid[: masks[name].shape[0], : masks[name].shape[1]]
        beside_ball = masks[name] & ((rows - y) ** 2 + (columns - x) ** 2 > BALL**2)
        self._until_drawn(
            "click_to_mask_ms", lambda: self.page.page.mouse.click(corner[0] + x, corner[1] + y), beside_ball
        )
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
    """Masks as they are on the screen."""

    page: ViewerPage
    scene: SyntheticScene
    views: int
    locks: int

    def measure(self) -> dict[str, Any]:
        """Mean IoU of all masks, of clicks, and of locks."""
        clicked: list[float] = []
        locked: list[float] = []
        cameras = [camera for _, camera in self.scene.trained.cameras("test")]
        for turn in range(self.views):
            self._go(cameras[turn % len(cameras)])
            for truth in _shown(self.page, self.scene).values():
                self.page.click(middle(truth))
                clicked.append(iou(self.page.coloured(), truth))
                self.page.visit.change(lambda desk: desk.clear())
        self._go(cameras[0])
        names = list(_shown(self.page, self.scene))
        for name in names[: self.locks]:
            self._go(cameras[0])
            self.page.click(middle(_shown(self.page, self.scene)[name]))
            self.page.press("Lock")
            self.page.expect("locked now")
            for camera in cameras[1:3]:
                self._go(camera)
                truth = _shown(self.page, self.scene).get(name)
                if truth is not None:
                    locked.append(iou(self.page.coloured(), truth))
            self.page.start_again()
        rounded = {key: round(mean(values), 4) for key, values in (("click", clicked), ("lock", locked))}
        return {
            "screenshot_miou": round(mean([*clicked, *locked]), 4),
            "screenshot_click_miou": rounded["click"],
            "screenshot_lock_miou": rounded["lock"],
            "screenshots": len(clicked) + len(locked),
        }

    def _go(self, camera: Any) -> None:
        look_from(self.page.visit.client, camera, self.page.app.common.distance)
        self.page.rest()
        self.page.rest()


def _shown(page: ViewerPage, scene: SyntheticScene) -> dict[str, np.ndarray]:
    """Objects that fill enough of the picture, and where they are on the screen."""
    masks = {thing.name: page.truth(scene.world, thing.name) for thing in scene.world.objects}
    return {name: mask for name, mask in masks.items() if mask.mean() >= LEAST_SHOWN}


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
