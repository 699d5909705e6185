"""Everything in a picture, unasked: masks for each point of a grid, of which the good and distinct ones stay.

The method, its parameters and its order are those of `segment_anything.SamAutomaticMaskGenerator` (Kirillov et al.
2023, arXiv:2304.02643, appendix B), on top of any SAM teacher behind our contracts and any view. Of a view whose
features are rendered only the whole picture can be searched, because crops have to be encoded.
"""

from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor
from torchvision.ops import nms

from samnerf.errors import SamNerfError
from samnerf.images.result import ImageMask
from samnerf.images.search_grid import Crop, grid_points, image_crops
from samnerf.images.settings import ImageSettings
from samnerf.mask_cleaning import clean_mask
from samnerf.teachers.contracts import BatchMaskDecoder, MaskDecoder
from samnerf.view import View

NEAR = 20.0
"""Masks that end within so many pixels of a crop's edge are cut off by it, and dropped."""
PIXELS_AT_ONCE = 2**25
"""Of all masks that are held at full size at the same time."""
INPUT_PIXELS_PER_LOGIT = 16
"""Of the square that SAM's encoder sees; on their way to full size, masks pass through it."""


@dataclass(frozen=True)
class RunLengths:
    """A mask as the lengths of its runs, row by row, the first of which (it may have length 0) lies outside."""

    image_size: tuple[int, int]
    lengths: Int[np.ndarray, " runs"]

    @staticmethod
    def of(mask: Bool[np.ndarray, "height width"]) -> "RunLengths":
        """Encode."""
        flat = np.concatenate([[False], mask.ravel()])
        changes = np.flatnonzero(flat[1:] != flat[:-1])
        return RunLengths((mask.shape[0], mask.shape[1]), np.diff(changes, prepend=0, append=mask.size))

    @property
    def mask(self) -> Bool[np.ndarray, "height width"]:
        """Decode."""
        return np.repeat(np.arange(len(self.lengths)) % 2 == 1, self.lengths).reshape(self.image_size)


@dataclass
class Found:
    """Masks found so far; row i of everything belongs to mask i.

    Attributes:
        encoded: the masks as `RunLengths`, at the size of the picture.
        scores: predicted IoU.
        stabilities: IoU between the masks above a raised and a lowered threshold.
        boxes: first and last column and row, (x1, y1, x2, y2), in pixels of the picture.
        points: points of the grid, (x, y) in pixels of the picture.
        crop_areas: pixels of the crop that was searched.
    """

    encoded: Shaped[np.ndarray, " masks"]
    scores: Float[Tensor, " masks"]
    stabilities: Float[Tensor, " masks"]
    boxes: Float[Tensor, "masks 4"]
    points: Float[Tensor, "masks 2"]
    crop_areas: Float[Tensor, " masks"]

    def take(self, rows: Int[Tensor, " rows"]) -> "Found":
        """Only these masks, in this order."""
        kept = {one.name: getattr(self, one.name) for one in fields(self)}
        return Found(**{name: value[rows.numpy() if name == "encoded" else rows] for name, value in kept.items()})

    @staticmethod
    def joined(parts: list["Found"]) -> "Found":
        """All masks of all parts, in order."""
        columns = {one.name: [getattr(part, one.name) for part in parts] for one in fields(Found)}
        encoded = np.concatenate(columns.pop("encoded"))
        return Found(encoded, **{name: torch.cat(values) for name, values in columns.items()})


@torch.no_grad()
def automatic_masks(view: View, decoder: MaskDecoder, settings: ImageSettings) -> tuple[ImageMask, ...]:
    """Masks of everything that the grid finds, the best first; there may be none.

    Raises:
        SamNerfError: if the decoder answers one object at a time only, or if features are rendered and crops asked for.
    """
    if not isinstance(decoder, BatchMaskDecoder):
        raise SamNerfError(
            f"automatic masks need a decoder that answers many points at once; {decoder.teacher!r} has none"
        )
    crops = image_crops(view.image_size, settings.crop_n_layers, settings.crop_overlap_ratio)
    if len(crops) > 1 and view.encode is None:
        raise SamNerfError(
            f"the features of view {view.name!r} are rendered, and of crops they would have to be encoded; "
            "set crop_n_layers to 0"
        )
    found = Found.joined([_search(view, crop, decoder, settings) for crop in crops])
    if len(crops) > 1:
        found = found.take(_distinct(found.boxes, 1 / found.crop_areas, settings.crop_nms_thresh))
    if settings.min_mask_region_area > 0:
        found = _without_small_regions(found, settings)
    return tuple(
        ImageMask(i + 1, encoded.mask, float(score), float(stability), (float(x), float(y)))
        for i, (encoded, score, stability, (x, y)) in enumerate(
            zip(found.encoded, found.scores, found.stabilities, found.points, strict=True)
        )
    )


