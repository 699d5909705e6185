"""Masks over a camera move: whether they stay on their object, and how much they flicker.

Flicker is measured against true geometry: the mask of one frame is carried into the next by true depth, and compared
with the mask there wherever both frames see the same surface.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Integer

from samnerf.camera import Camera
from samnerf.evaluation.metrics import iou, mean

SAME_SURFACE = 0.01
"""Relative difference of distances below which two frames see the same place."""


@dataclass(frozen=True, eq=False)
class Frame:
    """What is true of a frame.

    Attributes:
        camera: pinhole, in the frame of the depth.
        ids: of the objects, 0 is none.
        depth: distance along the ray through each pixel's centre.
    """

    camera: Camera
    ids: Integer[np.ndarray, "height width"]
    depth: Float[np.ndarray, "height width"]


@dataclass(frozen=True, eq=False)
class Carried:
    """Where the pixels of a frame lie in the frame before.

    Attributes:
        seen: whether that frame sees the same place.
        rows, columns: the pixel there; arbitrary where it does not.
    """

    seen: Bool[np.ndarray, "height width"]
    rows: Integer[np.ndarray, "height width"]
    columns: Integer[np.ndarray, "height width"]

    def mask(self, before: Bool[np.ndarray, "height width"]) -> Bool[np.ndarray, "height width"]:
        """A mask of the frame before, in this frame."""
        return before[self.rows, self.columns] & self.seen


def carried(before: Frame, after: Frame) -> Carried:
    """Correspondences by true depth."""
    height, width = after.camera.image_size
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    places = after.camera.unproject(torch.stack([x, y], dim=-1), torch.from_numpy(after.depth).float())
    pixels, distances, inside = before.camera.project(places)
    columns = pixels[..., 0].long().clamp(0, before.camera.width - 1).numpy()
    rows = pixels[..., 1].long().clamp(0, before.camera.height - 1).numpy()
    there = before.depth[rows, columns]
    same = np.abs(there - distances.numpy()) <= SAME_SURFACE * there
    return Carried(inside.numpy() & same, rows, columns)


def flicker(
    masks: Sequence[Bool[np.ndarray, "height width"]], steps: Sequence[Carried], measured: Sequence[bool]
) -> list[float]:
    """1 - IoU between each mask and the one before it, carried over; for measured frames but the first.

    Args:
        masks: of one object, frame by frame.
        steps: into each frame but the first from the one before.
        measured: whether a frame counts; both frames of a pair have to.
    """
    return [
        1 - iou(masks[t] & step.seen, step.mask(masks[t - 1]))
        for t, step in enumerate(steps, start=1)
        if measured[t] and measured[t - 1]
    ]


def id_swaps(
    found: Sequence[Integer[np.ndarray, "height width"]],
    true: Sequence[Integer[np.ndarray, "height width"]],
    least: int,
) -> int:
    """How often the ID that most of an object has changes from one frame to the next in which it is measured.

    Frames in which nothing was found on an object are passed over.

    Args:
        found, true: ID maps, 0 is none.
        least: pixels that a frame must show of an object.
    """
    swaps = 0
    for object_id in np.unique(np.concatenate([np.unique(ids) for ids in true])):
        if object_id == 0:
            continue
        last = None
        for ids, truth in zip(found, true, strict=True):
            on_it = ids[truth == object_id]
            here = on_it[on_it > 0]
            if len(on_it) < least or not len(here):
                continue
            values, counts = np.unique(here, return_counts=True)
            most = int(values[counts.argmax()])
            swaps += last is not None and most != last
            last = most
    return swaps


def mean_flicker(values: Sequence[Sequence[float]]) -> float:
    """Over all pairs of frames of all objects."""
    return mean(value for one in values for value in one)
