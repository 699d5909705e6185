"""What a measured step changes, and what made-up teachers leave behind."""

import pytest
import torch
from cost_of_features import MADE_UP, _made_up_teachers, _step
from untrained_fields import untrained_field

from samnerf.configs.methods import samnerf_tiny
from samnerf.teachers.pairs import PAIRS

pytestmark = pytest.mark.filterwarnings("ignore:Using a non-tuple sequence for multidimensional indexing")


def test_made_up_teachers_have_the_channels_asked_for_and_go_again():
    with _made_up_teachers(0.5):
        model = untrained_field(samnerf_tiny, "cpu", pair=MADE_UP)
    assert {kind: spec.channels for kind, spec in model.specs.items()} == {"sam": 64, "clipseg": 48}
    assert MADE_UP not in PAIRS


def test_a_step_teaches_features_and_leaves_geometry_alone():
    model = untrained_field(samnerf_tiny, "cpu")
    groups = model.get_param_groups()
    before = {name: [p.detach().clone() for p in group] for name, group in groups.items()}
    _step(model, [*groups["features"], *groups["feature_planes"]])()
    changed = {
        name: any(not torch.equal(then, now) for then, now in zip(before[name], group, strict=True))
        for name, group in groups.items()
    }
    assert {name for name, moved in changed.items() if moved} == {"features", "feature_planes"}
