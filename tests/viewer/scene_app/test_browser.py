"""The viewer in a real browser, on a scene that is known exactly: what a person clicks, sees and takes home.

The scene's model is a ray tracer, so that what is right is known to the pixel from every camera; teachers, decoders,
locking, server and page are those of the program.
"""

import io
import json
import threading
import time
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from samnerf.cli.scene_session import load_session
from samnerf.objects.layers import ObjectLayers
from samnerf.preprocessing.synthetic import ray_tracer
from samnerf.viewer.scene_app.app import SceneApp
from samnerf.viewer.scene_app.common import Choices, Common
from samnerf.viewer.scene_app.guarded_server import GuardedServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

SPHERE, BALL, CYLINDER = "striped pink sphere", "plain orange sphere", "plain yellow cylinder"
FLOOR = (300, 640)
"""A place of the picture from which one may drag; messages appear at its top left."""
PATIENCE = 90.0
"""Seconds, for machines with much else to do."""
LOCKED = 0.75
"""IoU of a lock on the screen: made from twelve small views, and drawn as finely as the browser has time for."""
DIFFERENT = 30
"""Sum of the differences of three colours from which on a pixel was changed, and not only smoothed by the browser."""


@pytest.fixture(scope="module")
def app(traced, tmp_path_factory, module_port):
    folder = tmp_path_factory.mktemp("viewer")
    server = GuardedServer("127.0.0.1", module_port, "SAM-NeRF")
    choices = Choices(True, folder / "objects.json", folder / "exports", 256)
    started = SceneApp(server, Common.of(traced, load_session("tiny", True, "cpu"), choices), ObjectLayers())
    started.address = f"http://127.0.0.1:{module_port}/"
    started.folder = folder
    yield started
    server.stop()


class Page:
    """The viewer's page, with a person's hands and eyes."""

    def __init__(self, browser, app):
        self.app = app
        self.context = browser.new_context(viewport={"width": 1000, "height": 700}, accept_downloads=True)
        self.context.set_default_timeout(1000 * PATIENCE)
        self.page = self.context.new_page()
        self.faults, self.requested = [], []
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("requestfinished", lambda request: self.requested.append(request.url))
        self.open(lambda: self.page.goto(app.address))

    def open(self, go):
        before = self.app.visits
        go()
        until(lambda: [one for one in self.app.visits if one not in before])
        self.visit = next(one for one in self.app.visits if one not in before)
        self.rest()

    def rest(self):
        """Until everything is rendered and drawn."""
        until(lambda: self.visit.loop.frame is not None and self.visit.loop.idle)
        time.sleep(1.0)
        until(lambda: self.visit.loop.idle)

    @property
    def canvas(self):
        return self.page.locator("canvas").last.bounding_box()

    def pixels(self):
        """The picture as it is on the screen."""
        return np.array(Image.open(io.BytesIO(self.page.screenshot(clip=self.canvas))).convert("RGB")).astype(int)

    def truth(self, things, name):
        """Where an object is on the screen."""
        ids = ray_tracer.render(things, self.visit.camera).ids
        number = next(thing.id for thing in things.objects if thing.name == name)
        size = round(self.canvas["width"]), round(self.canvas["height"])
        return np.asarray(Image.fromarray(ids == number).resize(size, Image.Resampling.NEAREST), bool)

    def coloured(self):
        """Where objects are laid over the scene: masks against colour, without prompts' balls in either."""
        # Messages lie over the picture for some seconds.
        self.page.wait_for_function("!document.querySelector('.mantine-Notification-root')")
        with_masks = self.pixels()
        mode = self.visit.desk.mode
        self.visit.change(lambda desk: replace(desk, mode="Colour"))
        self.rest()
        without = self.pixels()
        self.visit.change(lambda desk: replace(desk, mode=mode))
        self.rest()
        # viser draws at a resolution that follows the machine's speed, so edges change a little by themselves.
        return ndimage.binary_opening(np.abs(with_masks - without).sum(-1) > DIFFERENT, iterations=2)

    def click(self, place):
        self.page.mouse.click(self.canvas["x"] + place[0], self.canvas["y"] + place[1])
        time.sleep(0.5)
        self.rest()

    def press(self, label):
        self.page.get_by_role("button", name=label, exact=True).first.click()
        time.sleep(0.5)
        self.rest()

    def drag(self, first, second):
        left, top = self.canvas["x"], self.canvas["y"]
        self.page.mouse.move(left + first[0], top + first[1])
        self.page.mouse.down()
        self.page.mouse.move(left + second[0], top + second[1], steps=6)
        self.page.mouse.up()
        time.sleep(1.0)
        self.rest()

    def expect(self, words):
        self.page.wait_for_function("words => document.body.innerText.includes(words)", arg=words)

    def fill(self, label, words):
        self.page.locator(f"//label[.='{label}']/ancestor::div[.//input][1]//input").fill(words)

    def start_again(self):
        """Without objects and prompts, seen from the first camera."""
        self.visit.objects.change("clear", lambda layers: replace(layers, objects=()))
        self.visit.change(lambda desk: type(desk)())
        self.visit.pointer.use("Add")
        self.rest()


def until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def middle(mask):
    depth = ndimage.distance_transform_edt(mask)
    row, column = np.unravel_index(depth.argmax(), depth.shape)
    return int(column), int(row)


def iou(one, other):
    return (one & other).sum() / max(1, (one | other).sum())


@pytest.fixture(scope="module")
def visitor(browser, app):
    page = Page(browser, app)
    yield page
    page.context.close()


