"""viser's cameras and ours are the same cameras."""

import contextlib
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from viser import transforms

from samnerf.viewer.scene_app.viser_cameras import from_viser, look_from, same_view


def theirs(camera):
    """A camera of ours as viser tells of it."""
    rotation = camera.camera_to_world[:, :3].double().numpy() * np.array([1.0, -1.0, -1.0])
    return SimpleNamespace(
        wxyz=transforms.SO3.from_matrix(rotation).wxyz,
        position=camera.position.double().numpy(),
        fov=2 * math.atan(camera.height / 2 / camera.fy),
        aspect=camera.width / camera.height,
    )


def test_a_camera_comes_back_as_it_went(toy):
    camera = toy.look_down(x=0.3, y=-0.2)
    assert same_view(from_viser(theirs(camera), 128), camera)


@pytest.mark.parametrize(("aspect", "size"), [(2.0, (64, 128)), (0.5, (128, 64)), (1.0, (128, 128))])
def test_the_longer_side_has_the_size_that_was_asked_for(toy, aspect, size):
    moved = theirs(toy.look_down())
    moved.aspect = aspect
    assert from_viser(moved, 128).image_size == size


def test_looking_from_a_camera_looks_where_it_looks(toy):
    client = SimpleNamespace(camera=SimpleNamespace(), atomic=contextlib.nullcontext)
    camera = toy.look_down(x=1.0)
    look_from(client, camera, 2.0)
    assert client.camera.position == pytest.approx([1.0, 0.0, 3.0])
    assert client.camera.look_at == pytest.approx([1.0, 0.0, 1.0])
    assert client.camera.fov == pytest.approx(theirs(camera).fov)


def test_small_moves_are_moves(toy):
    camera = toy.look_down()
    moved = toy.look_down(x=0.001)
    assert same_view(camera, camera)
    assert not same_view(camera, moved)
    assert not same_view(camera, camera.scaled(48, 64))
    assert torch.equal(camera.camera_to_world[:, :3], moved.camera_to_world[:, :3])
