"""Padding, class tokens and scale of rendered maps are the teacher's."""

import weakref

import pytest
import torch

from samnerf.distill.teacher_statistics import TeacherStatistics
from samnerf.feature_map import FeatureMap, covered_cells

SIDE, CHANNELS = 8, 3
LANDSCAPE, PORTRAIT, SQUARE = (120, 200), (200, 90), (64, 64)


class Maps:
    """Maps whose padding is 100 + the distance in cells from the edge, whose content is random."""

    def __init__(self, sizes, layout="letterbox", summaries=False):
        self.maps = {str(i): self.make(size, layout, summaries, i) for i, size in enumerate(sizes)}

    def make(self, size, layout, summaries, seed):
        generator = torch.Generator().manual_seed(seed)
        values = torch.randn(CHANNELS, SIDE, SIDE, generator=generator) * torch.tensor([1.0, 10.0, 0.1])[:, None, None]
        covered = covered_cells(size, SIDE, layout)
        rows, columns = int(covered.any(dim=1).sum()), int(covered.any(dim=0).sum())
        values[:, rows:] = (100 + torch.arange(SIDE - rows))[:, None]
        values[:, :, columns:] = 100.0 + torch.arange(SIDE - columns)
        return FeatureMap(values, size, layout, "t", torch.full((CHANNELS,), float(seed)) if summaries else None)

    def map(self, name):
        return self.maps[name]


def learned(sizes, layout="letterbox", summaries=False):
    statistics, maps = TeacherStatistics(CHANNELS, SIDE, layout, "t"), Maps(sizes, layout, summaries)
    statistics.learn(maps, list(maps.maps), "ab" * 32)
    return statistics, maps


@pytest.mark.parametrize("size", [LANDSCAPE, PORTRAIT, SQUARE])
@pytest.mark.parametrize("layout", ["letterbox", "stretch"])
def test_a_map_taken_apart_and_put_together_is_the_teachers(size, layout):
    statistics, maps = learned([size] * 3, layout)
    seen = maps.map("0")
    assert torch.equal(statistics.feature_map(seen.values[:, seen.covered].T, size).values, seen.values)


def test_padding_right_and_below_are_learned_apart():
    statistics, _ = learned([LANDSCAPE, PORTRAIT])
    for size in (LANDSCAPE, PORTRAIT):
        covered = covered_cells(size, SIDE, "letterbox")
        padded = statistics.feature_map(torch.zeros(int(covered.sum()), CHANNELS), size).values[:, ~covered]
        assert padded.min() == 100
        assert (
            padded.max()
            == 100 + min(SIDE - int(covered.any(dim=i).sum()) for i in (0, 1) if not covered.any(dim=i).all()) - 1
        )


def test_where_no_padding_was_seen_the_edge_goes_on():
    statistics, _ = learned([SQUARE])
    covered = covered_cells(LANDSCAPE, SIDE, "letterbox")
    rows = int(covered.any(dim=1).sum())
    content = torch.arange(int(covered.sum()) * CHANNELS, dtype=torch.float32).reshape(-1, CHANNELS)
    values = statistics.feature_map(content, LANDSCAPE).values
    assert torch.equal(values[:, rows:], values[:, rows - 1 : rows].expand(-1, SIDE - rows, -1))


def test_farther_padding_than_was_seen_is_like_the_farthest_seen():
    statistics, _ = learned([(150, 200)])
    values = statistics.feature_map(torch.zeros(SIDE * 2, CHANNELS), (50, 200)).values
    assert values[0, :, 0].tolist() == [0, 0, 100, 101, 101, 101, 101, 101]


def test_standardised_content_has_mean_0_and_deviation_1_and_returns():
    statistics, maps = learned([SQUARE] * 4)
    cells = torch.cat([m.values.flatten(1).T for m in maps.maps.values()])
    standard = statistics.standardise(cells)
    torch.testing.assert_close(standard.mean(dim=0), torch.zeros(CHANNELS), atol=1e-5, rtol=0)
    torch.testing.assert_close(standard.std(dim=0, correction=0), torch.ones(CHANNELS))
    torch.testing.assert_close(statistics.restore(standard), cells)


def test_the_summary_is_the_mean_one_and_absent_where_there_is_none():
    with_summary, _ = learned([SQUARE] * 3, summaries=True)
    without, _ = learned([SQUARE] * 3)
    cells = torch.zeros(SIDE * SIDE, CHANNELS)
    torch.testing.assert_close(with_summary.feature_map(cells, SQUARE).summary, torch.ones(CHANNELS))
    assert without.feature_map(cells, SQUARE).summary is None


def test_a_checkpoint_carries_everything_learned():
    statistics, _ = learned([LANDSCAPE], summaries=True)
    restored = TeacherStatistics(CHANNELS, SIDE, "letterbox", "t")
    restored.load_state_dict(statistics.state_dict())
    cells = torch.rand(int(covered_cells(LANDSCAPE, SIDE, "letterbox").sum()), CHANNELS)
    a, b = statistics.feature_map(cells, LANDSCAPE), restored.feature_map(cells, LANDSCAPE)
    assert torch.equal(a.values, b.values)
    assert torch.equal(a.summary, b.summary)


def test_whose_weights_made_the_maps_is_kept_with_them():
    statistics, _ = learned([SQUARE])
    fresh = TeacherStatistics(CHANNELS, SIDE, "letterbox", "t")
    assert fresh.weights_hash is None
    fresh.load_state_dict(statistics.state_dict())
    assert fresh.weights_hash == "ab" * 32


def test_maps_are_looked_at_one_after_another():
    alive, most = set(), []

    class Watched(Maps):
        def map(self, name):
            made = self.make(SQUARE, "letterbox", False, int(name))
            alive.add(id(made))
            weakref.finalize(made, alive.discard, id(made))
            most.append(len(alive))
            return made

    names = [str(i) for i in range(12)]
    TeacherStatistics(CHANNELS, SIDE, "letterbox", "t").learn(Watched([]), names, "ab" * 32)
    assert max(most) <= 3
