"""Plots are whole or not there, and say their values."""

import pytest
from PIL import Image
from plots import bars, drawn, say


def test_a_plot_has_as_many_pixels_as_its_size_in_inches_asks_for(tmp_path):
    with drawn(tmp_path / "plot.png", rows=2, columns=3, size=(4.0, 2.0)) as axes:
        assert len(axes) == 6
    with Image.open(tmp_path / "plot.png") as picture:
        assert picture.size == (520, 260)


def test_a_plot_that_fails_leaves_no_file(tmp_path):
    with pytest.raises(RuntimeError), drawn(tmp_path / "plot.png"):
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_bars_stand_in_order_from_the_top_with_their_values_behind_them(tmp_path):
    with drawn(tmp_path / "plot.png") as (axes,):
        bars(axes, {"first": 1.0, "second": 2.5}, "{:.1f} s")
    assert [bar.get_width() for bar in axes.patches] == [1.0, 2.5]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["first", "second"]
    assert [text.get_text() for text in axes.texts] == ["1.0 s", "2.5 s"]
    assert axes.yaxis_inverted()


def test_words_stand_where_they_are_told_to(tmp_path):
    with drawn(tmp_path / "plot.png") as (axes,):
        say(axes, (1.0, 2.0), "here", side="left")
    (text,) = axes.texts
    assert text.xy == (1.0, 2.0)
    assert text.get_horizontalalignment() == "right"
