"""Examples made in code: views of random scenes, and composites of cut-outs with thin, soft and faint edges."""

from dataclasses import replace

import numpy as np

from samnerf.preprocessing.matting_training.cutouts import (
    CutOut,
    composite,
    cut_out,
    defocused,
    drawn_opacity,
    drawn_strokes,
    faded,
    moved,
)
from samnerf.preprocessing.matting_training.examples import Example, promptable
from samnerf.preprocessing.matting_training.synthetic_views import SyntheticViews

MOST_CUT_OUTS = 3
STROKES_SHARE = 0.3
DEFOCUSED_SHARE = 0.5
GREATEST_BLUR = 5.0
"""Sigma, pixels."""
FADED_SHARE = 0.3
SHORTEST_MOVE = 12.0
"""Pixels from one frame of a sequence to the first, at its end, at least."""


class SyntheticExamples:
    """Random examples of a set of views.

    Args:
        views: which give pictures, cut-outs and backgrounds.
        composites: share of the examples that are composites.
    """

    def __init__(self, views: SyntheticViews, composites: float = 0.5) -> None:
        self.views = views
        self.composites = composites
        self.description = (
            f"synthetic seed {views.seed}, {views.count} views of {views.size}, {composites:g} composites"
        )

    def drawn(self, random: np.random.Generator) -> Example:
        """A view or a composite, mirrored half of the time."""
        while True:
            example = self.composite(random) if random.random() < self.composites else self.view(random)
            if example.alphas:
                return mirrored(example) if random.random() < 0.5 else example

    def view(self, random: np.random.Generator) -> Example:
        """A view as it was rendered."""
        return self.views[int(random.integers(len(self.views)))]

    def composite(self, random: np.random.Generator) -> Example:
        """One to three cut-outs over a view; only these are objects, and perhaps none of them can be prompted."""
        background = self.view(random).rgb
        cut_outs = [self.drawn_cut_out(random) for _ in range(int(random.integers(1, MOST_CUT_OUTS + 1)))]
        rgb, alphas = composite(background, cut_outs)
        return Example(rgb, tuple(alpha for alpha in alphas if promptable(alpha)))

    def drawn_cut_out(self, random: np.random.Generator) -> CutOut:
        """Strokes or an object of a view, moved, perhaps faded, perhaps out of focus."""
        size = (self.views.size, self.views.size)
        if random.random() < STROKES_SHARE:
            one = drawn_strokes(size, random)
        else:
            view = self.view(random)
            one = cut_out(view.rgb, view.alphas[int(random.integers(len(view.alphas)))])
            shift = random.normal(0, 0.12 * self.views.size, 2)
            one = moved(one, random.uniform(0.7, 1.5), (float(shift[0]), float(shift[1])))
        if random.random() < FADED_SHARE:
            one = faded(one, drawn_opacity(size, random))
        if random.random() < DEFOCUSED_SHARE:
            one = defocused(one, random.uniform(0.5, GREATEST_BLUR))
        return one

    def sequence(self, frames: int, random: np.random.Generator) -> list[Example]:
        """A cut-out that moves evenly over a view that rests; in every frame it can be prompted."""
        background = self.view(random).rgb
        while True:
            one = self.drawn_cut_out(random)
            angle, length = random.uniform(0, 2 * np.pi), random.uniform(1, 2) * SHORTEST_MOVE
            steps = np.linspace(0, length, frames)[:, None] * np.array([np.cos(angle), np.sin(angle)])
            shown = [composite(background, [moved(one, 1.0, (float(x), float(y)))]) for x, y in steps]
            if all(promptable(alphas[0]) for _, alphas in shown):
                return [Example(rgb, tuple(alphas)) for rgb, alphas in shown]


def mirrored(example: Example) -> Example:
    """Left is right."""
    return replace(
        example,
        rgb=np.ascontiguousarray(example.rgb[:, ::-1]),
        alphas=tuple(np.ascontiguousarray(alpha[:, ::-1]) for alpha in example.alphas),
    )
