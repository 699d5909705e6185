"""What the work costs as there is more of it: rays, images, larger features, objects.

    python benchmarks/cost.py                      # minutes on two cores
    python benchmarks/cost.py --device cuda
    python benchmarks/cost.py --side 64 --sides 16 32 --images 4 --image-side 64 --steps 10 --factors 1 2 --objects 1 4
        --runs 1 --image-runs 1 --results FOLDER    # one line, under a minute

Four small tables in one receipt, `benchmarks/results/cost.json`, and a plot of four panels beside it:

- rays: a view's features with 1, 4, 9 and 16 rays a cell, and its colour at several sizes;
- images: extraction and `samnerf-tiny` on captures of several sizes, each in processes of their own;
- features: a step of training and a rendered view, while the planes, the code or the teachers get more channels;
- objects: locked objects rendered in one picture, on top of what their rays meet.

All but images use fields with random weights: cost does not depend on them. Everything is a median of several runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from cost_of_features import cost_of_features
from cost_of_images import cost_of_images
from cost_of_objects import SHARE, WHOLE, cost_of_objects
from cost_of_rays import cost_of_rays
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator
from plots import BLUE, GREY, RED, SKY, drawn, say
from receipts import RESULTS, on_device, write_receipt

Rows = Sequence[Mapping[str, Any]]
FEATURE_SIZES = {
    "feature_channels": ("planes", BLUE),
    "feature_width": ("code", SKY),
    "teacher_channels": ("teachers", RED),
}
"""With what the plot calls them, and in which colour."""


@dataclass
class CostBenchmark:
    """Cost against work."""

    device: str = "cpu"
    """cpu or cuda."""
    side: int = 256
    """Pixels along each side of the pictures that are rendered."""
    sides: tuple[int, ...] = (64, 128, 256, 512)
    """The same, where colour is rendered at several sizes."""
    images: tuple[int, ...] = (20, 60, 150)
    """Training images of the captures."""
    image_side: int = 256
    """Pixels along each side of these."""
    steps: int = 150
    """Of each training."""
    factors: tuple[float, ...] = (0.25, 0.5, 1, 2, 4)
    """By which the sizes of features are multiplied."""
    objects: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    """In one picture."""
    runs: int = 9
    """How often each is measured."""
    image_runs: int = 3
    """The same for extraction and training."""
    results: Path = RESULTS
    """Folder of receipt and plot."""

    def measure(self) -> None:
        """Run, print, draw, and write the receipt."""
        tables = {
            "rays": cost_of_rays(self.device, self.sides, self.side, self.runs),
            "features": cost_of_features(self.device, self.side, self.factors, self.runs),
            "objects": cost_of_objects(self.device, self.objects, self.side, self.runs),
            "images": cost_of_images(self.device, self.images, self.image_side, self.steps, self.image_runs),
        }
        name = on_device("cost", self.device)
        about = {
            "method": "samnerf-tiny",
            "image_size": [self.side, self.side],
            "image_size_of_captures": [self.image_side, self.image_side],
            "weights": "random, but for images",
        }
        path = write_receipt(name, self.device, {**about, **tables}, self.results)
        with drawn(self.results / f"{name}.png", rows=2, columns=2, size=(9.6, 6.8)) as (
            rays,
            images,
            features,
            objects,
        ):
            _plot_rays(rays, tables["rays"])
            _plot_images(images, tables["images"])
            _plot_features(features, tables["features"])
            _plot_objects(objects, tables["objects"])
        for table, rows in tables.items():
            for row in rows:
                print(f"{table:<9}" + "  ".join(f"{key} {_said(value)}" for key, value in row.items()))
        print(f"-> {path}")


def _said(value: Any) -> str:
    if isinstance(value, dict):
        value = value["median"]
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _medians(rows: Rows, key: str, scale: float = 1.0) -> list[float]:
    return [scale * row[key]["median"] for row in rows]


def _plot_rays(axes: Axes, table: Rows) -> None:
    rows = [row for row in table if row["what"] == "features"]
    taken = _medians(rows, "seconds")
    axes.plot([row["rays"] for row in rows], taken, "o-", color=BLUE)
    for row, seconds in zip(rows, taken, strict=True):
        words = f"features, {row['rays_per_cell']} ray a cell" if row is rows[0] else str(row["rays_per_cell"])
        say(axes, (row["rays"], seconds), words, BLUE, "below right")
    rows = [row for row in table if row["what"] == "colour"]
    taken = _medians(rows, "seconds")
    axes.plot([row["rays"] for row in rows], taken, "o-", color=GREY)
    for row, seconds in zip(rows, taken, strict=True):
        words = f"colour, {row['image_size'][0]}²" if row is rows[-1] else f"{row['image_size'][0]}²"
        say(axes, (row["rays"], seconds), words, GREY, "above left")
    axes.set(xscale="log", yscale="log", title="rendering a view", xlabel="rays", ylabel="seconds")
    axes.margins(y=0.12)


def _plot_images(axes: Axes, table: Rows) -> None:
    images = [row["images"] for row in table]
    for key, words, colour in (
        ("feature_steps_per_second", "steps that teach features", BLUE),
        ("colour_steps_per_second", "steps that teach colour", GREY),
    ):
        rates = _medians(table, key)
        axes.plot(images, rates, "o-", color=colour)
        say(axes, (images[0], rates[0]), words, colour, "above right")
    most = max(row[key]["median"] for row in table for key in ("feature_steps_per_second", "colour_steps_per_second"))
    ticks = [
        f"{row['images']}\n{row['training_peak_bytes']['median'] / 1e9:.2f} GB\n"
        f"{row['extraction_seconds']['median']:.1f} s"
        for row in table
    ]
    axes.set_xticks(images, ticks)
    axes.set(
        title="training on more images", ylabel="steps a second", xlim=(0, None), ylim=(0, 1.2 * most),
        xlabel="images; peak of training; extraction",
    )  # fmt: skip


def _plot_features(axes: Axes, table: Rows) -> None:
    for what, (words, colour) in FEATURE_SIZES.items():
        rows = [row for row in table if row["what"] == what]
        taken = _medians(rows, "step_seconds", 1000)
        axes.plot([row["factor"] for row in rows], taken, "o-", color=colour)
        say(axes, (rows[-1]["factor"], taken[-1]), f"{words}: {rows[-1]['size']}", colour)
    factors = [row["factor"] for row in rows]
    axes.set_xscale("log", base=2)
    axes.set_xticks(factors, [f"{factor:g}" for factor in factors])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set(
        title="larger features",
        xlabel="channels, as a multiple of samnerf-tiny's",
        ylabel="milliseconds a step",
        ylim=(0, None),
    )


def _plot_objects(axes: Axes, table: Rows) -> None:
    (samples,) = [row for row in table if row["what"] == "samples"]
    milliseconds = 1000 * samples["seconds"]["median"]
    axes.axhline(milliseconds, color=GREY, linewidth=1.0, linestyle="--")
    say(axes, (1, milliseconds), "what rays meet, for all objects together", GREY, "below right")
    for what, colour, side in ((SHARE, BLUE, "below right"), (WHOLE, SKY, "above right")):
        rows = [row for row in table if row["what"] == what]
        counts, taken = [row["objects"] for row in rows], _medians(rows, "seconds", 1000)
        axes.plot(counts, taken, "o-", color=colour)
        words = f"each fills 1/{counts[-1]} of the picture" if what == SHARE else what
        clear = taken[0] if what == SHARE else max(taken[: len(taken) // 2 + 1])
        say(axes, (counts[0], clear), words, colour, side)
    axes.set_xscale("log", base=2)
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set(title="locked objects in one picture", xlabel="objects", ylabel="milliseconds", yscale="log")
    axes.margins(y=0.12)


if __name__ == "__main__":
    tyro.cli(CostBenchmark).measure()
