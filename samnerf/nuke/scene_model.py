"""A trained scene as a model: the frame that it is sent gives the size, a frame number the camera."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from samnerf.camera import Camera
from samnerf.errors import SamNerfError
from samnerf.nuke.frames import Frame
from samnerf.nuke.options import option
from samnerf.objects.layers import ObjectLayers
from samnerf.objects.object_rendering import HALF, rendered_alphas
from samnerf.scene import TrainedScene
from samnerf.session import Session
from samnerf.view import View

MOST_VIEWS = 8
OUTPUTS = ("colour", "mask", "alpha", "relevancy", "depth")


@dataclass(frozen=True)
class ViewOptions:
    """Which camera, and what is shown of its view."""

    frame: int = option(1, 1, 2**31 - 1)
    """From 1, along the server's cameras; in Nuke the expression `frame`."""
    output: str = option("colour", choices=OUTPUTS)
    object: str = option("")
    """Name of a locked object, for mask and alpha."""
    phrase: str = option("")
    """Words, for relevancy."""
    bypass_srgb: bool = option(False)
    """Colour stays sRGB instead of linear light."""


class RenderedFrame:
    """What a camera sees of the scene, each part rendered when it is first asked for, and kept.

    Args:
        scene: trained.
        name: of the view.
        camera: at the size that is asked for.
    """

    def __init__(self, scene: TrainedScene, name: str, camera: Camera) -> None:
        self._scene = scene
        self._camera = camera
        self._alphas: dict[str, Float[Tensor, "height width"]] = {}
        self.view: View = scene.view(camera, name)

    @cached_property
    def colour_and_depth(self) -> tuple[Float[Tensor, "height width 3"], Float[Tensor, "height width"]]:
        """sRGB, 0 to 1, not yet rounded to 8 bits; distances along the rays, world units."""
        colour, depth = self._scene.pipeline.model.render_colour(self._camera)
        return colour.cpu(), depth.cpu()

    def alpha(self, layers: ObjectLayers, name: str) -> Float[Tensor, "height width"]:
        """How much of an object each pixel shows, behind the others that are visible.

        Raises:
            SamNerfError: if there is no such object.
        """
        asked = layers.named(name)
        if asked.name not in self._alphas:
            objects = [one for one in layers.objects if one.visible or one is asked]
            alphas = rendered_alphas(self._camera, self._scene.render_samples, objects)
            self._alphas[asked.name] = alphas.alpha(objects.index(asked))
        return self._alphas[asked.name]


class SceneModel:
    """Colour, masks and alpha of locked objects, relevancy of words, and depth of a trained scene.

    Args:
        scene: trained.
        session: makes a session with its decoders, when words are said.
        cameras: names and cameras, frame 1 first.
        layers: its locked objects.
    """

    name, label, options = "samnerf_view", "SAM-NeRF view", ViewOptions
    inputs: tuple[str, ...] = ("format",)

    def __init__(
        self,
        scene: TrainedScene,
        session: Callable[[], Session],
        cameras: Sequence[tuple[str, Camera]],
        layers: ObjectLayers = ObjectLayers(),  # noqa: B008  (frozen)
    ) -> None:
        self._scene = scene
        self._session = session
        self._cameras = cameras
        self._layers = layers
        self._rendered: OrderedDict[tuple[int, tuple[int, int]], RenderedFrame] = OrderedDict()

    @torch.no_grad()
    def infer(self, frames: Sequence[Frame], options: ViewOptions) -> Frame:
        """Linear light, 0 to 1, or distances in world units; of the size of the frame that came."""
        seen = self._frame(options.frame, frames[0].size)
        if options.output == "colour":
            return Frame.from_srgb(seen.colour_and_depth[0].numpy(), options.bypass_srgb)
        if options.output == "depth":
            return Frame.grey(seen.colour_and_depth[1].numpy())
        if options.output == "relevancy":
            return Frame.grey(self._session().relevancy(seen.view, options.phrase).cpu().numpy())
        alpha = seen.alpha(self._layers, options.object).numpy()
        return Frame.grey((alpha > HALF).astype(np.float32) if options.output == "mask" else alpha)

    def _frame(self, number: int, size: tuple[int, int]) -> RenderedFrame:
        if number > len(self._cameras):
            raise SamNerfError(f"there is no frame {number}; the server's cameras are frames 1 to {len(self._cameras)}")
        key = number, size
        if key not in self._rendered:
            name, camera = self._cameras[number - 1]
            self._rendered[key] = RenderedFrame(self._scene, name, camera.scaled(*size))
            if len(self._rendered) > MOST_VIEWS:
                self._rendered.popitem(last=False)
        self._rendered.move_to_end(key)
        return self._rendered[key]
