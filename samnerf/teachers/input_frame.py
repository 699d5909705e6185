"""The square that SAM's image encoders see: prompts of an image go into its frame, masks come out of it.

Shared by the mask decoders of SAM and SAM 2.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from samnerf.errors import SamNerfError
from samnerf.feature_map import FeatureMap, content_size
from samnerf.prompts import PromptSet


@dataclass(frozen=True)
class FramedPrompts:
    """Prompts in pixels of the input square.

    Attributes:
        clicks: (x, y) of points, and of the clicks that scribbles stand for.
        labels: 1 adds, 0 takes away.
        box: (x1, y1, x2, y2), if there is one.
    """

    clicks: Float[Tensor, "clicks 2"]
    labels: Float[Tensor, " clicks"]
    box: Float[Tensor, " 4"] | None


def check_decodable(
    feature_map: FeatureMap,
    prompts: PromptSet,
    previous: Float[Tensor, "1 rows columns"] | None,
    teacher: str,
    shape: tuple[int, int, int],
) -> None:
    """Hold map and prompts against what a mask decoder takes.

    Args:
        feature_map, prompts, previous: as for `MaskDecoder.decode`.
        teacher: whose maps it reads.
        shape: [channels, side, side] of such a map.

    Raises:
        ValueError: if the map is of another teacher or has another size, or there is nothing to decode.
        SamNerfError: if a prompt lies outside the image, or there are several boxes.
    """
    check_map(feature_map, teacher, shape)
    if len(prompts.boxes) > 1:
        raise SamNerfError(f"object {prompts.name!r} has {len(prompts.boxes)} boxes; one object takes at most one")
    if not (prompts.points or prompts.scribbles or prompts.boxes) and previous is None:
        raise ValueError(f"object {prompts.name!r} has no image point, scribble or box to decode")
    prompts.check(feature_map.image_size)


def check_map(feature_map: FeatureMap, teacher: str, shape: tuple[int, int, int]) -> None:
    """Hold a map against what a mask decoder takes; arguments as for `check_decodable`.

    Raises:
        ValueError: if it is of another teacher or has another size.
    """
    if feature_map.teacher != teacher:
        raise ValueError(f"the map is of {feature_map.teacher!r} but this decoder reads {teacher!r}")
    if tuple(feature_map.values.shape) != shape:
        raise ValueError(f"the map has shape {tuple(feature_map.values.shape)}; {teacher!r} makes {shape}")


def input_scale(feature_map: FeatureMap, input_side: int) -> Float[Tensor, " 2"]:
    """Pixels of the input square per pixel of the image, along (x, y)."""
    height, width = feature_map.image_size
    rows, columns = content_size(feature_map.image_size, input_side, feature_map.layout)
    return torch.tensor([columns / width, rows / height])


def framed_prompts(feature_map: FeatureMap, prompts: PromptSet, input_side: int) -> FramedPrompts:
    """Points, scribbles and the box of an image in the frame of the square that the encoder saw."""
    scale = input_scale(feature_map, input_side)
    given = [*prompts.points, *(click for scribble in prompts.scribbles for click in scribble.clicks)]
    clicks = torch.tensor([(click.x, click.y) for click in given], dtype=torch.float32).reshape(-1, 2) * scale
    labels = torch.tensor([float(click.label) for click in given])
    box = None
    if prompts.boxes:
        given_box = prompts.boxes[0]
        corners = torch.tensor([[given_box.x1, given_box.y1], [given_box.x2, given_box.y2]], dtype=torch.float32)
        box = (corners * scale).flatten()
    return FramedPrompts(clicks, labels, box)


def full_size(
    low_resolution: Float[Tensor, "objects candidates rows columns"], feature_map: FeatureMap, input_side: int
) -> Float[Tensor, "objects candidates height width"]:
    """As `segment_anything`'s `Sam.postprocess_masks`: up to the input square, cut the padding, to the image."""
    rows, columns = content_size(feature_map.image_size, input_side, feature_map.layout)
    square = F.interpolate(low_resolution, (input_side, input_side), mode="bilinear", align_corners=False)
    return F.interpolate(square[..., :rows, :columns], feature_map.image_size, mode="bilinear", align_corners=False)
