"""Alphas of locked objects by a matting adapter, which looks at the picture of a view; the geometry keeps hold of them.

The geometry says where an object is, and so prompts the mask decoder: points well inside, a box, and the rendered alpha
as a mask. What the adapter makes of it counts near the object only. Where it is another thing altogether, the alpha of
the geometry stays, so that no lock is lost in any view; and what several objects claim of a pixel is shared.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from scipy import ndimage
from torch import Tensor

from samnerf.feature_map import FeatureMap, content_size
from samnerf.masks import mask_window
from samnerf.matting.matter import Matter
from samnerf.objects.lifting import interior_points
from samnerf.objects.object_rendering import HALF, ObjectAlphas
from samnerf.prompts import Box, Point, PromptSet
from samnerf.view import View

SAME = 0.7
"""IoU with the object's mask below which an answer is about something else."""
MARGIN = 1 / 32
"""How far from the object's mask alpha may reach, as a part of the picture's longer side; a pixel at least."""
SMALLEST = 32
"""Pixels of a mask from which on the adapter is asked; of less it sees too little."""
POINTS = 3
"""Well inside the mask."""
LOGITS_PER_CELL = 4
"""Of a SAM's mask decoder, along each side of a cell of its feature map."""
SURE = 10.0
"""Greatest logit of the mask that the adapter is shown."""


@dataclass(frozen=True, eq=False)
class Layer:
    """The pixels, counted row by row and ascending, that show something of an object, and how much of it, 0 to 1."""

    rays: Int[Tensor, " shown"]
    alpha: Float[Tensor, " shown"]

    @staticmethod
    def of(alpha: Float[Tensor, "height width"]) -> "Layer":
        """Of a whole picture."""
        rays = alpha.flatten().nonzero()[:, 0]
        return Layer(rays, alpha.flatten()[rays])


@dataclass(frozen=True, eq=False)
class AdaptedAlphas:
    """Alphas of a view.

    Attributes:
        alphas: of all objects; they sum to at most 1 in each pixel.
        kept: places in the sequence of objects of those which keep the geometry's alpha because the adapter, when it
            was asked, saw something else.
    """

    alphas: ObjectAlphas
    kept: tuple[int, ...]


def adapted_alphas(view: View, geometry: ObjectAlphas, matter: Matter) -> AdaptedAlphas:
    """The alphas of locked objects as an adapter sees them.

    Args:
        view: of the same camera; its features are decoded.
        geometry: what was rendered of the objects there.
        matter: with the adapter.
    """
    asked: dict[int, Layer] = {}
    for index in range(len(geometry.rays)):
        rendered = geometry.alpha(index).clamp(0, 1)
        if int((rendered > HALF).sum()) >= SMALLEST:
            asked[index] = Layer.of(confined(_decoded(view, rendered, matter), (rendered > HALF).numpy()))
    return reconciled(geometry, asked)


def confined(
    alpha: Float[Tensor, "height width"], mask: Bool[np.ndarray, "height width"]
) -> Float[Tensor, "height width"]:
    """An alpha without what lies further from a mask than the margin."""
    margin = max(1.0, MARGIN * max(mask.shape))
    near = np.asarray(ndimage.distance_transform_edt(~mask)) <= margin
    return torch.where(torch.from_numpy(near), alpha, 0)


def reconciled(geometry: ObjectAlphas, asked: Mapping[int, Layer]) -> AdaptedAlphas:
    """Alphas that sum to at most 1, each with its object's mask or else the geometry's own.

    What the geometry's own alphas leave of a pixel is shared among the others in proportion to what they claim. An
    object that has lost its mask by that takes back its geometry, too, until all agree.

    Args:
        geometry: sums to at most 1.
        asked: what the adapter says of the objects that it was asked of, by their places.
    """
    masks = {index: geometry.rays[index][geometry.alphas[index] > HALF] for index in asked}
    adapted = {index: layer for index, layer in asked.items() if _agrees(layer, masks[index])}
    while True:
        shared = _shared(geometry, adapted)
        agreeing = {index: layer for index, layer in adapted.items() if _agrees(shared[index], masks[index])}
        if len(agreeing) == len(adapted):
            break
        adapted = agreeing
    layers = [
        shared.get(index, Layer(rays, alpha))
        for index, (rays, alpha) in enumerate(zip(geometry.rays, geometry.alphas, strict=True))
    ]
    alphas = ObjectAlphas(geometry.image_size, tuple(one.rays for one in layers), tuple(one.alpha for one in layers))
    return AdaptedAlphas(alphas, tuple(index for index in asked if index not in adapted))


def _shared(geometry: ObjectAlphas, adapted: Mapping[int, Layer]) -> dict[int, Layer]:
    free = torch.ones(geometry.image_size[0] * geometry.image_size[1])
    claimed = torch.zeros_like(free)
    for index, (rays, alpha) in enumerate(zip(geometry.rays, geometry.alphas, strict=True)):
        if index not in adapted:
            free.index_add_(0, rays, -alpha)
    for layer in adapted.values():
        claimed.index_add_(0, layer.rays, layer.alpha)
    share = (free.clamp_min(0) / claimed.clamp_min(1e-9)).clamp_max(1)
    return {index: Layer(layer.rays, layer.alpha * share[layer.rays]) for index, layer in adapted.items()}


def _agrees(layer: Layer, mask: Int[Tensor, " inside"]) -> bool:
    shown = layer.rays[layer.alpha > HALF]
    common = int(torch.isin(shown, mask, assume_unique=True).sum())
    return common >= SAME * (len(shown) + len(mask) - common)


def _decoded(view: View, rendered: Float[Tensor, "height width"], matter: Matter) -> Float[Tensor, "height width"]:
    """What the adapter makes of an object that is rendered so."""
    feature_map = view.feature_map("sam")
    prompts = shape_prompts((rendered > HALF).numpy())
    image = view.rgb if matter.refine else None
    shown = mask_logits(rendered, feature_map, LOGITS_PER_CELL * feature_map.side)
    return matter.decode(feature_map, [prompts], image, [shown.to(feature_map.values.device)])


def shape_prompts(mask: Bool[np.ndarray, "height width"]) -> PromptSet:
    """Points well inside of a mask that is not empty, and a box around it."""
    rows, columns = mask_window(mask)
    box = Box(float(columns.start), float(rows.start), float(columns.stop), float(rows.stop))
    points = tuple(Point(column + 0.5, row + 0.5) for row, column in interior_points(mask, POINTS))
    return PromptSet(points=points, boxes=(box,))


def mask_logits(
    alpha: Float[Tensor, "height width"], feature_map: FeatureMap, side: int
) -> Float[Tensor, "1 side side"]:
    """An alpha as a mask decoder is shown it: logits on its own grid, over which the image lies as over the map's."""
    rows, columns = content_size(feature_map.image_size, side, feature_map.layout)
    grid = torch.zeros(side, side)
    grid[:rows, :columns] = F.interpolate(alpha[None, None].float(), (rows, columns), mode="area")[0, 0]
    return torch.logit(grid, eps=1e-9).clamp(-SURE, SURE)[None]
