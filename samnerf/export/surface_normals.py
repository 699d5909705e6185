"""Normals of what a view shows, from its depth alone."""

import numpy as np
from jaxtyping import Float, Float32

from samnerf.camera import Camera

RADIUS = 2
"""A plane is fitted to a square that reaches this many pixels each way."""
DEPTH_JUMP = 0.02
"""Neighbours that miss the slope by much more than this part of the depth belong to another surface."""


def normals_from_depth(
    distance: Float[np.ndarray, "height width"], camera: Camera
) -> Float32[np.ndarray, "height width 3"]:
    """Unit normals in world axes, on the side of the surface that faces the camera; never NaN.

    The inverse of the depth along the optical axis is linear in image coordinates on any plane, however slanted, so
    a straight line is fitted to it around each pixel. Neighbours count the less the further they are from the slope
    right beside the pixel (weights of a bilateral filter, Tomasi and Manduchi 1998): a plane gives its exact normal,
    and the normals at the edge of an object do not lean towards what is behind it.

    Args:
        distance: along the ray through each pixel's centre, scene units. Where it is not a positive number, or where no
            neighbour lies on the same surface, the normal looks straight at the camera.
        camera: of the view; its size is that of `distance`.

    Raises:
        ValueError: if the sizes differ.
    """
    if distance.shape != camera.image_size:
        raise ValueError(f"distances are {list(distance.shape)} but the camera sees {list(camera.image_size)}")
    height, width = distance.shape
    x = ((np.arange(width) + 0.5 - camera.cx) / camera.fx)[None, :]
    y = -((np.arange(height) + 0.5 - camera.cy) / camera.fy)[:, None]
    stretch = np.sqrt(x**2 + y**2 + 1)
    known = np.isfinite(distance) & (distance > 0)
    inverse = np.where(known, stretch / np.where(known, distance, 1), 1)
    slope_x, slope_y, fitted = _slopes(inverse, known)
    # inverse = a x + b y + c on the plane with normal (-a, -b, c), in the camera's axes.
    a, b = slope_x * camera.fx, -slope_y * camera.fy
    plane = np.stack([-a, -b, inverse - a * x - b * y], axis=-1)
    ray = np.stack(np.broadcast_arrays(x, y, -1.0), axis=-1)
    local = np.where(fitted[..., None], plane, -ray)
    local /= np.linalg.norm(local, axis=-1, keepdims=True)
    rotation = camera.camera_to_world[:, :3].detach().cpu().numpy().astype(np.float64)
    return (local @ rotation.T).astype(np.float32)


def _slopes(inverse: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Change of the inverse depth per pixel to the right and down, and whether enough neighbours tell."""
    height, width = inverse.shape
    padded = np.pad(inverse, RADIUS, mode="edge")
    there = np.pad(known, RADIUS)
    beside_x, beside_y = _slope_beside(inverse, known, axis=1), _slope_beside(inverse, known, axis=0)
    xx, xy, yy, xw, yw = (np.zeros((height, width)) for _ in range(5))
    for down in range(-RADIUS, RADIUS + 1):
        for right in range(-RADIUS, RADIUS + 1):
            if down == right == 0:
                continue
            part = np.s_[RADIUS + down : RADIUS + down + height, RADIUS + right : RADIUS + right + width]
            change = padded[part] - inverse
            missed = change - right * beside_x - down * beside_y
            weight = np.exp(-0.5 * (missed / (DEPTH_JUMP * inverse)) ** 2) * there[part]
            xx += right * right * weight
            xy += right * down * weight
            yy += down * down * weight
            xw += right * weight * change
            yw += down * weight * change
    determinant = xx * yy - xy**2
    fitted = known & (determinant > 1e-12 * (xx + yy) ** 2)
    safe = np.where(fitted, determinant, 1)
    return (yy * xw - xy * yw) / safe, (xx * yw - xy * xw) / safe, fitted


def _slope_beside(inverse: np.ndarray, known: np.ndarray, axis: int) -> np.ndarray:
    """Change per pixel towards the neighbour that differs less, which is the one on the same surface; 0 for none."""
    ahead = np.full(inverse.shape, np.inf)
    behind = np.full(inverse.shape, np.inf)
    first, last = ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:]))[1 - axis]
    step = np.where(known[first] & known[last], inverse[last] - inverse[first], np.inf)
    ahead[first], behind[last] = step, step
    slope = np.where(np.abs(ahead) < np.abs(behind), ahead, behind)
    return np.where(np.isfinite(slope), slope, 0)
