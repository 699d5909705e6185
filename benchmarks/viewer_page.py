"""The viewer's page in Chromium, with a person's hands and eyes: tests and benchmarks drive it alike.

All places on the page are pixels of the picture, (x, y) from its top left.
"""

import io
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int
from PIL import Image
from scipy import ndimage

from samnerf.camera import Camera
from samnerf.cli.scene_session import load_session
from samnerf.objects.layers import ObjectLayers
from samnerf.objects.palette import object_colour
from samnerf.preprocessing.synthetic import ray_tracer
from samnerf.preprocessing.synthetic.scene import Scene
from samnerf.scene import TrainedScene
from samnerf.viewer.scene_app.app import SceneApp
from samnerf.viewer.scene_app.common import Choices, Common
from samnerf.viewer.scene_app.desk import Desk
from samnerf.viewer.scene_app.guarded_server import GuardedServer

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
)
"""Chromium draws on the CPU and asks nobody for anything."""
PATIENCE = 90.0
"""Seconds, for machines with much else to do."""
DIFFERENT = 30
"""Sum of the differences of three colours from which on a pixel was changed, and not only smoothed by the browser."""
STILL = 0.001
"""Part of a picture's pixels that may differ from those a moment ago when nothing changes any more."""
FLAT = 18
"""The same up to which a pixel has a mask's own colour."""
ALIKE = 60
"""The same up to which what lies below a mask is too much like it to tell how much of it is hidden."""
LEAST_OF_VISER = 0.2
"""Part of `devicePixelRatio` that viser's page draws with at least (`AdaptiveDpr` in its `App.tsx`)."""
READABLE = 0.6
"""Resolution at which masks of a page can be read to the pixel or two, on machines with much else to do, too."""
FLOOR = (300, 640)
"""A place of the picture from which one may drag; messages appear at its top left."""

Place = tuple[float, float]
Mask = Bool[np.ndarray, "height width"]
Colours = Int[np.ndarray, "height width 3"]


