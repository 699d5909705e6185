"""The viewer in a real browser, on a scene that is known exactly: what a person clicks, sees and takes home.

The scene's model is a ray tracer, so that what is right is known to the pixel from every camera; teachers, decoders,
locking, server and page are those of the program.
"""

import json
import threading
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from viewer_page import FLOOR, READABLE, ViewerPage, middle

from samnerf.evaluation.metrics import iou

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

SPHERE, BALL, CYLINDER = "striped pink sphere", "plain orange sphere", "plain yellow cylinder"
LOCKED = 0.75
"""IoU of a lock on the screen: made from twelve small views, and drawn as finely as the browser has time for."""


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

    page.unfold("Take home")
    archive = zipfile.ZipFile(page.download("Export").path())
    document = json.loads(archive.read(next(name for name in archive.namelist() if name.endswith("manifest.json"))))
    assert [one["name"] for one in document["objects"]] == ["ball {1+1}"]
    assert len([file for file in document["files"] if file["kind"] == "masks"]) == len(app.common.cameras)
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
    other = ViewerPage(browser, app, app.address, (760, 460), resolution=READABLE)
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
        other.drag((180, 420), (270, 420))
        assert not np.allclose(other.visit.camera.position, position, atol=1e-2)
        assert np.allclose(page.visit.camera.position, position)
    finally:
        other.close()


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
