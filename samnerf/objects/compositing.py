"""Tints, outlines and backgrounds on rendered pictures, through the soft mattes of objects.

Colours of pictures are 0 to 1; those of objects are sRGB, 0 to 255. Pixels that a matte does not touch stay as they
are, bit for bit.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from samnerf.masks import mask_window
from samnerf.objects.object_rendering import HALF, ObjectAlphas
from samnerf.objects.scene_object import Colour, SceneObject

TINT = 0.45
OUTLINE_SHARE = 1 / 200
"""Width of outlines, as a part of the shorter side."""


def tinted(
    picture: Float[Tensor, "height width 3"], alpha: Float[Tensor, "height width"], colour: Colour, strength: float
) -> Float[Tensor, "height width 3"]:
    """A picture with a colour over what a matte shows; strength 0 leaves the picture, 1 gives the flat colour."""
    return _laid_over(picture, alpha, _tone(colour), lambda matte: strength * matte)


def rim(alpha: Float[Tensor, "height width"], width: float) -> Float[Tensor, "height width"]:
    """The part of a matte that lies within `width` pixels of its outside, 0 to 1; smooth on its inner side.

    It lies within the object, so that neighbours keep theirs, and the border of the image is no rim.
    """
    inside = (alpha > HALF).numpy()
    if inside.all():
        return torch.zeros_like(alpha)
    depths = torch.from_numpy(cv2.distanceTransform(inside.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE))
    return torch.where(depths > 0, alpha * (width + 1 - depths).clamp(0, 1), 0)


def outlined(
    picture: Float[Tensor, "height width 3"], alpha: Float[Tensor, "height width"], colour: Colour, width: float
) -> Float[Tensor, "height width 3"]:
    """A picture with a line along the rim of what a matte shows, in a colour made a little lighter."""
    lighter = 0.8 * _tone(colour) + 0.2
    return _laid_over(picture, alpha, lighter, lambda matte: rim(matte, width))


def over(
    picture: Float[Tensor, "height width 3"], alpha: Float[Tensor, "height width"], background: Colour
) -> Float[Tensor, "height width 3"]:
    """What a matte shows of a picture, before a colour."""
    return alpha[..., None] * picture + (1 - alpha[..., None]) * _tone(background)


def objects_picture(
    picture: Float[Tensor, "height width 3"], shown: ObjectAlphas, objects: Sequence[SceneObject]
) -> Float[Tensor, "height width 3"]:
    """A picture with every visible object tinted and outlined in its colour.

    Args:
        picture: the colours.
        shown: mattes of the objects.
        objects: visible or not.
    """
    width = max(1.0, OUTLINE_SHARE * min(shown.image_size))
    visible = [(shown.alpha(index), one.colour) for index, one in enumerate(objects) if one.visible]
    for alpha, colour in visible:
        picture = tinted(picture, alpha, colour, TINT)
    for alpha, colour in visible:
        picture = outlined(picture, alpha, colour, width)
    return picture


def id_picture(shown: ObjectAlphas, objects: Sequence[SceneObject]) -> Float[Tensor, "height width 3"]:
    """The colour of the visible object that fills more than half of each pixel, and black where there is none."""
    picture = torch.zeros(shown.image_size[0] * shown.image_size[1], 3)
    for one, rays, alphas in zip(objects, shown.rays, shown.alphas, strict=True):
        if one.visible:
            picture[rays[alphas > HALF]] = _tone(one.colour)
    return picture.reshape(*shown.image_size, 3)


def _laid_over(
    picture: Float[Tensor, "height width 3"],
    alpha: Float[Tensor, "height width"],
    tone: Float[Tensor, "3"],
    share: Callable[[Float[Tensor, "rows columns"]], Float[Tensor, "rows columns"]],
) -> Float[Tensor, "height width 3"]:
    """A picture with a share of a colour over it, worked out in the window that holds the matte and a rim outside."""
    window = mask_window((alpha > 0).numpy(), 1)
    below, laid = picture[window], picture.clone()
    laid[window] = below + share(alpha[window])[..., None] * (tone - below)
    return laid


def _tone(colour: Colour) -> Float[Tensor, "3"]:
    return torch.tensor(colour) / 255
