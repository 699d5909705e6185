"""Images and ground truth against closed forms and against many plain rays."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from samnerf.camera import Camera
from samnerf.preprocessing.synthetic.poses import look_at
from samnerf.preprocessing.synthetic.ray_tracer import render, trace_ids
from samnerf.preprocessing.synthetic.scene import ROOM_HALF_WIDTH, ROOM_HEIGHT, random_scene
from samnerf.preprocessing.synthetic.shapes import Sphere, Torus


def view(height=72, width=96, distance=1.6, azimuth=0.7, elevation=0.5, target=(0.0, 0.0, 0.1)):
    direction = np.array(
        [math.cos(azimuth) * math.cos(elevation), math.sin(azimuth) * math.cos(elevation), math.sin(elevation)]
    )
    target = np.array(target)
    focal = 1.1 * min(height, width)
    pose = look_at(target + distance * direction, target, roll=0.1)
    return Camera(pose, focal, focal, width / 2, height / 2, height, width)


def pixel_rays(camera):
    x, y = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    directions = camera.ray_directions(torch.from_numpy(np.stack([x, y], axis=-1)).float()).double().numpy()
    return camera.position.double().numpy(), directions


SCENE, CAMERA = random_scene(8), view()
RENDERING = render(SCENE, CAMERA)


def scene_of(solid, z):
    """A scene with one object alone, upright at the origin."""
    scene = random_scene(8)
    thing = dataclasses.replace(scene.objects[0], solid=solid, centre=(0.0, 0.0, z), yaw=0.0, tilt=0.0)
    return dataclasses.replace(scene, objects=(thing,))


def test_a_sphere_has_the_depth_of_the_quadratic_formula():
    rendering = render(scene_of(Sphere(0.3), 0.3), CAMERA)
    origin, directions = pixel_rays(CAMERA)
    offset = origin - [0, 0, 0.3]
    b = directions @ offset
    discriminant = b**2 - (offset @ offset - 0.3**2)
    on_rim = np.abs(discriminant) < 1e-5
    np.testing.assert_array_equal((rendering.ids == 1)[~on_rim], (discriminant > 0)[~on_rim])
    mask = (rendering.ids == 1) & ~on_rim
    assert mask.sum() > 500
    np.testing.assert_allclose(rendering.depth[mask], (-b - np.sqrt(np.abs(discriminant)))[mask], atol=2e-5)


def test_a_torus_is_hit_where_its_equation_holds():
    rendering = render(scene_of(Torus(0.3, 0.1), 0.1), CAMERA)
    origin, directions = pixel_rays(CAMERA)
    mask = rendering.ids == 1
    x, y, z = (origin + directions * rendering.depth[..., None])[mask].T
    assert mask.sum() > 300
    np.testing.assert_allclose(np.hypot(np.hypot(x, y) - 0.3, z - 0.1), 0.1, atol=1e-4)


def test_what_is_no_object_lies_on_the_walls_of_the_room():
    origin, directions = pixel_rays(CAMERA)
    points = (origin + directions * RENDERING.depth[..., None])[RENDERING.ids == 0]
    half = np.array([ROOM_HALF_WIDTH, ROOM_HALF_WIDTH, ROOM_HEIGHT / 2])
    inside = half - np.abs(points - [0, 0, ROOM_HEIGHT / 2])
    np.testing.assert_allclose(inside.min(axis=-1), 0, atol=1e-5)


def test_depth_unprojects_onto_the_object_of_the_mask():
    x, y = np.meshgrid(np.arange(CAMERA.width) + 0.5, np.arange(CAMERA.height) + 0.5)
    pixels = torch.from_numpy(np.stack([x, y], axis=-1)).float()
    points = CAMERA.unproject(pixels, torch.from_numpy(RENDERING.depth)).numpy()
    seen = 0
    for thing in SCENE.objects:
        on_it = points[RENDERING.ids == thing.id] - np.float32(thing.centre)
        seen += len(on_it)
        assert (np.linalg.norm(on_it, axis=-1) <= thing.solid.bounding_radius + 1e-4).all()
    assert seen > 300


def test_the_centre_of_a_convex_object_projects_into_its_mask_or_behind_another_object():
    landed = 0
    for azimuth in (0.0, 2.0, 4.0):
        camera = view(azimuth=azimuth)
        rendering = render(SCENE, camera)
        for thing in SCENE.objects:
            if thing.shape == "torus":
                continue
            pixel, distance, inside = camera.project(torch.tensor(thing.centre))
            if not inside:
                continue
            column, row = int(pixel[0]), int(pixel[1])
            assert rendering.depth[row, column] < distance + 0.02
            if rendering.ids[row, column] == thing.id:
                landed += 1
            else:
                assert rendering.ids[row, column] != 0
    assert landed >= 10


def test_coverage_agrees_with_many_plain_rays():
    coverage = RENDERING.coverage
    assert coverage.min() >= 0
    assert coverage.sum(axis=0).max() <= 1 + 1e-6
    across = (np.arange(8) + 0.5) / 8
    y, x = np.meshgrid(
        (np.arange(CAMERA.height)[:, None] + across).ravel(), (np.arange(CAMERA.width)[:, None] + across).ravel(),
        indexing="ij",
    )  # fmt: skip
    ids = trace_ids(SCENE, CAMERA, x.ravel().astype(np.float32), y.ravel().astype(np.float32))
    cells = ids.reshape(CAMERA.height, 8, CAMERA.width, 8)
    for thing in SCENE.objects:
        truth = (cells == thing.id).mean(axis=(1, 3))
        found = coverage[thing.id - 1]
        assert abs(found.mean() - truth.mean()) < 2e-4
        assert np.abs(found - truth).max() < 0.3
        assert np.sqrt(((found - truth)[truth % 1 > 0] ** 2).mean()) < 0.08


def test_whole_pixels_of_coverage_and_the_mask_agree():
    for thing in SCENE.objects:
        covered = RENDERING.coverage[thing.id - 1]
        assert (RENDERING.ids[covered == 1] == thing.id).all()
        assert (covered[RENDERING.ids == thing.id] > 0).all()
    most = np.concatenate([1 - RENDERING.coverage.sum(axis=0, keepdims=True), RENDERING.coverage]).argmax(axis=0)
    assert (most == RENDERING.ids).mean() > 0.98


def test_a_view_is_a_function_of_scene_and_camera():
    again = render(random_scene(8), view())
    for field in ("rgb", "ids", "depth", "coverage"):
        np.testing.assert_array_equal(getattr(again, field), getattr(RENDERING, field))


def test_edges_are_smoother_than_single_rays():
    """An edge pixel mixes what lies on both sides of it: some colours occur that no single ray gives."""
    whole = render(scene_of(Sphere(0.3), 0.3), CAMERA)
    partial = (whole.coverage[0] > 0.2) & (whole.coverage[0] < 0.8)
    assert partial.sum() > 30
    assert len(np.unique(whole.coverage[0])) > 8


@pytest.mark.parametrize(("height", "width"), [(40, 64), (64, 40), (48, 48)])
def test_any_aspect_has_the_same_ground_truth_as_a_crop_of_a_larger_view(height, width):
    small = view(height, width)
    grown = Camera(small.camera_to_world, small.fx, small.fy, small.cx + 8, small.cy + 4, height + 8, width + 16)
    inner, outer = render(SCENE, small), render(SCENE, grown)
    assert inner.rgb.shape == (height, width, 3)
    assert inner.coverage.shape == (len(SCENE.objects), height, width)
    np.testing.assert_array_equal(inner.ids, outer.ids[4:-4, 8:-8])
    np.testing.assert_allclose(inner.depth, outer.depth[4:-4, 8:-8], atol=1e-5)


def test_an_object_throws_a_shadow_away_from_the_lamp():
    scene = scene_of(Sphere(0.2), 0.2)
    lamp = dataclasses.replace(scene.lighting, key_position=(4.0, 0.0, 4.0), key_radius=0.0)
    plain = dataclasses.replace(scene.floor, kind="plain", grain=0.0)
    scene = dataclasses.replace(scene, lighting=lamp, floor=plain)
    camera = view(96, 96, distance=2.0, azimuth=-math.pi / 2, elevation=1.0)
    rendering = render(scene, camera)
    brightness = {}
    for side in (-0.45, 0.45):
        pixel, _, inside = camera.project(torch.tensor([side, 0.0, 0.0]))
        assert inside
        assert rendering.ids[int(pixel[1]), int(pixel[0])] == 0
        brightness[side] = int(rendering.rgb[int(pixel[1]), int(pixel[0])].sum())
    assert brightness[-0.45] < 0.8 * brightness[0.45]
