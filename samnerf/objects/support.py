"""The views from which an object is judged: what a decoder reads there, and what each ray meets.

Features and rays depend on the scene alone. They are rendered when they are first needed, kept, and serve every object.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from samnerf.camera import Camera
from samnerf.objects.probability_grid import ProbabilityGrid
from samnerf.surface_samples import SurfaceSamples
from samnerf.teachers.pairs import Kind
from samnerf.view import View
from samnerf.visible_surface import VisibleSurface

RAYS = 128
"""Along the longer side of a view: enough for masks that a decoder gives with as many logits."""
MOST_VIEWS = 24

RenderSamples = Callable[[Camera], SurfaceSamples]


@dataclass(frozen=True, eq=False)
class SupportView:
    """A view, and what the rays through a grid over it meet.

    Attributes:
        view: what is prompted.
        samples: on the grid.
    """

    view: View
    _render_samples: RenderSamples

    @property
    def name(self) -> str:
        """Of the view."""
        return self.view.name

    @cached_property
    def samples(self) -> SurfaceSamples:
        """What the rays meet; rendered when first asked for."""
        height, width = self.view.image_size
        scale = min(1.0, RAYS / max(height, width))
        size = max(1, round(height * scale)), max(1, round(width * scale))
        return self._render_samples(_camera(self.view).scaled(*size))

    @cached_property
    def surface(self) -> VisibleSurface:
        """Which neighbouring rays meet the same surface."""
        return VisibleSurface.of(self.samples.camera, self.samples.distances.reshape(self.grid_size))

    @property
    def grid_size(self) -> tuple[int, int]:
        """Rows and columns of rays."""
        return self.samples.camera.image_size

    def on_grid(self, mask: Bool[Tensor, "height width"]) -> Float[Tensor, " rays"]:
        """How much of each ray's pixel a mask of the view covers."""
        covered = functional.interpolate(mask.float()[None, None], self.grid_size, mode="area")
        return covered.flatten()

    def alpha(self, grid: ProbabilityGrid) -> Float[Tensor, "rows columns"]:
        """How much of the object each ray meets, 0 to 1."""
        return object_alpha(self.samples, grid)

    def to_view(self, row: float, column: float) -> tuple[float, float]:
        """(x, y) in pixels of the view from a place on the grid of rays, in rows and columns from its corner."""
        rows, columns = self.grid_size
        return column * self.view.image_size[1] / columns, row * self.view.image_size[0] / rows

    def to_grid(self, x: float, y: float) -> tuple[int, int]:
        """(row, column) of the ray whose pixel holds a place of the view."""
        rows, columns = self.grid_size
        return int(y * rows / self.view.image_size[0]), int(x * columns / self.view.image_size[1])


def object_alpha(samples: SurfaceSamples, grid: ProbabilityGrid) -> Float[Tensor, "rows columns"]:
    """How much of the object each ray meets, 0 to 1."""
    near = grid.holds(samples.positions)
    alpha = torch.zeros(len(samples.weights))
    alpha.index_add_(0, near.nonzero()[:, 0], samples.weights[near] * grid.at(samples.positions[near]))
    return alpha.reshape(samples.camera.image_size)


class Support:
    """All support views of a scene.

    Args:
        views: every view that could serve, with cameras.
        render_samples: of the scene.
        most_views: how many are asked about one object at most.
    """

    def __init__(self, views: Sequence[View], render_samples: RenderSamples, most_views: int = MOST_VIEWS) -> None:
        self._render_samples = render_samples
        self._most_views = most_views
        self.views = [SupportView(view, render_samples) for view in views]

    def of(self, view: View) -> SupportView:
        """A view with its rays; one of the support's own if it is among them."""
        return next((one for one in self.views if one.name == view.name), SupportView(view, self._render_samples))

    def prepare(self, kind: Kind) -> None:
        """Render now what views keep, features of a kind and rays; else the first object waits for them."""
        for one in self.views:
            one.view.feature_map(kind)
            assert one.samples

    def spread(self, count: int | None = None) -> list[SupportView]:
        """Views from places as different as can be, the first of them first; by default as many as the support asks."""
        count = self._most_views if count is None else count
        positions = torch.stack([_camera(one.view).position for one in self.views])
        order = _spread(positions, count, (positions - positions[0]).norm(dim=1).index_fill(0, torch.tensor(0), 1e9))
        return [self.views[i] for i in order]

    def chosen(self, first: View, points: Float[Tensor, "points 3"], count: int | None = None) -> list[SupportView]:
        """Views that look at world points, from places as different as can be; what hides the points is not asked.

        Args:
            first: the first place; a view of this name is among the chosen only as itself.
            points: of the object.
            count: at most; by default as many as the support asks.
        """
        looking = [one for one in self.views if one.name != first.name and _looks_at(one.view, points)]
        if not looking:
            return []
        centre = points.mean(dim=0)

        def direction(view: View) -> Float[Tensor, "3"]:
            return functional.normalize(_camera(view).position - centre, dim=0)

        directions = torch.stack([direction(one.view) for one in looking])
        most = self._most_views if count is None else count
        order = _spread(directions, most, (directions - direction(first)).norm(dim=1))
        return [looking[i] for i in order]


def _spread(places: Float[Tensor, "places 3"], count: int, distances: Float[Tensor, " places"]) -> list[int]:
    """Places each as far as can be from those before; `distances` are those from what was taken already."""
    chosen: list[int] = []
    while len(chosen) < min(count, len(places)):
        furthest = int(distances.argmax())
        chosen.append(furthest)
        distances = torch.minimum(distances, (places - places[furthest]).norm(dim=1))
        distances[furthest] = -1
    return chosen


def _camera(view: View) -> Camera:
    assert view.camera is not None
    return view.camera


def _looks_at(view: View, points: Float[Tensor, "points 3"]) -> bool:
    _, _, inside = _camera(view).project(points)
    return bool(inside.float().mean() >= 0.5)


def grid_mask(alpha: Float[Tensor, "rows columns"]) -> Bool[np.ndarray, "rows columns"]:
    """Where a ray meets the object more than anything else."""
    return (alpha > 0.5).numpy()
