"""Prompts of one view, carried to the world, so that every other view can be asked for the same object.

The mask that was decoded in the prompted view gives points well inside the object; rendered depth takes them, and
the person's own clicks, into the world. So a box, a scribble or a phrase carries over as well as a click does.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy import ndimage
from torch import Tensor

from samnerf.camera import Camera
from samnerf.errors import SamNerfError
from samnerf.masks import MaskPrediction
from samnerf.prompts import Point, PromptSet, WorldPoint
from samnerf.view import View

INTERIOR_POINTS = 3
DEPTH_WINDOW = 2
"""Depth is the median over a square that reaches this many pixels each way."""


def depth_inside(mask: Bool[np.ndarray, "height width"]) -> Float[np.ndarray, "height width"]:
    """Pixels from each pixel of the mask to the nearest outside of it; what lies beyond the image is outside."""
    return np.asarray(ndimage.distance_transform_edt(np.pad(mask, 1)))[1:-1, 1:-1]


def interior_points(mask: Bool[np.ndarray, "height width"], count: int) -> list[tuple[int, int]]:
    """Pixels (row, column) well inside a mask and far from each other; the first is the one furthest inside.

    Later ones are at least half as far inside as the first, each as far as possible from those before. A small mask
    gives fewer.
    """
    depths = depth_inside(mask)
    if not mask.any():
        return []
    first = np.unravel_index(int(depths.argmax()), mask.shape)
    points = [(int(first[0]), int(first[1]))]
    rows, columns = np.nonzero(depths >= depths.max() / 2)
    while len(points) < count:
        nearest = np.min([(rows - r) ** 2 + (columns - c) ** 2 for r, c in points], axis=0)
        furthest = int(nearest.argmax())
        if nearest[furthest] < 4:
            break
        points.append((int(rows[furthest]), int(columns[furthest])))
    return points


def lift(view: View, prompts: PromptSet, prediction: MaskPrediction, count: int = INTERIOR_POINTS) -> PromptSet:
    """World points that stand for the prompts: the person's points, and points inside the mask that they gave.

    Args:
        view: the view in which the prompts were decoded; it needs a camera and depth.
        prompts: what was said; its world points are kept.
        prediction: what the decoder answered.
        count: how many interior points of the mask are lifted.

    Returns:
        A prompt set of the same name that holds for every view and has only world points.

    Raises:
        SamNerfError: if the view has no camera or no depth.
    """
    if view.camera is None or view.depth is None:
        raise SamNerfError(
            f"view {view.name!r} has no camera or depth, so the prompts of {prompts.name!r} cannot be carried to others"
        )
    mask = prediction.mask().cpu().numpy()
    clicks = list(prompts.points)
    for scribble in prompts.scribbles:
        # What a stroke adds is in the mask already, and points inside of that are better placed elsewhere.
        if scribble.label == 0 or not mask.any():
            clicks += scribble.clicks
    lifted = [lift_point(view.camera, view.depth, point, mask if point.label else None) for point in clicks]
    inside = [Point(column + 0.5, row + 0.5) for row, column in interior_points(mask, count)]
    lifted += [lift_point(view.camera, view.depth, point, mask) for point in inside]
    return PromptSet(prompts.name, world_points=prompts.world_points + tuple(lifted))


def lift_point(
    camera: Camera,
    depth: Float[Tensor, "height width"],
    point: Point,
    mask: Bool[np.ndarray, "height width"] | None = None,
) -> WorldPoint:
    """Where the ray of an image point meets the scene.

    The distance is the median in a small window, within the mask where one is given and reaches there: at an edge,
    rendered depth lies between the object and what is behind it.
    """
    height, width = depth.shape
    row, column = min(int(point.y), height - 1), min(int(point.x), width - 1)
    rows = slice(max(0, row - DEPTH_WINDOW), row + DEPTH_WINDOW + 1)
    columns = slice(max(0, column - DEPTH_WINDOW), column + DEPTH_WINDOW + 1)
    window = depth[rows, columns]
    if mask is not None and mask[rows, columns].any():
        window = window[torch.from_numpy(mask[rows, columns])]
    world = camera.unproject(torch.tensor([point.x, point.y]), window.float().median())
    return WorldPoint(*(float(coordinate) for coordinate in world), label=point.label)
