"""Views of a scene after edits: what changes the world is rendered, what changes the picture is laid over it.

Both halves can be had alone: who only changes a tint need not render again.
"""

import contextlib
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from nerfstudio.model_components.renderers import background_color_override_context
from torch import Tensor

from samnerf.camera import Camera
from samnerf.distill.colour_model import ColourModel, Rendering
from samnerf.objects.compositing import outlined, over, tinted
from samnerf.objects.editing import Edits, share_of
from samnerf.objects.layers import ObjectLayers
from samnerf.objects.object_rendering import object_alphas
from samnerf.objects.scene_object import SceneObject

LEAST_OPACITY = 1e-3
"""Opacity below which a ray has no colour of its own."""


@dataclass(frozen=True, eq=False)
class EditedPicture:
    """A view after edits; all on the CPU.

    Attributes:
        colour: 0 to 1, not multiplied by alpha.
        alpha: 0 where isolated objects are not, and 1 everywhere without isolation or with a background.
        depth: median distance along each ray, world units.
    """

    colour: Float[Tensor, "height width 3"]
    alpha: Float[Tensor, "height width"]
    depth: Float[Tensor, "height width"]


def render_edited(model: ColourModel, camera: Camera, layers: ObjectLayers, edits: Edits) -> EditedPicture:
    """A view after edits.

    Raises:
        SamNerfError: if an object does not exist, or is to be shown and removed.
    """
    return composited(render_world(model, camera, layers, edits), layers, edits)


def render_world(model: ColourModel, camera: Camera, layers: ObjectLayers, edits: Edits) -> Rendering:
    """A view of the world without what edits take out of it.

    Raises:
        SamNerfError: if an object does not exist, or is to be shown and removed.
    """
    chosen = edits.of(layers)
    with contextlib.ExitStack() as stack:
        if chosen.removed:
            gone = share_of(chosen.removed, layers)
            stack.enter_context(model.edited(lambda positions: 1 - gone(positions)))
        if not edits.whole:
            return model.render(camera)
        stack.enter_context(model.edited(share_of(chosen.isolated, layers)))
        # Rays that meet nothing take the colour of their last sample, which is none of the object's.
        stack.enter_context(background_color_override_context(torch.zeros(3)))
        rendering = model.render(camera)
    opacity = rendering.opacity[..., None]
    colour = (rendering.colour / opacity.clamp_min(LEAST_OPACITY)).clamp(0, 1)
    return replace(rendering, colour=colour)


def composited(world: Rendering, layers: ObjectLayers, edits: Edits) -> EditedPicture:
    """What `render_world` gave, with tints, outlines and cutouts.

    Args:
        world: rendered with edits that isolate, show whole and remove the same objects.
        layers: the objects.
        edits: all of them.

    Raises:
        SamNerfError: if an object does not exist, or is to be shown and removed.
    """
    chosen = edits.of(layers)
    colour, alpha = world.colour, torch.ones(world.samples.camera.image_size)
    cut_out = chosen.isolated if not edits.whole else ()
    if edits.whole:
        alpha = world.opacity
    if cut_out or chosen.tinted or chosen.outlined:
        # All objects, because each has what others leave.
        shown = object_alphas(world.samples, layers.objects)

        def matte(one: SceneObject) -> Float[Tensor, "height width"]:
            return shown.alpha(next(index for index, other in enumerate(layers.objects) if other is one))

        if cut_out:
            alpha = torch.stack([matte(one) for one in cut_out]).sum(dim=0).clamp(0, 1)
        for one, tint in chosen.tinted:
            colour = tinted(colour, matte(one), tint.colour or one.colour, tint.strength)
        for one in chosen.outlined:
            colour = outlined(colour, matte(one), one.colour, edits.outline_width)
    if edits.background is not None:
        colour, alpha = over(colour, alpha, edits.background), torch.ones_like(alpha)
    return EditedPicture(colour, alpha, world.depth)
