"""Flicker and swapped IDs, on camera moves over a wall whose geometry is exact."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from samnerf.camera import Camera
from samnerf.evaluation.sequences import Frame, carried, flicker, id_swaps, mean_flicker

HEIGHT, WIDTH, FOCAL, DISTANCE = 12, 16, 20.0, 2.0


def frame(shift):
    """A wall seen from the front, by a camera `shift` pixels to the right; object 1 stays where it is on the wall."""
    pose = torch.cat([torch.eye(3), torch.tensor([[shift * DISTANCE / FOCAL], [0.0], [DISTANCE]])], dim=1)
    camera = Camera(pose, FOCAL, FOCAL, WIDTH / 2, HEIGHT / 2, HEIGHT, WIDTH)
    y, x = torch.meshgrid(torch.arange(HEIGHT) + 0.5, torch.arange(WIDTH) + 0.5, indexing="ij")
    directions = camera.ray_directions(torch.stack([x, y], dim=-1))
    depth = (DISTANCE / -directions[..., 2]).numpy()
    ids = np.zeros((HEIGHT, WIDTH), np.uint8)
    ids[4:8, 6 - shift : 10 - shift] = 1
    return Frame(camera, ids, depth)


def test_masks_are_carried_by_the_motion_of_what_they_show():
    before, after = frame(0), frame(3)
    step = carried(before, after)
    assert step.seen[:, : WIDTH - 3].all()
    assert not step.seen[:, WIDTH - 3 :].any()
    np.testing.assert_array_equal(step.mask(before.ids == 1), after.ids == 1)


def test_what_was_hidden_before_is_not_compared():
    before, after = frame(0), frame(0)
    before.depth[:, :5] *= 0.5  # something stood in front
    assert not carried(before, after).seen[:, :5].any()
    assert carried(before, after).seen[:, 5:].all()


def test_true_masks_of_an_exact_move_do_not_flicker():
    frames = [frame(shift) for shift in (0, 1, 2)]
    steps = [carried(a, b) for a, b in pairwise(frames)]
    assert flicker([f.ids == 1 for f in frames], steps, [True] * 3) == [0, 0]


def test_a_mask_that_is_gone_for_one_frame_flickers_twice():
    frames = [frame(0)] * 4
    steps = [carried(frames[0], frames[0])] * 3
    masks = [f.ids == 1 for f in frames]
    masks[1] = np.zeros_like(masks[1])
    assert flicker(masks, steps, [True] * 4) == [1, 1, 0]
    assert flicker(masks, steps, [True, False, True, True]) == [0]
    assert mean_flicker([[1.0, 1.0, 0.0], [1.0]]) == 0.75


def test_half_a_mask_flickers_by_half():
    whole = frame(0).ids == 1
    half = whole & (np.arange(WIDTH) < 8)
    assert flicker([whole, half], [carried(frame(0), frame(0))], [True, True]) == [pytest.approx(0.5)]


def maps(*rows):
    return [np.array([row]) for row in rows]


@pytest.mark.parametrize(
    ("found", "swaps"),
    [
        (maps([5, 5, 6, 6], [5, 5, 6, 6], [5, 5, 6, 6]), 0),
        (maps([5, 5, 6, 6], [6, 6, 5, 5], [6, 6, 5, 5]), 2),
        (maps([5, 5, 6, 6], [6, 6, 5, 5], [5, 5, 6, 6]), 4),
        (maps([5, 5, 6, 6], [0, 0, 6, 6], [5, 0, 6, 6]), 0),
        (maps([5, 5, 6, 6], [0, 0, 6, 6], [7, 7, 6, 6]), 1),
    ],
)
def test_swaps_are_changes_of_the_id_on_an_object(found, swaps):
    assert id_swaps(found, maps([1, 1, 2, 2]) * 3, least=1) == swaps


def test_frames_that_show_too_little_of_an_object_are_passed_over():
    found = maps([5, 5, 5, 5], [9, 5, 5, 5], [5, 5, 5, 5])
    true = maps([1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0])
    assert id_swaps(found, true, least=2) == 0
    assert id_swaps(found, true, least=1) == 2
