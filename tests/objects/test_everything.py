"""Everything that stands about in the toy world is found and locked, and the floor is not."""

import numpy as np
import pytest
import torch

from samnerf.images.settings import ImageSettings
from samnerf.masks import BatchPrediction
from samnerf.objects import everything
from samnerf.objects.everything import lock_everything
from samnerf.objects.support import object_alpha
from samnerf.session import Session

SETTINGS = ImageSettings(points_per_side=10)


@pytest.fixture
def batch_decoder(toy):
    """The toy decoder, for many clicks at once."""

    class Decoder(toy.MaskDecoder):
        def decode_batch(self, feature_map, points, labels, candidates=True):
            ids = feature_map.values.argmax(0)
            cells = feature_map.to_cells(points[:, 0].float()).long()
            clicked = ids[cells[:, 1], cells[:, 0]]
            logits = torch.where(ids[None] == clicked[:, None, None], 8.0, -8.0)
            return BatchPrediction(logits[:, None], torch.full((len(points), 1), 0.95))

        def full_size(self, low_resolution, feature_map):
            height, width = feature_map.image_size
            y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
            cells = feature_map.to_cells(torch.stack([x, y], dim=-1)).long()
            return low_resolution[..., cells[..., 1], cells[..., 0]]

    return Decoder()


@pytest.mark.usefixtures("coarse_grids")
def test_every_square_is_locked_once_and_the_floor_never(toy, batch_decoder):
    field = toy.Field()
    support = toy.support(field)
    locks = lock_everything(Session(batch_decoder), support, SETTINGS)
    assert len(locks) == 3
    camera = toy.look_down(0.1, 0.05)
    true = field.ids(camera)
    samples = field.render_samples(camera)
    found = [object_alpha(samples, lock.grid).numpy() > 0.5 for lock in locks]
    for object_id in (1, 2, 3):
        overlaps = [(mask & (true == object_id)).sum() / (mask | (true == object_id)).sum() for mask in found]
        assert sorted(value > 0.8 for value in overlaps) == [False, False, True]


def test_an_empty_world_has_no_objects(toy, batch_decoder):
    assert lock_everything(Session(batch_decoder), toy.support(toy.Field(squares=())), SETTINGS) == []


def known(toy, support, *object_ids):
    return [everything._Known.of(toy.lock(i), support) for i in object_ids]


def test_of_locks_of_one_place_the_more_consistent_one_stays(toy):
    support = toy.support()
    sure, unsure = toy.lock(1, (("a", 0.9),)), toy.lock(1, (("a", 0.8),))
    entries = [everything._Known.of(lock, support) for lock in (unsure, sure)]
    assert [entry.lock for entry in everything._without_doubles(entries)] == [sure]


def test_a_lock_that_two_others_make_up_goes(toy):
    support = toy.support()
    two, three = known(toy, support, 2, 3)
    both = everything._Known(toy.lock(1), {name: two.shown[name] | three.shown[name] for name in two.shown})
    assert everything._without_sums([both, two, three]) == [two, three]
    assert everything._without_sums([both, two]) == [both, two]


def test_what_most_views_cut_off_is_backdrop(toy):
    support = toy.support()
    one = everything._Known.of(toy.lock(2, (("a", 0.9), ("b", 0.8), ("c", 0.9))), support)
    assert everything._is_object(one)
    wide = {name: np.ones_like(mask) for name, mask in one.shown.items()}
    assert not everything._is_object(everything._Known(one.lock, wide))
