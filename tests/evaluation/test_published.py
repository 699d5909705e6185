"""The figures of others are quoted as they were handed down."""

import pytest

from samnerf.evaluation import published
from samnerf.evaluation.published import best_published, published_systems


def test_figures_are_those_that_were_transcribed():
    said = {one.name: one for one in published_systems()}
    assert said["SAGA"].said("nvos_miou") == "90.9-92.6"
    assert said["SAGA"].said("spin_nerf_miou") == "93.7"
    assert said["WildSeg3D"].said("nvos_miou") == "94.1"
    assert said["LERF"].said("lerf_ovs_localization") == "73.6"
    assert said["LERF"].said("nvos_miou") == "-"
    assert said["LangSplat"].query == "0.26 s"


@pytest.mark.parametrize(
    ("measure", "best"),
    [("nvos_miou", 0.941), ("spin_nerf_miou", 0.945), ("lerf_ovs_miou", 0.613), ("lerf_ovs_localization", 0.843)],
)
def test_the_best_is_the_greatest(measure, best):
    assert best_published(measure) == pytest.approx(best)


def test_nobody_published_what_is_not_listed():
    assert best_published("chess_elo") is None


@pytest.mark.parametrize("values", [[], [93.0, 92.0], [0.0], [101.0], "93", [90, 91, 92]])
def test_a_malformed_figure_is_named(values):
    with pytest.raises(published.SamNerfError, match=r"published.toml: nvos_miou of X"):
        published._system({"name": "X", "nvos_miou": values})
