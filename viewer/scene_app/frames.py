"""What the scene looks like from a camera, rendered once, whatever is asked of it afterwards.

A picture is rendered in bands, so that one which nobody waits for any more is left unfinished.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from samnerf.camera import Camera
from samnerf.distill.colour_model import Rendering
from samnerf.export.exr import optical_depth
from samnerf.feature_map import FeatureMap
from samnerf.objects.editing import share_of
from samnerf.objects.layers import ObjectLayers
from samnerf.objects.object_rendering import ObjectAlphas, object_alphas
from samnerf.objects.scene_object import SceneObject
from samnerf.scene import TrainedScene
from samnerf.surface_samples import SurfaceSamples
from samnerf.teachers.pairs import Kind
from samnerf.view import DistilledView, RenderedView, View
from samnerf.viewer.scene_app.backdrop import packed_depth

BAND = 8192
"""Rays that are rendered before one looks whether they are still wanted."""


@dataclass(eq=False)
class Frame:
    """A rendered picture, and what was made of it so far.

    Attributes:
        view: can be prompted; features are rendered when they are first asked for.
        rendering: colour, depth and what the rays meet.
        full: whether it is as sharp as it gets.
    """

    view: View
    rendering: Rendering
    full: bool
    _alphas: tuple[ObjectLayers, ObjectAlphas] | None = None

    @property
    def camera(self) -> Camera:
        """From where it is seen."""
        return self.rendering.samples.camera

    def prepare(self) -> None:
        """Make what the first click would wait for: features, where the surface breaks off, depth for its marker."""
        self.view.feature_map("sam")
        _ = self.view.surface, self.packed_depth

    def alphas(self, layers: ObjectLayers) -> ObjectAlphas:
        """How much of each object the pixels show; kept until the objects change."""
        if self._alphas is None or self._alphas[0] is not layers:
            self._alphas = (layers, object_alphas(self.rendering.samples, layers.objects))
        return self._alphas[1]

    @cached_property
    def planar_depth(self) -> Float[np.ndarray, "height width"]:
        """Depth along the optical axis, as the browser composites by it; scene units."""
        return optical_depth(self.rendering.depth.numpy().astype(np.float32), self.camera)

    @cached_property
    def packed_depth(self) -> bytes:
        """The same, ready to be sent."""
        return packed_depth(self.planar_depth)


class _Rendered:
    """A renderer that has one picture already, and asks the model for features."""

    def __init__(self, rendering: Rendering, scene: TrainedScene) -> None:
        self._rendering = rendering
        self._scene = scene

    def render_colour(self, camera: Camera) -> tuple[Float[Tensor, "height width 3"], Float[Tensor, "height width"]]:
        return self._rendering.colour, self._rendering.depth

    def render_feature_maps(self, camera: Camera) -> dict[Kind, FeatureMap]:
        return self._scene.pipeline.model.render_feature_maps(camera)


def render_frame(
    scene: TrainedScene,
    camera: Camera,
    name: str,
    layers: ObjectLayers,
    removed: frozenset[int] = frozenset(),
    full: bool = True,
    wanted: Callable[[], bool] = lambda: True,
) -> Frame | None:
    """Render a picture; None if it was no longer wanted before it was done.

    Args:
        scene: where the camera is.
        camera: with the size of the picture.
        name: of the view.
        layers: the objects.
        removed: IDs of objects that are taken out of the world; those that do not exist take nothing out.
        full: whether it is as sharp as it gets.
        wanted: asked between bands.
    """
    gone = [one for one in layers.objects if one.object_id in removed]
    rows = max(1, BAND // camera.width)
    bands = []
    for top in range(0, camera.height, rows):
        if not wanted():
            return None
        band = replace(camera, cy=camera.cy - top, height=min(rows, camera.height - top))
        bands.append(_render_without(scene.pipeline.model, band, gone, layers))
    rendering = _joined(bands, camera)
    rendered = _Rendered(rendering, scene)
    view = (
        DistilledView(name, camera, rendered) if scene.distilled else RenderedView(name, camera, rendered, scene.encode)
    )
    return Frame(view, rendering, full)


def _render_without(model: Any, camera: Camera, gone: list[SceneObject], layers: ObjectLayers) -> Rendering:
    if not gone:
        return model.render(camera)
    share = share_of(gone, layers)
    with model.edited(lambda positions: 1 - share(positions)):
        return model.render(camera)


def _joined(bands: list[Rendering], camera: Camera) -> Rendering:
    return Rendering(
        torch.cat([band.colour for band in bands]),
        torch.cat([band.opacity for band in bands]),
        torch.cat([band.depth for band in bands]),
        SurfaceSamples(
            camera,
            torch.cat([band.samples.positions for band in bands]),
            torch.cat([band.samples.weights for band in bands]),
        ),
    )