@pytest.fixture
def things(traced):
    return traced.pipeline.model.things


@pytest.fixture
def page(visitor):
    visitor.start_again()
    return visitor


def test_a_click_shows_the_mask_of_what_was_clicked(page, things):
    sphere = page.truth(things, SPHERE)
    page.click(middle(sphere))
    page.expect("Score")
    assert iou(page.coloured(), sphere) > 0.75


def test_a_click_that_takes_away_takes_away(page, things):
    sphere, cylinder = page.truth(things, SPHERE), page.truth(things, CYLINDER)
    page.click(middle(sphere))
    page.click(middle(cylinder))
    assert page.coloured()[cylinder].mean() > 0.5
    page.press("Take back")
    page.press("Take away")
    page.click(middle(cylinder))
    assert page.coloured()[cylinder].mean() < 0.1
    assert [one.pixel.label for one in page.visit.desk.said.clicks] == [1, 0]


def test_a_box_is_dragged_and_the_camera_rests_meanwhile(page, things):
    ball = page.truth(things, BALL)
    rows, columns = np.flatnonzero(ball.any(axis=1)), np.flatnonzero(ball.any(axis=0))
    before = page.visit.camera
    page.press("Box")
    page.drag((int(columns[0]) - 4, int(rows[0]) - 4), (int(columns[-1]) + 4, int(rows[-1]) + 4))
    assert page.visit.camera is before
    assert len(page.visit.desk.said.boxes) == 1
    assert iou(page.coloured(), ball) > 0.75


def test_words_find_and_show_where_they_fit(page, things):
    page.fill("Words", "yellow cylinder")
    page.press("Find")
    page.expect("Score")
    cylinder = page.truth(things, CYLINDER)
    assert iou(page.coloured(), cylinder) > 0.7
    page.visit.change(lambda desk: replace(desk, mode="Relevancy"))
    page.rest()
    light = page.pixels().sum(-1)
    assert light[cylinder].mean() > 1.5 * light[~cylinder].mean()


def test_words_that_find_nothing_are_answered_in_words(page):
    page.visit.change(lambda desk: desk.adjust(replace(desk.settings, text_threshold=1.0)))
    page.fill("Words", "green torus")
    page.press("Find")
    page.expect("Nothing found:")


def test_an_object_is_locked_and_stays_when_one_orbits_and_is_taken_home(page, things, app):
    ball = page.truth(things, BALL)
    page.click(middle(ball))
    page.fill("Name", "ball {1+1}")
    page.press("Lock")
    page.expect("ball {1+1}: locked now")
    page.expect("ball {1+1}")  # and not what the browser would make of it
    page.rest()
    assert iou(page.coloured(), ball) > 0.75

    before = page.visit.camera
    page.drag(FLOOR, (FLOOR[0] + 120, FLOOR[1]))
    assert page.visit.camera is not before
    assert page.visit.desk.said.empty
    moved = page.truth(things, BALL)
    assert iou(page.coloured(), moved) > LOCKED

    page.page.get_by_text("Take home").click()
    with page.page.expect_download() as download:
        page.page.get_by_role("button", name="Export", exact=True).click()
    archive = zipfile.ZipFile(download.value.path())
    index = next(name for name in archive.namelist() if name.endswith("masks.json"))
    document = json.loads(archive.read(index))
    assert [one["name"] for one in document["objects"]] == ["ball {1+1}"]
    assert len(document["views"]) == len(app.common.cameras)
    assert all(path.is_relative_to(app.folder / "exports") for path in (app.folder / "exports").rglob("*.png"))

    camera = page.visit.camera
    page.open(page.page.reload)
    page.expect("ball {1+1}")
    assert np.allclose(page.visit.camera.position, camera.position, atol=1e-3)
    assert iou(page.coloured(), page.truth(things, BALL)) > LOCKED
    page.press("Undo")
    page.expect("No object is locked yet")
    assert page.coloured().mean() < 0.01


def test_two_browsers_share_objects_but_no_camera_and_no_prompts(page, browser, app, things, toy):
    other = Page(browser, app)
    try:
        page.click(middle(page.truth(things, BALL)))
        assert other.visit.desk.said.empty
        page.fill("Name", "shared ball")
        page.press("Lock")
        page.expect("shared ball: locked now")
        other.expect("shared ball")
        other.rest()
        assert iou(other.coloured(), other.truth(things, BALL)) > LOCKED
        position = page.visit.camera.position
        other.drag(FLOOR, (FLOOR[0] + 90, FLOOR[1]))
        assert not np.allclose(other.visit.camera.position, position, atol=1e-2)
        assert np.allclose(page.visit.camera.position, position)
    finally:
        other.context.close()


def test_an_error_while_rendering_is_said_and_the_viewer_goes_on(page, things, traced):
    traced.pipeline.model.failing = True
    page.drag(FLOOR, (FLOOR[0] + 30, FLOOR[1]))
    page.expect("the renderer tripped")
    traced.pipeline.model.failing = False
    page.drag((FLOOR[0] + 30, FLOOR[1]), FLOOR)
    ball = page.truth(things, BALL)
    page.click(middle(ball))
    assert iou(page.coloured(), ball) > 0.75


def test_nothing_to_lock_is_said(page):
    page.press("Lock")
    page.expect("There is nothing to lock")


def test_nothing_went_to_another_machine_and_no_script_failed(visitor, app):
    outside = [url for url in visitor.requested if not url.startswith((app.address, "data:", "blob:"))]
    assert outside == []
    assert visitor.faults == []
    assert any(thread.name == "pictures" for thread in threading.enumerate())
