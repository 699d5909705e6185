"""Everything else in the panel, in a real browser on the ray-traced scene: rows, files, paths, doors."""

import time
from dataclasses import replace

import av
import numpy as np
import pytest
from viewer_page import FLOOR, ViewerPage, middle, until

from samnerf.evaluation.metrics import iou

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

BALL, SPHERE, CYLINDER = "plain orange sphere", "striped pink sphere", "plain yellow cylinder"


@pytest.fixture
def locked(page, things):
    """The page with the ball locked."""
    page.click(middle(page.truth(things, BALL)))
    page.fill("Name", "ball")
    page.press("Lock")
    page.expect("ball: locked now")
    page.rest()
    return page


def test_an_example_shows_what_a_click_does(page, things):
    page.press("Example 1")
    page.expect("Score")
    mask = page.coloured()
    assert 0.001 < mask.mean() < 0.25
    assert max(iou(mask, page.truth(things, thing.name)) for thing in things.objects) > 0.7


def test_a_row_hides_isolates_removes_and_deletes(locked, things):
    ball = locked.truth(things, BALL)
    seen = locked.pixels()
    locked.press("Hide")
    assert locked.coloured()[ball].mean() < 0.05
    locked.press("Hide")
    assert iou(locked.coloured(), ball) > 0.75

    locked.press("Only")
    assert locked.pixels()[~ball].mean() < 0.5 * seen[~ball].mean()
    locked.press("Only")

    locked.press("Out")
    assert np.abs(locked.pixels_in("Colour") - seen)[ball].sum(-1).mean() > 60
    locked.press("Out")

    locked.press("✕")
    locked.expect("No object is locked yet")
    locked.press("Undo")
    locked.expect("1 object locked")


def test_an_object_gets_another_name_and_colour(locked, things):
    ball = locked.truth(things, BALL)
    locked.fill("New name", "sun")
    locked.press("Change it")
    locked.expect("sun")
    assert [one.name for one in locked.visit.objects.layers.objects] == ["sun"]
    number = locked.visit.objects.layers.objects[0].object_id
    shown = {}
    for colour in ((0, 0, 255), (0, 255, 0)):
        locked.visit._edit(number, "sun", colour)
        locked.rest()
        shown[colour] = locked.pixels()[ball].mean(axis=0)
    _, green, blue = shown[0, 255, 0] - shown[0, 0, 255]
    assert green > 40
    assert blue < -40


def test_objects_are_saved_and_come_back(locked):
    locked.unfold("Take home")
    locked.press("Save objects")
    locked.expect("1 objects in objects.json")
    locked.press("✕")
    locked.expect("No object is locked yet")
    locked.press("Load objects")
    locked.expect("1 object locked")
    assert [one.name for one in locked.visit.objects.layers.objects] == ["ball"]


def test_everything_is_locked_or_the_work_is_cancelled(page, things):
    page.page.get_by_role("button", name="Lock everything", exact=True).click()
    page.page.get_by_role("button", name="Cancel", exact=True).click()
    page.expect("cancelled")
    until(lambda: not page.visit.panel.cancel.visible)
    assert page.visit.objects.layers.objects == ()
    page.press("Lock everything")
    page.expect("objects locked", 400)
    page.rest()
    assert len(page.visit.objects.layers.objects) >= 4


def test_a_video_flies_along_keyframes(page, app):
    page.visit.change(lambda desk: replace(desk, flight=replace(desk.flight, seconds=1)))
    page.unfold("Camera path")
    first = page.visit.camera
    page.press("Add here")
    page.drag(FLOOR, (FLOOR[0] + 60, FLOOR[1]))
    page.press("Add here")
    assert len(page.visit.desk.flight.keyframes) == 2
    page.page.get_by_role("button", name="Fly", exact=True).click()
    page.expect("this is where the path ends")
    page.choose("Keyframe", "keyframe 1")
    until(lambda: np.allclose(page.visit.camera.position, first.position, atol=1e-2))
    page.choose("What", "As it is shown (MP4)")
    page.choose("Of", "Camera path")
    path = page.download("Export").path()
    with av.open(str(path)) as film:
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(frames) == 24
    assert np.abs(frames[0].astype(int) - frames[-1]).mean() > 3
    page.press("Remove")
    page.press("Remove")
    page.choose("Of", "All photographs")
    page.choose("What", "Masks (PNG)")
    assert page.visit.desk.flight.keyframes == ()


def test_a_path_of_one_keyframe_is_refused_in_words(page):
    page.press("Add here")
    page.press("Fly")
    page.expect("two keyframes or more")
    page.press("Remove")


def test_private_browsers_keep_their_objects_for_themselves(traced, serve, browser, things):
    app = serve(traced, shared=False)
    first, second = (ViewerPage(browser, app, app.address) for _ in range(2))
    try:
        first.click(middle(first.truth(things, BALL)))
        first.press("Lock")
        first.expect("locked now")
        second.rest()
        assert second.visit.objects.layers.objects == ()
        assert second.coloured().mean() < 0.02
    finally:
        first.close()
        second.close()


def test_a_token_opens_the_door_and_nothing_else_does(traced, serve, browser):
    app = serve(traced, token="open-sesame")
    context = browser.new_context()
    page = context.new_page()
    assert page.goto(app.address).status == 403
    time.sleep(0.5)
    assert app.visits == []
    context.close()
    guest = ViewerPage(browser, app, f"{app.address}?token=open-sesame")
    guest.expect("Click an object")
    assert "open-sesame" not in guest.page.url
    guest.close()