def _search(view: View, crop: Crop, decoder: BatchMaskDecoder, settings: ImageSettings) -> Found:
    """The distinct masks of one crop."""
    if crop.layer == 0:
        feature_map = view.feature_map("sam")
    else:
        assert view.encode is not None
        part = np.ascontiguousarray(view.rgb[crop.y1 : crop.y2, crop.x1 : crop.x2])
        feature_map = view.encode("sam", part)
    per_side = max(1, int(settings.points_per_side / settings.crop_n_points_downscale_factor**crop.layer))
    points = torch.from_numpy(grid_points(crop, per_side))
    parts = []
    for some in points.split(settings.points_per_batch):
        answer = decoder.decode_batch(feature_map, some[:, None], torch.ones(len(some), 1, dtype=torch.int64))
        scores = answer.scores.flatten()
        good = scores > settings.iou_thres if settings.iou_thres > 0 else torch.ones_like(scores, dtype=torch.bool)
        logits = answer.low_resolution_logits.flatten(0, 1)[good]
        asked = some.repeat_interleave(answer.scores.shape[1], dim=0)[good.cpu()]
        at_once = max(1, PIXELS_AT_ONCE // max(crop.area, INPUT_PIXELS_PER_LOGIT * logits.shape[1:].numel()))
        chunks = zip(logits.split(at_once), scores[good].split(at_once), asked.split(at_once), strict=True)
        parts += [
            _stable(decoder.full_size(low[:, None], feature_map)[:, 0], s, p, view, crop, settings)
            for low, s, p in chunks
        ]
    found = Found.joined(parts)
    return found.take(_distinct(found.boxes, found.scores, settings.box_nms_thresh))


def _stable(
    logits: Float[Tensor, "masks height width"],
    scores: Float[Tensor, " masks"],
    points: Float[Tensor, "masks 2"],
    view: View,
    crop: Crop,
    settings: ImageSettings,
) -> Found:
    """Those masks of a crop that are stable, not empty and not cut off by its edge."""
    threshold, offset = settings.mask_threshold, settings.stability_score_offset
    inner = (logits > threshold + offset).sum(dim=(1, 2))
    outer = (logits > threshold - offset).sum(dim=(1, 2))
    stabilities = inner / outer.clamp_min(1)
    masks = logits > threshold
    boxes = _extents(masks) + torch.tensor([crop.x1, crop.y1, crop.x1, crop.y1], device=masks.device)
    keep = masks.any(dim=2).any(dim=1) & ~_cut_off(boxes, crop, view.image_size)
    if settings.stability_score_thresh > 0:
        keep &= stabilities >= settings.stability_score_thresh
    kept = keep.cpu()
    return Found(
        _encoded(masks[keep], crop, view.image_size),
        scores[keep].float().cpu(),
        stabilities[keep].cpu(),
        boxes[keep].float().cpu(),
        points[kept] + torch.tensor([crop.x1, crop.y1]),
        torch.full((int(kept.sum()),), float(crop.area)),
    )


def _extents(masks: Bool[Tensor, "masks height width"]) -> Int[Tensor, "masks 4"]:
    """First and last column and row, (x1, y1, x2, y2); arbitrary for empty masks."""
    columns, rows = masks.any(dim=1).to(torch.uint8), masks.any(dim=2).to(torch.uint8)
    first = [columns.argmax(dim=1), rows.argmax(dim=1)]
    last = [line.shape[1] - 1 - line.flip(1).argmax(dim=1) for line in (columns, rows)]
    return torch.stack(first + last, dim=1)


def _cut_off(boxes: Int[Tensor, "masks 4"], crop: Crop, image_size: tuple[int, int]) -> Bool[Tensor, " masks"]:
    """Whether a mask ends at an edge of the crop that is none of the picture."""
    edges = boxes.new_tensor([crop.x1, crop.y1, crop.x2, crop.y2])
    borders = boxes.new_tensor([0, 0, image_size[1], image_size[0]])
    return (((boxes - edges).abs() <= NEAR) & ((boxes - borders).abs() > NEAR)).any(dim=1)


def _distinct(
    boxes: Float[Tensor, "masks 4"], preferences: Float[Tensor, " masks"], overlap: float
) -> Int[Tensor, " rows"]:
    """Masks whose boxes overlap none that is preferred, the most preferred first.

    Boxes without width or height get one pixel; SAM's rule would never find two of them the same.
    """
    flat = boxes[:, 2:] == boxes[:, :2]
    return nms(torch.cat([boxes[:, :2], boxes[:, 2:] + flat], dim=1), preferences, overlap)


def _without_small_regions(found: Found, settings: ImageSettings) -> Found:
    """Masks cleaned of small holes and islands; of those that are now the same, one that needed no cleaning stays."""
    area = settings.min_mask_region_area - 1
    untouched = torch.ones(len(found.encoded))
    for i, encoded in enumerate(found.encoded):
        mask = encoded.mask
        cleaned = clean_mask(mask, area, area)
        if (cleaned != mask).any():
            untouched[i] = 0
            found.encoded[i] = RunLengths.of(cleaned)
            found.boxes[i] = _extents(torch.from_numpy(cleaned)[None])[0].float()
    return found.take(_distinct(found.boxes, untouched, max(settings.box_nms_thresh, settings.crop_nms_thresh)))


def _encoded(
    masks: Bool[Tensor, "masks height width"], crop: Crop, image_size: tuple[int, int]
) -> Shaped[np.ndarray, " masks"]:
    encoded = np.empty(len(masks), object)
    for i, mask in enumerate(masks.cpu().numpy()):
        whole = np.zeros(image_size, bool)
        whole[crop.y1 : crop.y2, crop.x1 : crop.x2] = mask
        encoded[i] = RunLengths.of(whole)
    return encoded
