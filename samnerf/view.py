"""Whatever can be prompted: a picture, perhaps with depth and a camera, and the features that decoders read.

A view has one of three sources. `DistilledView` renders its features from the field, `RenderedView` renders its
colour and runs the teachers' encoders on it, `ImageView` is a photograph with the encoders run on it. Who asks for
masks never asks which. Everything is computed when it is first asked for, and kept.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from samnerf.camera import Camera
from samnerf.feature_map import FeatureMap
from samnerf.teachers.pairs import Kind
from samnerf.visible_surface import VisibleSurface

Encode = Callable[[Kind, UInt8[np.ndarray, "height width 3"]], FeatureMap]
"""Runs the encoder of a kind ("sam", "clipseg") on an sRGB image."""


@runtime_checkable
class Renderer(Protocol):
    """A trained field, seen from here."""

    def render_colour(self, camera: Camera) -> tuple[Float[Tensor, "height width 3"], Float[Tensor, "height width"]]:
        """Colour, 0 to 1, and distance along each pixel's ray, world units."""
        ...


@runtime_checkable
class FeatureRenderer(Renderer, Protocol):
    """A trained field into which teachers were distilled."""

    def render_feature_maps(self, camera: Camera) -> dict[Kind, FeatureMap]:
        """One map of each kind."""
        ...


class View(ABC):
    """One picture that can be prompted.

    Attributes:
        name: what prompt files and result files call it.
        image_size: (H, W) in pixels.
        camera: where it was seen from; None for a picture of which that is unknown.
        encode: runs the encoders on this picture or a part of it; None where features are rendered instead.
    """

    encode: Encode | None = None

    def __init__(self, name: str, image_size: tuple[int, int], camera: Camera | None) -> None:
        self.name = name
        self.image_size = image_size
        self.camera = camera
        self._feature_maps: dict[Kind, FeatureMap] = {}

    @property
    @abstractmethod
    def rgb(self) -> UInt8[np.ndarray, "height width 3"]:
        """The picture, sRGB."""

    @property
    @abstractmethod
    def depth(self) -> Float[Tensor, "height width"] | None:
        """Distance along each pixel's ray, world units; None where there is no geometry."""

    @cached_property
    def surface(self) -> VisibleSurface | None:
        """Which neighbouring pixels see the same surface; None where there is no geometry."""
        return None if self.camera is None or self.depth is None else VisibleSurface.of(self.camera, self.depth)

    @abstractmethod
    def _make_feature_map(self, kind: Kind) -> FeatureMap: ...

    def feature_map(self, kind: Kind) -> FeatureMap:
        """What the teacher of this kind ("sam", "clipseg") says of the view."""
        if kind not in self._feature_maps:
            self._feature_maps[kind] = self._make_feature_map(kind)
        return self._feature_maps[kind]


class _FieldView(View):
    """A view whose picture is rendered."""

    def __init__(self, name: str, camera: Camera, renderer: Renderer) -> None:
        super().__init__(name, camera.image_size, camera)
        self._camera = camera
        self._renderer = renderer

    @cached_property
    def _colour_and_depth(self) -> tuple[UInt8[np.ndarray, "height width 3"], Float[Tensor, "height width"]]:
        colour, depth = self._renderer.render_colour(self._camera)
        return (colour.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy(), depth.cpu()

    @property
    def rgb(self) -> UInt8[np.ndarray, "height width 3"]:
        """The picture, sRGB, rendered at full size."""
        return self._colour_and_depth[0]

    @property
    def depth(self) -> Float[Tensor, "height width"]:
        """Distance along each pixel's ray, world units, rendered at full size."""
        return self._colour_and_depth[1]


class DistilledView(_FieldView):
    """Features rendered from the field; no image encoder runs, and colour is rendered only when asked for."""

    def __init__(self, name: str, camera: Camera, renderer: FeatureRenderer) -> None:
        super().__init__(name, camera, renderer)
        self._feature_renderer = renderer

    def _make_feature_map(self, kind: Kind) -> FeatureMap:
        # One pass gives the maps of all kinds.
        self._feature_maps = self._feature_renderer.render_feature_maps(self._camera)
        return self._feature_maps[kind]


class RenderedView(_FieldView):
    """Colour rendered from the field, then the encoders run on it: what one does without distillation."""

    def __init__(self, name: str, camera: Camera, renderer: Renderer, encode: Encode) -> None:
        super().__init__(name, camera, renderer)
        self.encode = encode

    def _make_feature_map(self, kind: Kind) -> FeatureMap:
        assert self.encode is not None
        return self.encode(kind, self.rgb)


class ImageView(View):
    """A photograph, with the encoders run on it; camera and depth are known for some."""

    def __init__(
        self,
        name: str,
        image: UInt8[np.ndarray, "height width 3"],
        encode: Encode,
        camera: Camera | None = None,
        depth: Float[Tensor, "height width"] | None = None,
    ) -> None:
        super().__init__(name, (image.shape[0], image.shape[1]), camera)
        self._image = image
        self._depth = depth
        self.encode = encode

    @property
    def rgb(self) -> UInt8[np.ndarray, "height width 3"]:
        """The photograph, sRGB."""
        return self._image

    @property
    def depth(self) -> Float[Tensor, "height width"] | None:
        """Distance along each pixel's ray, world units, if it was given."""
        return self._depth

    def _make_feature_map(self, kind: Kind) -> FeatureMap:
        assert self.encode is not None
        return self.encode(kind, self._image)
