"""How every plot of the benchmarks looks: few colours, axes with units, words beside lines instead of legends."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from samnerf.atomic_files import atomic_path

BLUE, SKY, RED, ROSE, GREY = "#1f77b4", "#6fb0dc", "#d62728", "#e58080", "#666666"
"""What the scene itself does is blue, what encoders do is red, and what is only for orientation is grey."""
_STYLE = {
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.3,
    "lines.markersize": 5.0,
    "lines.linewidth": 1.6,
}
Side = Literal["right", "left", "above", "below", "above right", "above left", "below right"]
_OFFSETS: dict[Side, tuple[tuple[float, float], str, str]] = {
    "right": ((7, 0), "left", "center"),
    "left": ((-7, 0), "right", "center"),
    "above": ((0, 6), "center", "bottom"),
    "below": ((0, -6), "center", "top"),
    "above right": ((3, 5), "left", "bottom"),
    "above left": ((-3, 2), "right", "bottom"),
    "below right": ((3, -3), "left", "top"),
}


@contextmanager
def drawn(path: Path, rows: int = 1, columns: int = 1, size: tuple[float, float] = (6.0, 4.0)) -> Iterator[list[Axes]]:
    """Axes to draw on, row by row; the PNG is written when the block succeeds.

    Args:
        path: of the PNG.
        rows, columns: of axes.
        size: width and height, inches of 130 pixels.
    """
    with rc_context(_STYLE):  # pyright: ignore[reportArgumentType]
        figure = Figure(figsize=size, layout="constrained")
        yield list(figure.subplots(rows, columns, squeeze=False).ravel())
        with atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=130)


def say(axes: Axes, place: tuple[float, float], words: str, colour: str = GREY, side: Side = "right") -> None:
    """Words on one side of a place of the data."""
    offset, across, along = _OFFSETS[side]
    axes.annotate(
        words, place, xytext=offset, textcoords="offset points", color=colour, ha=across, va=along, clip_on=False
    )


def bars(axes: Axes, values: Mapping[str, float], style: str, colours: Sequence[str] = (BLUE,)) -> None:
    """One horizontal bar for each name, the first on top, its value written behind it.

    Args:
        axes: to draw on.
        values: by name.
        style: of what is written, such as "{:.2f} s".
        colours: of the bars, or one for all.
    """
    chosen = list(colours) if len(colours) == len(values) else [colours[0]] * len(values)
    axes.barh(range(len(values)), list(values.values()), color=chosen, height=0.66)
    axes.set_yticks(range(len(values)), list(values))
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    for row, value in enumerate(values.values()):
        say(axes, (value, row), style.format(value))
    axes.set_xlim(0, 1.14 * max(values.values(), default=1.0))
