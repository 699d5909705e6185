"""Laws of relevancy: where it lies, and which cells become points."""

import pytest
import torch

from samnerf.feature_map import cell_centres
from samnerf.objects.relevancy import cell_means, find_blobs, resize_relevancy

SIZES = [(60, 80), (80, 60), (64, 64), (33, 97)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("layout", ["letterbox", "stretch"])
def test_a_ramp_over_the_image_is_the_same_ramp_after_resizing(size, layout):
    centres = cell_centres(size, 16, layout)
    resized = resize_relevancy(centres[..., 0], size, layout)
    x = (torch.arange(size[1]) + 0.5).expand(size)
    inner = slice(size[1] // 4, -size[1] // 4)
    torch.testing.assert_close(resized[:, inner], x[:, inner], atol=1e-3, rtol=0)


@pytest.mark.parametrize("size", SIZES)
def test_padding_never_reaches_the_image(size):
    relevancy = torch.zeros(16, 16)
    relevancy[~(cell_centres(size, 16, "letterbox") < torch.tensor([size[1], size[0]])).all(-1)] = 100.0
    assert float(resize_relevancy(relevancy, size, "letterbox").max()) == 0


def test_means_keep_the_mean():
    relevancy = torch.rand(66, 66, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(cell_means(relevancy, 22).mean(), relevancy.mean())


def test_fewer_cells_than_asked_for_are_no_error():
    means = torch.zeros(8, 8)
    means[2, 3] = 0.9
    (blob,) = find_blobs(means, (80, 80), "letterbox", threshold=0.5, top_k=30)
    assert blob.peaks == ((35.0, 25.0),)
    assert blob.relevancies == pytest.approx((0.9,))
    assert find_blobs(means, (80, 80), "letterbox", threshold=0.95, top_k=30) == []


def test_points_are_spread_and_blobs_are_things():
    means = torch.zeros(16, 16)
    means[2:5, 2:5] = 0.8
    means[3, 3] = 0.9
    means[10:13, 10:13] = 0.95
    blobs = find_blobs(means, (160, 160), "letterbox", threshold=0.5, top_k=50)
    assert [len(blob.cells) for blob in blobs] == [9, 9]
    assert blobs[0].relevancies[0] == pytest.approx(0.95)
    for blob in blobs:
        cells = [(int(y // 10), int(x // 10)) for x, y in blob.peaks]
        assert all(max(abs(a - c), abs(b - d)) >= 2 for a, b in cells for c, d in cells if (a, b) != (c, d))


def test_no_point_falls_on_padding():
    means = torch.rand(16, 16, generator=torch.Generator().manual_seed(0))
    for blob in find_blobs(means, (40, 160), "letterbox", threshold=0.0, top_k=500):
        assert all(0 <= x < 160 and 0 <= y < 40 for x, y in blob.peaks)


def test_a_negative_top_k_draws_cells_above_the_threshold_by_a_seed():
    means = torch.zeros(16, 16)
    means[2:8, 2:8] = 0.8

    def points(seed: int, top_k: int = -5) -> list:
        blobs = find_blobs(means, (160, 160), "letterbox", threshold=0.5, top_k=top_k, seed=seed)
        return [peak for blob in blobs for peak in blob.peaks]

    assert len(set(points(0))) == 5
    assert all(20 < x < 80 and 20 < y < 80 for x, y in points(0))
    assert points(0) == points(0) != points(1)
    assert len(set(points(0, top_k=-100))) == 36
    assert points(0, top_k=0) == []
