"""What is prompted by its alpha: the tiny SAM's adapter on the ray-traced scene, and a stand-in on the toy world."""

import threading
import time
from dataclasses import replace
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch

from samnerf.errors import SamNerfError
from samnerf.matting.matter import Matter, load_matter
from samnerf.objects.layers import ObjectLayers
from samnerf.objects.palette import object_colour
from samnerf.viewer.scene_app import soft_edges
from samnerf.viewer.scene_app.desk import Desk, Settings
from samnerf.viewer.scene_app.exports import PICTURES, Export, export_objects
from samnerf.viewer.scene_app.painting import paint
from samnerf.viewer.scene_app.panel import NO_ADAPTER, build_panel
from samnerf.viewer.scene_app.work import Work

SOFT = Settings(soft_edges=True)


class Gradient(Matter):
    """A matter that answers with a picture and counts how often it was asked."""

    refine = False

    def __init__(self, alpha):
        self.alpha, self.shown = alpha, []

    def decode(self, feature_map, decoded, image=None, shown=None):
        self.shown.append(shown)
        return self.alpha


@pytest.fixture
def ramp(world):
    """The toy world's actions with a matter whose alpha rises from left to right."""
    height, width = world.camera.image_size
    matter = Gradient(torch.linspace(0, 1, width).expand(height, width))
    world.actions.soft_edges.matter = lambda: matter
    return matter


def test_alpha_is_what_the_adapter_says_of_the_same_prompts_where_depth_agrees(room):
    desk, view = room.clicked(room.large[0], SOFT), room.frame.view
    answer = room.actions.answer(desk, room.frame)
    matter = load_matter(room.actions.session.mask_decoder)
    expected = matter.decode(view.feature_map("sam"), answer.decoded).numpy()
    cut = answer.alpha != expected
    assert np.array_equal(answer.alpha, np.where(cut, 0, expected))
    assert cut.mean() < 0.1
    assert not answer.mask[cut].any()
    assert answer.coverage is answer.alpha
    assert ((answer.alpha > 0.05) & (answer.alpha < 0.95)).any()


def test_masks_stay_as_they_are_and_alpha_comes_only_when_it_is_asked_for(room, monkeypatch):
    soft = room.actions.answer(room.clicked(room.large[0], SOFT), room.frame)
    monkeypatch.setattr(room.actions.soft_edges, "matter", lambda: pytest.fail("nobody asked for alpha"))
    hard = room.actions.answer(room.clicked(room.large[0]), room.frame)
    assert np.array_equal(soft.mask, hard.mask) and hard.alpha is None
    assert np.array_equal(hard.coverage, hard.mask.astype(np.float32))
    assert room.actions.answer(Desk().adjust(SOFT), room.frame) is None


def test_only_decoders_run(room, monkeypatch):
    room.frame.view.feature_map("sam")
    monkeypatch.setattr(type(room.frame.view), "_make_feature_map", lambda *_: pytest.fail("features were made anew"))
    monkeypatch.setattr(room.scene.pipeline.model._model, "render", lambda *_: pytest.fail("something was rendered"))
    assert room.actions.answer(room.clicked(room.large[0], SOFT), room.frame).alpha is not None


def test_alpha_is_nearer_to_the_true_coverage_than_the_mask(room):
    errors = []
    for index in room.large:
        answer = room.actions.answer(room.clicked(index, SOFT), room.frame)
        errors.append([np.abs(one - room.coverage[index]).mean() for one in (answer.alpha, answer.mask)])
    soft, hard = np.mean(errors, axis=0)
    assert len(errors) >= 3
    assert soft < hard


