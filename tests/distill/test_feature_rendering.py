"""Laws of feature rendering and of the aggregation of rays."""

import pytest
import torch

from samnerf.distill.feature_rendering import heaviest_samples, render_features

GENERATOR = torch.Generator().manual_seed(0)
WEIGHTS = torch.rand(5, 16, generator=GENERATOR) / 16


def kept_of(features, places):
    return torch.take_along_dim(features, places[..., None], dim=1)


@pytest.mark.parametrize("sharpness", [1.0, 10.0])
@pytest.mark.parametrize("count", [1, 4, 99])
def test_a_constant_feature_renders_as_itself(count, sharpness):
    shares, places = heaviest_samples(WEIGHTS, count, sharpness)
    rendered = render_features(kept_of(torch.full((5, 16, 3), 2.0), places), shares)
    torch.testing.assert_close(rendered, torch.full((5, 3), 2.0))


def test_all_samples_without_sharpening_are_the_mean_that_colours_have():
    features = torch.rand(5, 16, 3, generator=GENERATOR)
    shares, places = heaviest_samples(WEIGHTS, 16, 1.0)
    expected = (features * WEIGHTS[..., None]).sum(dim=1) / WEIGHTS.sum(dim=1, keepdim=True)
    torch.testing.assert_close(render_features(kept_of(features, places), shares), expected)


def test_one_sample_is_the_heaviest():
    _, places = heaviest_samples(WEIGHTS, 1, 1.0)
    assert (places[:, 0] == WEIGHTS.argmax(dim=1)).all()


def test_sharpening_favours_the_heaviest():
    gentle, _ = heaviest_samples(WEIGHTS, 4, 1.0)
    sharp, _ = heaviest_samples(WEIGHTS, 4, 8.0)
    assert (sharp[:, 0] > gentle[:, 0]).all()


@pytest.mark.parametrize("weight", [0.0, 1e-30])
def test_rays_that_meet_nothing_still_have_a_finite_feature(weight):
    shares, _ = heaviest_samples(torch.full((2, 16), weight), 4, 10.0)
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(2))


def test_features_never_bend_the_geometry():
    weights = WEIGHTS.clone().requires_grad_()
    shares, _ = heaviest_samples(weights, 4, 2.0)
    assert not shares.requires_grad


@pytest.mark.parametrize(("count", "sharpness", "message"), [(0, 1.0, "at least 1"), (4, -1.0, "must be positive")])
def test_impossible_settings_are_named(count, sharpness, message):
    with pytest.raises(ValueError, match=message):
        heaviest_samples(WEIGHTS, count, sharpness)
