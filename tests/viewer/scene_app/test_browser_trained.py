"""The viewer in a real browser on a scene that was trained: a minute of `samnerf-tiny`, kept in `outputs/scenes`."""

import pytest
from trained_scenes import trained_scene
from viewer_page import FLOOR, READABLE, ViewerPage, middle

from samnerf.evaluation.metrics import iou, mean

# nerfstudio was written for an older torch, which says so.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800), pytest.mark.filterwarnings("ignore")]

SEED, STEPS = 21, 1000
LEAST_SHOWN = 0.01
"""Share of the picture that an object must fill to be asked for."""
GOOD = 0.7
"""Mean IoU on the screen after so short a training; `make bench-viewer` measures a whole one."""


@pytest.fixture(scope="module")
def trained():
    return trained_scene(SEED, STEPS)


@pytest.fixture(scope="module")
def visitor(browser, serve, trained):
    app = serve(trained.trained)
    page = ViewerPage(browser, app, app.address, to_world=trained.trained.to_capture, resolution=READABLE)
    yield page
    page.close()


def shown(page, trained):
    masks = {thing.name: page.truth(trained.world, thing.name) for thing in trained.world.objects}
    return {name: mask for name, mask in masks.items() if mask.mean() >= LEAST_SHOWN}


def test_clicks_find_what_they_hit(page, trained):
    found = []
    for mask in shown(page, trained).values():
        page.click(middle(mask))
        found.append(iou(page.coloured(), mask))
        page.press("Clear")
    assert len(found) >= 3
    assert mean(found) > GOOD


def test_an_object_that_is_locked_stays_locked_when_one_orbits(page, trained):
    masks = shown(page, trained)
    name = max(masks, key=lambda name: masks[name].sum())
    page.click(middle(masks[name]))
    page.press("Lock")
    page.expect("locked now", 400)
    before = page.visit.camera
    page.drag(FLOOR, (FLOOR[0] + 80, FLOOR[1]))
    assert page.visit.camera is not before
    assert page.visit.desk.said.empty
    assert iou(page.coloured(), page.truth(trained.world, name)) > GOOD


def test_words_find_their_object(page, trained):
    masks = shown(page, trained)
    found = []
    for name, mask in masks.items():
        page.fill("Words", name)
        page.press("Find")
        found.append(iou(page.coloured(), mask))
        page.press("Clear")
    assert mean(found) > GOOD