def test_the_candidate_of_the_desk_is_shown_to_the_adapter(room, monkeypatch):
    matter = Gradient(torch.zeros(room.camera.image_size))
    monkeypatch.setattr(room.actions.soft_edges, "matter", lambda: matter)
    shown = []
    for size in ("Small", "Medium", "Large", "Automatic"):
        settings = replace(SOFT, granularity=size, threshold=0.01)
        answer = room.actions.answer(room.clicked(room.large[0], settings), room.frame)
        shown.append(matter.shown[-1])
    decoder, feature_map = room.actions.session.mask_decoder, room.frame.view.feature_map("sam")
    candidates = decoder.decode(feature_map, answer.decoded[0], candidates=True)
    order = (candidates.logits > 0).flatten(1).sum(1).argsort(stable=True)
    expected = [candidates.candidate(int(i)).low_resolution_logits for i in order]
    assert all(torch.equal(one, other) for (one,), other in zip(shown[:3], expected, strict=True))
    assert shown[3] is None


def test_what_is_prompted_is_tinted_by_its_alpha(world, ramp):
    frame = world.frame()
    desk = world.actions.click(world.desk.adjust(replace(SOFT, opacity=1.0)), frame, world.place(1))
    picture = paint(frame, desk, ObjectLayers(), world.actions.answer(desk, frame)).astype(float)
    alpha = ramp.alpha[:, :, None].numpy()
    expected = alpha * np.array(object_colour(1)) + (1 - alpha) * frame.view.rgb
    clear = ramp.alpha.numpy() < 0.5  # no outline there
    assert np.abs(picture - expected)[clear].max() <= 1


def test_no_alpha_of_nothing(world, ramp, toy):
    desk = world.actions.click(world.desk.adjust(SOFT), world.frame(), world.place(1))
    answer = world.actions.answer(desk, world.frame("view 2", camera=toy.look_down(x=5.0)))
    assert answer.reason is not None and answer.alpha is None
    assert ramp.shown == []


def test_pictures_that_are_taken_home_are_as_they_are_shown(world, ramp, tmp_path):
    frame = world.frame()
    desk = world.actions.click(world.desk.adjust(SOFT), frame, world.place(1))
    export = Export(world.actions, ObjectLayers(), frame, desk, [("view", frame.camera)])
    folder = export_objects(export, PICTURES, tmp_path, Work("export"))
    from PIL import Image

    shown = paint(frame, desk, ObjectLayers(), world.actions.answer(desk, frame))
    assert np.array_equal(np.asarray(Image.open(folder / "view.png")), shown)


def test_all_who_ask_at_once_share_one_adapter(room, monkeypatch):
    loads = []

    def slow(decoder):
        loads.append(decoder)
        time.sleep(0.05)
        return Matter(decoder)

    monkeypatch.setattr(soft_edges, "load_adapted_matter", slow)
    edges, found = soft_edges.SoftEdges(room.actions.session.mask_decoder), []
    assert edges.available and loads == []
    threads = [threading.Thread(target=lambda: found.append(edges.matter())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loads) == 1 and len(found) == 8 and len(set(map(id, found))) == 1


def test_without_an_adapter_the_desk_stays_and_the_reason_is_given(world):
    assert not world.actions.soft_edges.available
    with pytest.raises(SamNerfError, match="no matting adapter for 'toy-sam' on this machine; samnerf matting train"):
        world.actions.soften(world.desk, True)
    assert not world.actions.soften(world.desk, False).settings.soft_edges


def test_a_desk_is_softened_and_hardened_like_any_other_setting(room):
    desk = Desk()
    soft = room.actions.soften(desk, True)
    assert soft == desk.adjust(SOFT) and soft != desk
    assert room.actions.soften(soft, False) == desk


@pytest.mark.parametrize("adapter", [True, False])
def test_the_widgets_can_be_used_where_there_is_an_adapter_and_say_why_not_elsewhere(adapter):
    gui = MagicMock()
    panel = build_panel(gui, Desk().adjust(SOFT), ["a"], "512", adapter)
    (label, value), options = gui.add_checkbox.call_args
    assert (label, value, options["disabled"]) == ("Soft edges", True, not adapter)
    assert panel.soft_edges is gui.add_checkbox.return_value
    dropdowns = {call.args[0]: call.kwargs for call in gui.add_dropdown.call_args_list}
    assert dropdowns["Alpha"]["disabled"] is not adapter
    assert (NO_ADAPTER in (options["hint"], dropdowns["Alpha"]["hint"])) is not adapter
