"""Pictures for one person: coarse, then sharp, and none twice."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from samnerf.errors import SamNerfError
from samnerf.matting.matter import Matter
from samnerf.viewer.scene_app import render_loop
from samnerf.viewer.scene_app.render_loop import LARGEST, SMALLEST, RenderLoop, in_words, picture_sizes


class Watched:
    """A loop on the toy world, and what it has shown."""

    def __init__(self, world):
        self.desk, self.world = world.desk, world
        self.shown, self.failures = [], []
        self.loop = RenderLoop(
            world.actions, lambda: self.desk, lambda: world.objects.layers, self.shown.append, self.failures.append
        )
        self.loop.start()

    def wait(self):
        deadline = time.monotonic() + 60
        while not (self.loop.idle and (self.loop.frame is not None or self.failures)):
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def change(self, desk):
        self.desk = desk
        self.loop.repaint()
        self.wait()


@pytest.fixture
def watched(world, monkeypatch):
    monkeypatch.setattr(render_loop, "REST_SECONDS", 0.05)
    watched = Watched(world)
    yield watched
    watched.loop.end()


def test_a_picture_is_coarse_first_and_sharp_when_the_camera_rests(watched):
    watched.loop.move(watched.world.camera.scaled(384, 512))
    watched.wait()
    widths = [one.picture.shape[1] for one in watched.shown]
    assert widths == [80, 202, 512]
    assert [one.frame.full for one in watched.shown] == [False, False, True]


def test_the_first_picture_is_as_large_as_the_machine_has_time_for():
    slow, usual, fast = (picture_sizes((384, 512), pace) for pace in (1e3, 1e5, 1e8))
    assert [sizes[0][1] for sizes in (slow, usual, fast)] == [SMALLEST, 126, LARGEST]
    assert all(sizes[-1] == (384, 512) for sizes in (slow, usual, fast))
    assert len(fast) == 2  # from so large a picture it is not far to the sharp one


def test_a_small_picture_is_sharp_at_once():
    assert picture_sizes((48, 36), 1e5) == [(48, 36)]


def test_a_narrow_picture_stays_narrow():
    sizes = picture_sizes((512, 128), 1e5)
    assert all(height == pytest.approx(4 * width, abs=4) for height, width in sizes)


def test_a_move_before_the_camera_rests_makes_no_sharp_picture_of_the_place_it_left(watched, monkeypatch, toy):
    monkeypatch.setattr(render_loop, "LARGEST", 100)
    monkeypatch.setattr(render_loop, "REST_SECONDS", 5.0)
    for step in range(4):
        watched.loop.move(toy.look_down(x=0.1 * step, height=192, width=256, focal=240.0))
        deadline = time.monotonic() + 30
        while len(watched.shown) <= step and time.monotonic() < deadline:
            time.sleep(0.005)
    monkeypatch.setattr(render_loop, "REST_SECONDS", 0.01)
    watched.loop.move(toy.look_down(x=0.5, height=192, width=256, focal=240.0))
    watched.wait()
    sharp = [one.frame for one in watched.shown if one.frame.full]
    assert [float(frame.camera.position[0]) for frame in sharp] == [0.5]


def test_prompts_sliders_and_modes_render_nothing_again(watched):
    world = watched.world
    watched.loop.move(world.camera)
    watched.wait()
    renders = world.field.colour_renders, world.field.feature_renders
    watched.loop.when_resting(
        lambda frame: setattr(watched, "desk", world.actions.click(watched.desk, frame, world.place(1)))
    )
    watched.wait()
    assert watched.shown[-1].answer is not None
    decoded = len(world.session.mask_decoder.decoded)
    watched.change(watched.desk.adjust(replace(watched.desk.settings, opacity=0.9)))
    watched.change(replace(watched.desk, mode="Outlines"))
    watched.change(replace(watched.desk, mode="Depth"))
    assert len(world.session.mask_decoder.decoded) == decoded
    watched.change(watched.desk.adjust(replace(watched.desk.settings, by_depth=False)))
    assert len(world.session.mask_decoder.decoded) > decoded
    assert (world.field.colour_renders, world.field.feature_renders) == renders


def test_a_click_is_painted_once(watched):
    world = watched.world
    watched.loop.move(world.camera)
    watched.wait()
    before = len(watched.shown)

    def click(frame):
        watched.desk = world.actions.click(watched.desk, frame, world.place(1))
        watched.loop.repaint()

    watched.loop.when_resting(click)
    watched.wait()
    assert [one.answer is not None for one in watched.shown[before:]] == [True]


def test_an_action_that_removes_something_renders_anew(watched, toy):
    world = watched.world
    world.objects.change("add", lambda _: toy.layers(1))
    watched.loop.move(world.camera)
    watched.wait()

    def remove(_frame):
        watched.desk = watched.desk.remove(1)
        watched.loop.repaint()

    watched.loop.when_resting(remove)
    watched.wait()
    assert watched.shown[-1].picture[..., 0].max() == 0


def test_features_of_the_resting_view_are_there_before_the_first_click(watched):
    watched.loop.move(watched.world.camera)
    watched.wait()
    assert watched.world.field.feature_renders == 1


def test_removing_an_object_renders_the_world_without_it(watched, toy):
    world = watched.world
    world.objects.change("add", lambda _: toy.layers(1))
    watched.loop.move(world.camera)
    watched.wait()
    watched.change(watched.desk.remove(1))
    assert watched.shown[-1].picture[..., 0].max() == 0
    watched.change(watched.desk.remove(1))
    assert watched.shown[-1].picture[..., 0].max() == 255


def test_what_goes_wrong_is_said_and_the_next_picture_is_well(watched, monkeypatch):
    world = watched.world
    monkeypatch.setattr(type(world.field), "render", lambda *_: (_ for _ in ()).throw(RuntimeError("tripped")))
    watched.loop.move(world.camera)
    watched.wait()
    assert "tripped" in watched.failures[0]
    monkeypatch.undo()
    watched.loop.move(world.camera)
    watched.wait()
    assert watched.shown[-1].frame.full


def test_an_action_that_fails_is_said_and_the_others_are_done(watched):
    done = []

    def fail(_frame):
        raise SamNerfError("no such place")

    watched.loop.move(watched.world.camera)
    watched.loop.when_resting(fail)
    watched.wait()
    watched.loop.when_resting(lambda frame: done.append(frame.full))
    watched.wait()
    assert watched.failures == ["no such place"]
    assert done == [True]


def test_errors_in_words():
    assert in_words(SamNerfError("two\nlines")) == "two lines"
    assert "out of memory" in in_words(MemoryError())
    assert "ValueError: odd" in in_words(ValueError("odd"))


def test_a_moved_camera_shows_another_picture(watched, toy):
    watched.loop.move(watched.world.camera)
    watched.wait()
    first = watched.shown[-1].picture
    watched.loop.move(toy.look_down(x=0.3))
    watched.wait()
    assert not np.array_equal(watched.shown[-1].picture, first)


def test_a_click_after_a_failure_tries_the_picture_again(watched, monkeypatch):
    world, done = watched.world, []
    monkeypatch.setattr(type(world.field), "render", lambda *_: (_ for _ in ()).throw(RuntimeError("tripped")))
    watched.loop.move(world.camera)
    watched.wait()
    monkeypatch.undo()
    watched.loop.when_resting(lambda frame: done.append(frame.full))
    watched.wait()
    assert done == [True]


def test_alpha_is_made_once_and_again_when_what_it_shows_has_changed(watched):
    world, asked = watched.world, []

    class Even(Matter):
        def __init__(self):
            self.refine = False

        def decode(self, feature_map, decoded, image=None, shown=None):
            asked.append(decoded)
            return torch.full(feature_map.image_size, 0.4)

    world.actions.soft_edges.matter = Even
    watched.loop.move(world.camera)
    watched.wait()
    watched.loop.when_resting(
        lambda frame: setattr(watched, "desk", world.actions.click(watched.desk, frame, world.place(1)))
    )
    watched.wait()
    assert asked == [] and watched.shown[-1].answer.alpha is None
    soft = replace(watched.desk.settings, soft_edges=True)
    watched.change(watched.desk.adjust(soft))
    assert len(asked) == 1 and (watched.shown[-1].answer.alpha == np.float32(0.4)).all()
    watched.change(watched.desk.adjust(replace(soft, opacity=0.9)))
    watched.change(replace(watched.desk, mode="Outlines"))
    assert len(asked) == 1
    watched.change(watched.desk.adjust(replace(soft, soft_edges=False)))
    assert len(asked) == 1 and watched.shown[-1].answer.alpha is None


def test_an_adapter_that_is_not_there_is_told(watched):
    world = watched.world
    watched.desk = watched.desk.adjust(replace(watched.desk.settings, soft_edges=True))
    watched.loop.move(world.camera)
    watched.wait()
    watched.loop.when_resting(
        lambda frame: setattr(watched, "desk", world.actions.click(watched.desk, frame, world.place(1)))
    )
    watched.wait()
    assert "no matting adapter for 'toy-sam'" in watched.failures[-1]
