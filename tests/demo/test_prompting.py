"""The person who is played prompts what a person could see."""

import numpy as np
import torch

from samnerf.camera import Camera
from samnerf.demo.prompting import demo_prompts, novel_cameras, phrases_to_show
from samnerf.preprocessing.synthetic.scene import random_scene

NAMES = {1: "red cube", 2: "blue cone", 3: "pink torus", 4: "cyan sphere", 5: "white cube"}


def view_of(*object_ids):
    """Squares of 20 pixels side by side."""
    ids = np.zeros((64, 128), np.uint8)
    for place, object_id in enumerate(object_ids):
        ids[20:40, 4 + 24 * place : 24 + 24 * place] = object_id
    return ids


def test_every_visible_object_is_prompted_once_and_every_kind_of_prompt_occurs():
    views = {"a": view_of(1, 2), "b": view_of(1, 2, 3, 4)}
    prompts = demo_prompts(views, NAMES)
    assert [said.name for said in prompts.objects] == ["red cube", "blue cone", "pink torus", "cyan sphere"]
    kinds = [[bool(x) for x in (said.points, said.phrase, said.boxes, said.scribbles)] for said in prompts.objects]
    assert np.array(kinds).sum(0).tolist() == [1, 1, 1, 1]


def test_clicks_lie_on_their_object_in_the_view_that_shows_most():
    views = {"a": view_of(1), "b": view_of(4, 2, 1)}
    (said, *_) = demo_prompts(views, NAMES).objects
    assert said.view == "b"
    assert views["b"][int(said.points[0].y), int(said.points[0].x)] == 1


def test_an_object_that_the_main_view_hides_is_prompted_where_it_shows():
    views = {"a": view_of(1), "b": view_of(2, 3, 4)}
    assert demo_prompts(views, NAMES).objects[0].view == "a"


def test_novel_cameras_look_at_the_objects_from_apart():
    like = Camera(torch.eye(3, 4), 300.0, 300.0, 128.0, 128.0, 256, 256)
    scene = random_scene(7)
    cameras = novel_cameras(scene, like, 5)
    centre = torch.tensor(np.mean([thing.centre for thing in scene.objects], axis=0), dtype=torch.float32)
    for camera in cameras:
        pixel, _, inside = camera.project(centre[None])
        assert bool(inside[0])
        assert (pixel[0] - 128).abs().max() < 40
        assert camera.position[2] > 0.3
    apart = torch.cdist(*[torch.stack([camera.position for camera in cameras])] * 2) + 9 * torch.eye(5)
    assert apart.min() > 1


def test_phrases_differ_between_views_and_name_what_is_seen():
    names = list(NAMES.values())
    views = [view_of(1, 2), view_of(1, 2), view_of(5)]
    shown = phrases_to_show(names, views)
    assert set(shown[:2]) == {"red cube", "blue cone"}
    assert shown[2] == "white cube"


def test_a_view_of_nothing_still_gets_a_phrase():
    assert phrases_to_show(["red cube"], [np.zeros((9, 9), np.uint8)]) == ["red cube"]