class ViewerPage:
    """A browser's window on the viewer.

    Args:
        browser: Playwright's.
        app: that is shown; it runs in this process, so that its state can be looked at.
        address: of the page.
        viewport: size of the window, pixels.
        to_world: from a camera of the viewer's scene to the frame of the synthetic scene that is true of it.
        resolution: pixels that are drawn at least along each of the page's, however slow the machine; by default it is
            left to viser, which goes down to a fifth.
    """

    def __init__(
        self,
        browser: Any,
        app: SceneApp,
        address: str,
        viewport: tuple[int, int] = (1000, 700),
        to_world: Callable[[Camera], Camera] = lambda camera: camera,
        resolution: float | None = None,
    ) -> None:
        self.app = app
        self._to_world = to_world
        width, height = viewport
        self.context = browser.new_context(viewport={"width": width, "height": height}, accept_downloads=True)
        self.context.set_default_timeout(1000 * PATIENCE)
        if resolution is not None:
            ratio = f"{{get: () => {resolution / LEAST_OF_VISER}}}"
            self.context.add_init_script(f"Object.defineProperty(window, 'devicePixelRatio', {ratio})")
        self.page = self.context.new_page()
        self.faults: list[str] = []
        self.requested: list[str] = []
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("requestfinished", lambda request: self.requested.append(request.url))
        self.open(lambda: self.page.goto(address))

    def open(self, go: Callable[[], Any]) -> None:
        """Load the page by `go`, and wait until everything is shown."""
        before = self.app.visits
        go()
        until(lambda: any(one not in before for one in self.app.visits))
        self.visit = next(one for one in self.app.visits if one not in before)
        self.rest()

    def close(self) -> None:
        """Leave."""
        self.context.close()

    def rest(self) -> None:
        """Wait until everything is rendered and drawn."""
        until(lambda: self.visit.loop.frame is not None and self.visit.loop.idle)
        time.sleep(1.0)
        until(lambda: self.visit.loop.idle)

    @property
    def canvas(self) -> dict[str, float]:
        """Where the picture is on the page: x, y, width, height."""
        return self.page.locator("canvas").last.bounding_box()

    def pixels(self) -> Colours:
        """The picture as it is on the screen, once no message lies over it and it no longer changes."""
        self.page.wait_for_function("!document.querySelector('.mantine-Notification-root')")
        deadline = time.monotonic() + PATIENCE
        last = self._screenshot()
        while True:
            time.sleep(0.3)
            now = self._screenshot()
            if (np.abs(now - last).sum(-1) > DIFFERENT).mean() < STILL or time.monotonic() > deadline:
                return now
            last = now

    def _screenshot(self) -> Colours:
        return np.array(Image.open(io.BytesIO(self.page.screenshot(clip=self.canvas))).convert("RGB")).astype(int)

    def truth(self, world: Scene, name: str) -> Mask:
        """Where an object of a synthetic scene is on the screen."""
        return self.truths(world)[name]

    def truths(self, world: Scene) -> dict[str, Mask]:
        """Where all of them are."""
        ids = ray_tracer.render(world, self._to_world(self.visit.camera)).ids
        size = round(self.canvas["width"]), round(self.canvas["height"])
        on_screen = np.asarray(Image.fromarray(ids).resize(size, Image.Resampling.NEAREST))
        return {thing.name: on_screen == thing.id for thing in world.objects}

    def coloured(self) -> Mask:
        """Where objects are laid over the scene: masks that hide it, against colour alone.

        A thing whose own colour is that of its mask looks the same in both; there the mask is known by being flat.
        """
        with_masks = self._pixels_with(lambda desk: desk.adjust(replace(desk.settings, opacity=1.0)))
        return self.laid_over(self.pixels_in("Colour"), with_masks)

    def laid_over(self, without: Colours, with_masks: Colours) -> Mask:
        """What is in one picture and not in the other, where masks hide what lies below them."""
        layers = self.visit.objects.layers
        tones = [object_colour(layers.next_id), *(one.colour for one in layers.objects if one.visible)]
        masks = np.any([_covered(without, with_masks, np.array(tone)) for tone in tones], axis=0)
        # viser draws at a resolution that follows the machine's speed, so edges change a little by themselves.
        return ndimage.binary_opening(masks)

    def pixels_in(self, mode: str) -> Colours:
        """The picture in another mode; afterwards the mode is as it was."""
        return self._pixels_with(lambda desk: replace(desk, mode=mode))

    def _pixels_with(self, step: Callable[[Desk], Desk]) -> Colours:
        before = self.visit.desk
        self.visit.change(step)
        self.rest()
        pixels = self.pixels()
        self.visit.change(lambda _: before)
        self.rest()
        return pixels

    def click(self, place: Place) -> None:
        """Click into the picture."""
        self.page.mouse.click(self.canvas["x"] + place[0], self.canvas["y"] + place[1])
        self._settle(0.5)

    def press(self, label: str, number: int = 0) -> None:
        """Press a button of the panel; `number` counts those of the same label from 0."""
        self.page.get_by_role("button", name=label, exact=True).nth(number).click()
        self._settle(0.5)

    def drag(self, first: Place, second: Place) -> None:
        """Drag over the picture."""
        left, top = self.canvas["x"], self.canvas["y"]
        self.page.mouse.move(left + first[0], top + first[1])
        self.page.mouse.down()
        self.page.mouse.move(left + second[0], top + second[1], steps=6)
        self.page.mouse.up()
        self._settle(1.0)

    def unfold(self, folder: str) -> None:
        """Open a folder of the panel."""
        self.page.get_by_text(folder, exact=True).first.click()
        time.sleep(0.5)

    def fill(self, label: str, words: str) -> None:
        """Type into a field."""
        self._field(label).fill(words)

    def choose(self, label: str, option: str) -> None:
        """Choose from a list."""
        self._field(label).click()
        self.page.get_by_role("option", name=option, exact=True).click()
        self._settle(0.5)

    def expect(self, words: str, seconds: float = PATIENCE) -> None:
        """Wait until words are on the page."""
        is_there = "words => document.body.innerText.includes(words)"
        self.page.wait_for_function(is_there, arg=words, timeout=1000 * seconds)

    def download(self, label: str) -> Any:
        """Press a button, and give Playwright's download that follows."""
        with self.page.expect_download() as download:
            self.page.get_by_role("button", name=label, exact=True).first.click()
        return download.value

    def start_again(self) -> None:
        """Without objects and prompts, as at first."""
        self.visit.objects.change("clear", lambda layers: replace(layers, objects=()))
        self.visit.change(lambda desk: type(desk)())
        self.visit.pointer.use("Add")
        self.rest()

    def _field(self, label: str) -> Any:
        return self.page.locator(f"//label[.='{label}']/ancestor::div[.//input][1]//input").first

    def _settle(self, seconds: float) -> None:
        time.sleep(seconds)
        self.rest()


@contextmanager
def served(scene: TrainedScene, size: int) -> Iterator[tuple[SceneApp, str]]:
    """A viewer of a scene, and its address; what it writes is gone afterwards.

    Args:
        scene: of the tiny teachers.
        size: longer side of its pictures, pixels.
    """
    port = free_port()
    server = GuardedServer("127.0.0.1", port, "SAM-NeRF")
    with tempfile.TemporaryDirectory() as folder:
        choices = Choices(True, Path(folder) / "objects.json", Path(folder) / "exports", size)
        common = Common.of(scene, load_session(scene.pair, True, "cpu"), choices)
        yield SceneApp(server, common, ObjectLayers()), f"http://127.0.0.1:{port}/"
        server.stop()


def _covered(without: Colours, with_mask: Colours, tone: Int[np.ndarray, "3"]) -> Mask:
    """Where a mask of one colour hides more than half of what is below it; a pixel at its edge shows both."""
    away = tone - without
    share = ((with_mask - without) * away).sum(-1) / np.maximum((away**2).sum(-1), 1)
    flat = np.abs(with_mask - tone).sum(-1) < FLAT
    return np.where(np.abs(away).sum(-1) < ALIKE, flat, share > 0.5)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(condition: Callable[[], Any], seconds: float = PATIENCE) -> None:
    """Wait for something.

    Raises:
        AssertionError: if it does not come.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def middle(mask: Mask) -> tuple[int, int]:
    """The place of a mask that is farthest from its border."""
    depth = ndimage.distance_transform_edt(mask)
    row, column = np.unravel_index(depth.argmax(), depth.shape)
    return int(column), int(row)
