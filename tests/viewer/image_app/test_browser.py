"""The app in a real browser: what a person clicks, sees and takes home."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from samnerf.viewer.image_app.examples import EXAMPLES

pytestmark = pytest.mark.slow

BALL, CAPSULE = "checkered brown sphere", "plain orange capsule"
PATIENCE = 240_000
"""Milliseconds, for machines with much else to do."""


class Page:
    """The app's page, with a person's hands and eyes."""

    def __init__(self, browser, app):
        self.context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
        self.context.set_default_timeout(PATIENCE)
        self.requested = []
        self.faults = []
        self.page = self.context.new_page()
        self.page.on("request", lambda request: self.requested.append(request.url))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.goto(app.address)
        self.expect("One object")

    def expect(self, words):
        """Wait until the status line says so, and the work is done."""
        self.page.wait_for_function(
            """words => {
                const line = document.querySelector('#status');
                return line && line.innerText.includes(words) && !line.querySelector('.progress-text, .eta-bar')
            }""",
            arg=words,
        )

    @property
    def status(self):
        return self.page.inner_text("#status")

    def pixels(self):
        """The picture as it was sent."""
        source = self.page.get_attribute("#picture img", "src")
        return np.array(Image.open(io.BytesIO(self.context.request.get(source).body())).convert("RGB"))

    def act(self, action):
        """Do something that changes the picture, and give the new one."""
        source = self.page.get_attribute("#picture img", "src")
        action()
        self.page.wait_for_function(
            """source => {
                const image = document.querySelector('#picture img');
                return image && image.getAttribute('src') != source && image.complete && image.naturalWidth > 0
            }""",
            arg=source,
        )
        return self.pixels().astype(int)

    def click(self, place):
        """Click on the picture at (x, y) of its own pixels."""
        x, y = place
        left, top, scale = self.page.evaluate(
            """() => {
                const image = document.querySelector('#picture img'), frame = image.getBoundingClientRect();
                const scale = Math.min(frame.width / image.naturalWidth, frame.height / image.naturalHeight, 1);
                return [frame.left + (frame.width - image.naturalWidth * scale) / 2,
                        frame.top + (frame.height - image.naturalHeight * scale) / 2, scale]
            }"""
        )
        self.page.mouse.click(left + x * scale, top + y * scale)

    def tool(self, name):
        self.page.locator("#tool label", has_text=name).click()

    def press(self, button):
        self.page.click(f"#{button}")

    def say(self, words):
        self.page.locator("#words").locator("textarea, input").first.fill(words)
        self.page.locator("#words button").click()

    def download(self, button):
        """The bytes behind one of the buttons."""
        self.page.wait_for_selector(f"#{button}:not([disabled])")
        with self.page.expect_download() as download:
            self.press(button)
        return download.value.suggested_filename, download.value.path().read_bytes()

    def toast(self, words):
        """Wait for a message, and give all of it."""
        message = self.page.locator("[data-testid=toast-body], .toast-body", has_text=words).first
        message.wait_for()
        return message.inner_text()

    def start_again(self):
        """The first example without prompts."""
        self.page.locator("#examples button").first.click()
        self.expect("One object")
        self.tool("Add")
        blank = self.act(lambda: self.press("clear"))
        self.expect("Click an object")
        return blank


@pytest.fixture(scope="module")
def visitor(browser, app):
    page = Page(browser, app)
    yield page
    page.context.close()


@pytest.fixture
def blank(visitor):
    """The picture of the first example, which the page shows now."""
    return visitor.start_again()


def test_the_first_screen_shows_an_example_with_its_mask(browser, app, scene):
    page = Page(browser, app)
    different = (page.pixels().astype(int) != scene.example.rendering.rgb).any(-1)
    assert scene.iou(different, scene.mask("striped pink sphere")) > 0.8
    page.context.close()


def test_a_click_shows_the_mask_of_what_was_clicked(visitor, blank, scene):
    assert np.array_equal(blank, scene.example.rendering.rgb)
    shown = visitor.act(lambda: visitor.click(scene.inside(BALL)))
    assert scene.iou((shown != blank).any(-1), scene.mask(BALL)) > 0.8
    visitor.expect("One object")


def test_a_click_that_takes_away_leaves_only_its_marker(visitor, blank, scene):
    visitor.act(lambda: visitor.click(scene.inside(BALL)))
    both = visitor.act(lambda: visitor.click(scene.inside(CAPSULE)))
    visitor.act(lambda: visitor.press("undo"))
    visitor.tool("Take away")
    fewer = visitor.act(lambda: visitor.click(scene.inside(CAPSULE)))
    capsule = scene.mask(CAPSULE)
    assert (both != blank).any(-1)[capsule].mean() > 0.5
    assert 0 < (fewer != blank).any(-1)[capsule].mean() < 0.1
    assert scene.iou((fewer != blank).any(-1) & ~capsule, scene.mask(BALL)) > 0.7


def test_two_clicks_make_a_box(visitor, blank, scene):
    visitor.tool("Box")
    first, second = scene.corners(BALL)
    visitor.act(lambda: visitor.click(first))
    visitor.expect("first corner is set")
    boxed = visitor.act(lambda: visitor.click(second))
    visitor.expect("One object")
    assert (boxed != blank).any(-1)[scene.mask(BALL)].mean() > 0.9
    mask = np.asarray(Image.open(io.BytesIO(visitor.download("mask_file")[1]))) == 255
    assert scene.iou(mask, scene.mask(BALL)) > 0.8


def test_words_find_and_the_heat_map_is_warm_where_they_fit(visitor, blank, scene):
    found = visitor.act(lambda: visitor.say("orange capsule"))
    assert scene.iou((found != blank).any(-1), scene.mask(CAPSULE)) > 0.8
    warm = visitor.act(lambda: visitor.page.check("#heat input"))
    light = warm.sum(-1)
    assert light[scene.mask(CAPSULE)].mean() > 2 * light[~scene.mask(CAPSULE)].mean()
    cool = visitor.act(lambda: visitor.page.uncheck("#heat input"))
    assert np.array_equal(cool, found)


def test_words_that_find_nothing_are_answered_in_words(visitor, blank, scene):
    visitor.page.locator("#threshold input[type=number]").fill("1")
    visitor.page.locator("#threshold input[type=number]").press("Tab")
    visitor.say("green torus")
    assert "No mask: nothing reaches the relevancy 1 for 'green torus'." in visitor.toast("relevancy")
    visitor.expect("No mask:")
    assert visitor.page.locator("#mask_file").is_disabled()
    visitor.act(lambda: visitor.click(scene.inside(BALL)))
    visitor.expect("One object")


def test_masks_are_taken_home_in_the_pixels_of_the_picture(visitor, blank, scene):
    visitor.act(lambda: visitor.click(scene.inside(BALL)))
    visitor.expect("One object")
    name, content = visitor.download("mask_file")
    mask = np.asarray(Image.open(io.BytesIO(content)))
    assert name == "clicks_mask.png"
    assert set(np.unique(mask)) == {0, 255}
    assert scene.iou(mask == 255, scene.mask(BALL)) > 0.8
    ids = np.asarray(Image.open(io.BytesIO(visitor.download("ids_file")[1])))
    assert np.array_equal(ids, mask // 255)
    document = json.loads(visitor.download("coco_file")[1])
    assert document["annotations"][0]["area"] == int((mask == 255).sum())


def test_three_candidates_can_be_compared(visitor, blank, scene):
    visitor.act(lambda: visitor.click(scene.inside(BALL)))
    visitor.page.check("#three input")
    visitor.page.wait_for_selector("#candidates label >> nth=2")
    scores = [float(text.split()[-1]) for text in visitor.page.locator("#candidates label").all_inner_texts()]
    assert scores == sorted(scores, reverse=True)
    best = visitor.pixels().astype(int)
    other = visitor.act(lambda: visitor.page.locator("#candidates label").nth(2).click())
    assert (other != best).any()
    visitor.page.uncheck("#three input")
    visitor.page.wait_for_selector("#candidates", state="detached")


def test_undo_goes_back_and_clear_empties(visitor, blank, scene):
    once = visitor.act(lambda: visitor.click(scene.inside(BALL)))
    twice = visitor.act(lambda: visitor.click(scene.inside(CAPSULE)))
    assert (twice != once).any()
    assert np.array_equal(visitor.act(lambda: visitor.press("undo")), once)
    assert np.array_equal(visitor.act(lambda: visitor.press("clear")), blank)
    visitor.press("undo")
    assert "There is nothing to undo." in visitor.toast("nothing to undo")


def test_everything_is_found_at_once(visitor, blank, scene):
    visitor.page.locator("button", has_text="How everything is found").click()
    visitor.page.locator("#points_per_side input[type=number]").fill("6")
    visitor.page.locator("#points_per_side input[type=number]").press("Tab")
    visitor.act(lambda: visitor.press("everything"))
    visitor.expect("objects,")
    ids = np.asarray(Image.open(io.BytesIO(visitor.download("ids_file")[1])))
    covers = [scene.iou(ids == number, scene.mask(CAPSULE)) for number in np.unique(ids) if number]
    assert max(covers) > 0.9


def test_a_picture_of_ones_own_is_opened_and_a_broken_one_refused(visitor, blank, tmp_path):
    rendering = EXAMPLES[1].rendering
    Image.fromarray(rendering.rgb[:, :360]).save(tmp_path / "my photo.jpg", quality=95)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG no picture")
    upload = visitor.page.locator("#upload input[type=file]")
    upload.set_input_files(tmp_path / "broken.png")
    assert "broken.png cannot be read" in visitor.toast("cannot be read")
    visitor.act(lambda: visitor.page.locator("#upload input[type=file]").set_input_files(tmp_path / "my photo.jpg"))
    visitor.expect("my photo.jpg, 360")
    visitor.act(lambda: visitor.click((162 * 960 / 720, 390 * 960 / 720)))
    visitor.expect("One object")
    name, content = visitor.download("mask_file")
    assert name == "my_photo_mask.png"
    assert Image.open(io.BytesIO(content)).size == (360, 720)


def test_two_browsers_share_no_prompts(visitor, blank, browser, app, scene):
    other = Page(browser, app)
    unclicked = other.start_again()
    clicked = visitor.act(lambda: visitor.click(scene.inside(BALL)))
    assert np.array_equal(other.pixels(), unclicked)
    elsewhere = other.act(lambda: other.click(scene.inside(CAPSULE)))
    assert not (elsewhere != unclicked).any(-1)[scene.mask(BALL)].any()
    assert np.array_equal(visitor.pixels(), clicked)
    other.context.close()


def test_nothing_went_to_another_machine_and_no_script_failed(visitor, app):
    outside = [address for address in visitor.requested if not address.startswith((app.address, "data:", "blob:"))]
    assert outside == []
    assert visitor.faults == []
    assert "OUTSIDE" not in app.errors.read_text()
    assert "Traceback" not in app.errors.read_text()
