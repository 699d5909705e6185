"""Laws of the distance between features."""

import pytest
import torch

from samnerf.distill.feature_error import feature_error

FOUND, WANTED = torch.randn(2, 50, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", ["mse", "cosine", "mse+cosine"])
def test_what_is_right_has_no_error_and_all_else_has_some(name):
    assert float(feature_error(name, WANTED, WANTED)) == pytest.approx(0, abs=1e-6)
    assert float(feature_error(name, FOUND, WANTED)) > 0.1


def test_the_angle_knows_no_length():
    assert float(feature_error("cosine", 3 * WANTED, WANTED)) == pytest.approx(0, abs=1e-6)
    assert float(feature_error("cosine", -WANTED, WANTED)) == pytest.approx(2)


def test_a_sum_is_a_sum():
    parts = feature_error("mse", FOUND, WANTED) + feature_error("cosine", FOUND, WANTED)
    assert torch.equal(feature_error("mse+cosine", FOUND, WANTED), parts)


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="'l1'"):
        feature_error("mse+l1", FOUND, WANTED)
