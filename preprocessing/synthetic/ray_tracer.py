"""Images of a scene with exact ground truth, by ray tracing in NumPy.

One ray through each pixel's centre gives IDs and depth. Pixels whose neighbourhood changes in ID, normal,
light or an object's colour are traced again on a stratified 4 x 4 grid, which gives their colour and the share
of each object in them; where only the texture of floor or walls changes, only that is sampled again. Lights and
cameras are points, so all rays of one pass leave one point and an object is tried only on rays within the cone
of its bounding sphere.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt8

from samnerf.camera import Camera
from samnerf.preprocessing.synthetic.scene import ROOM_HALF_WIDTH, ROOM_HEIGHT, Scene
from samnerf.preprocessing.synthetic.shapes import vector
from samnerf.preprocessing.synthetic.surfaces import backdrop_albedo, object_albedo

SUBPIXELS = 4
BATCH = 32768
"""Rays traced at once: few enough for their arrays to stay in a core's cache."""
SHADOW_GAP = np.float32(2e-3)
COLOUR_STEP = 0.06
"""Difference of neighbouring pixels, in sRGB, from which they are supersampled."""
TEXTURE_STEP = 0.02
"""The same for pixels of floor and walls alone, where sampling again is cheap."""
NORMAL_STEP = 0.35
LIGHT_STEP = 0.1
LAMP_POINTS = 16
OPENNESS_REACH = 3.5
"""Radii of a ball within which it darkens its surroundings."""
TEXTURE_OFFSETS = ((-0.125, -0.375), (0.375, -0.125), (0.125, 0.375), (-0.375, 0.125))


@dataclass(frozen=True)
class Rendering:
    """An image and its ground truth.

    Attributes:
        rgb: sRGB.
        ids: the object at each pixel's centre, 0 for floor and walls.
        depth: distance along the ray of each pixel's centre, world units.
        coverage: share of each pixel that object i covers, 0 to 1, at index i - 1.
    """

    rgb: UInt8[np.ndarray, "height width 3"]
    ids: UInt8[np.ndarray, "height width"]
    depth: Float32[np.ndarray, "height width"]
    coverage: Float32[np.ndarray, "objects height width"]


@dataclass(frozen=True)
class _Trace:
    """What a batch of rays sees; colours and irradiance are linear, colours clipped to 0..1."""

    ids: Int64[np.ndarray, " rays"]
    distances: Float32[np.ndarray, " rays"]
    normals: Float32[np.ndarray, "3 rays"]
    colours: Float32[np.ndarray, "3 rays"]
    irradiance: Float32[np.ndarray, "3 rays"]
    light: Float32[np.ndarray, " rays"]
    """Share of the key light that is not shadowed."""


def render(scene: Scene, camera: Camera) -> Rendering:
    """Image, instance IDs, depth and coverage of a view from inside the room and outside every object."""
    height, width = camera.image_size
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5))
    first = _trace_pixels(scene, camera, x, y, lamp_points=None)
    linear = first.colours.copy()
    coverage = np.zeros((len(scene.objects) + 1, height * width), dtype=np.float32)
    coverage[first.ids, np.arange(height * width)] = 1
    edges, textures = _uneven(first, height, width)

    dx, dy = _subpixel_offsets()
    step = max(1, BATCH // dx.size)
    for start in range(0, edges.size, step):
        chosen = edges[start : start + step]
        fine = _trace_pixels(
            scene,
            camera,
            (x[chosen] + dx[:, None]).ravel(),
            (y[chosen] + dy[:, None]).ravel(),
            lamp_points=np.repeat(np.arange(LAMP_POINTS), chosen.size),
        )
        linear[:, chosen] = fine.colours.reshape(3, dx.size, -1).mean(axis=1)
        shares = np.stack([(fine.ids == i).reshape(dx.size, -1).mean(axis=0) for i in range(len(coverage))])
        coverage[:, chosen] = shares

    albedo = np.zeros((3, textures.size), dtype=np.float32)
    for dx, dy in TEXTURE_OFFSETS:
        origin, directions = _rays(camera, x[textures] + dx, y[textures] + dy)
        albedo += _room(scene, origin, directions)[2]
    linear[:, textures] = np.clip(albedo / len(TEXTURE_OFFSETS) * first.irradiance[:, textures], 0, 1)
    return Rendering(
        rgb=np.ascontiguousarray(_srgb(linear).T).reshape(height, width, 3),
        ids=first.ids.astype(np.uint8).reshape(height, width),
        depth=first.distances.reshape(height, width),
        coverage=coverage[1:].reshape(-1, height, width),
    )


def trace_ids(
    scene: Scene, camera: Camera, x: Float32[np.ndarray, " n"], y: Float32[np.ndarray, " n"]
) -> UInt8[np.ndarray, " n"]:
    """The object seen through each image point, pixels; 0 for floor and walls."""
    origin, directions = _rays(camera, x, y)
    return _first_hits(scene, origin, directions)[0].astype(np.uint8)


def _trace_pixels(scene: Scene, camera: Camera, x: np.ndarray, y: np.ndarray, lamp_points: np.ndarray | None) -> _Trace:
    parts = []
    for start in range(0, len(x), BATCH):
        batch = slice(start, start + BATCH)
        origin, directions = _rays(camera, x[batch], y[batch])
        parts.append(_trace(scene, origin, directions, None if lamp_points is None else lamp_points[batch]))
    if len(parts) == 1:
        return parts[0]
    return _Trace(*(np.concatenate([getattr(part, field.name) for part in parts], axis=-1) for field in fields(_Trace)))


def _rays(camera: Camera, x: np.ndarray, y: np.ndarray) -> tuple[Float32[np.ndarray, "3"], Float32[np.ndarray, "3 n"]]:
    pose = camera.camera_to_world.detach().cpu().numpy().astype(np.float32)
    local = np.stack([(x - camera.cx) / camera.fx, (camera.cy - y) / camera.fy, np.full(len(x), -1.0)])
    local /= np.sqrt((local * local).sum(axis=0))
    return pose[:, 3], _product(pose[:, :3], local.astype(np.float32))


def _first_hits(
    scene: Scene, origin: Float32[np.ndarray, "3"], directions: Float32[np.ndarray, "3 n"]
) -> tuple[Int64[np.ndarray, " n"], Float32[np.ndarray, " n"]]:
    """ID and distance of what each ray meets first; room distances are left infinite."""
    distances = np.full(directions.shape[1], np.inf, dtype=np.float32)
    ids = np.zeros(directions.shape[1], dtype=np.int64)
    for index, found, hits in _object_hits(scene, origin, directions):
        nearer = (hits > 0) & (hits < distances[found])
        distances[found[nearer]] = hits[nearer]
        ids[found[nearer]] = scene.objects[index].id
    return ids, distances


def _object_hits(
    scene: Scene, origin: np.ndarray, directions: np.ndarray
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """For each object that rays from `origin` may meet: its index, those rays, and their distances to it."""
    offsets = vector([thing.centre for thing in scene.objects]) - origin
    away = np.sqrt((offsets * offsets).sum(axis=1))
    cosines = _product(offsets / away[:, None], directions)
    for index, thing in enumerate(scene.objects):
        sine = min(thing.solid.bounding_radius * 1.001 / float(away[index]), 1.0)
        found = np.flatnonzero(cosines[index] > np.float32((1 - sine * sine) ** 0.5))
        if not found.size:
            continue
        local = _product(thing.rotation.T, directions.take(found, axis=1))
        # Start at the point nearest to the object's centre, where single precision is at its best.
        closest = away[index] * cosines[index].take(found)
        starts = local * closest - (thing.rotation.T @ offsets[index])[:, None]
        yield index, found, closest + thing.solid.intersect(starts, local)


def _trace(
    scene: Scene,
    origin: Float32[np.ndarray, "3"],
    directions: Float32[np.ndarray, "3 n"],
    lamp_points: Int64[np.ndarray, " n"] | None,
) -> _Trace:
    """Follow rays and shade what they meet.

    Args:
        scene: the room.
        origin: where all rays start.
        directions: unit vectors.
        lamp_points: which point of the lamp lights what each ray meets, ascending; None takes the mean of several.
    """
    ids, distances = _first_hits(scene, origin, directions)
    normals = np.empty_like(directions)
    albedo = np.empty_like(directions)
    past = np.flatnonzero(ids == 0)
    distances[past], normals[:, past], albedo[:, past] = _room(scene, origin, directions.take(past, axis=1))
    points = origin[:, None] + directions * distances
    for thing in scene.objects:
        mine = np.flatnonzero(ids == thing.id)
        if mine.size:
            offsets = points.take(mine, axis=1) - vector(thing.centre)[:, None]
            local = _product(thing.rotation.T, offsets)
            normals[:, mine] = _product(thing.rotation, thing.solid.normals(local))
            albedo[:, mine] = object_albedo(thing, local)

    lamp = scene.lighting
    towards_key = vector(lamp.key_position)[:, None] - points
    towards_key /= _lengths(towards_key)
    cosines = np.maximum(_dot(towards_key, normals), 0)
    light = np.zeros_like(distances)
    facing = np.flatnonzero(cosines)
    light[facing] = _lit_share(scene, points.take(facing, axis=1), None if lamp_points is None else lamp_points[facing])

    open_share = _openness(scene, points, normals, ids)
    ambient = (np.float32(0.75) + np.float32(0.25) * normals[2]) * open_share
    fill = np.maximum(_product(vector([lamp.fill_direction]), normals)[0], 0) * open_share
    irradiance = _product(vector([lamp.key, lamp.fill, lamp.ambient]).T, np.stack([cosines * light, fill, ambient]))
    colours = albedo * irradiance
    shiny = np.flatnonzero((ids > 0) & (cosines * light > 0))
    gloss = vector([0, *(thing.gloss for thing in scene.objects)])[ids[shiny]]
    sharpness = vector([1, *(thing.sharpness for thing in scene.objects)])[ids[shiny]]
    halfway = towards_key.take(shiny, axis=1) - directions.take(shiny, axis=1)
    halfway /= _lengths(halfway)
    glint = np.maximum(_dot(halfway, normals.take(shiny, axis=1)), np.float32(1e-3)) ** sharpness
    # Fade the highlight in over the terminator, where Blinn-Phong would cut it off.
    glint *= np.minimum(cosines[shiny] * 4, 1) * light[shiny]
    for channel in range(3):
        colours[channel][shiny] += np.float32(lamp.key[channel]) * gloss * glint
    return _Trace(ids, distances, normals, np.clip(colours, 0, 1), irradiance, light)


def _room(
    scene: Scene, origin: Float32[np.ndarray, "3"], directions: Float32[np.ndarray, "3 n"]
) -> tuple[Float32[np.ndarray, " n"], Float32[np.ndarray, "3 n"], Float32[np.ndarray, "3 n"]]:
    """Distance, normal and albedo of floor, walls and ceiling along rays."""
    middle = vector([0, 0, ROOM_HEIGHT / 2])[:, None] - origin[:, None]
    half = vector([ROOM_HALF_WIDTH, ROOM_HALF_WIDTH, ROOM_HEIGHT / 2])[:, None]
    safe = np.copysign(np.maximum(np.abs(directions), np.float32(1e-9)), directions)
    leaving = (middle + np.copysign(half, safe)) / safe
    distances = np.minimum(np.minimum(leaving[0], leaving[1]), leaving[2])
    normals = (leaving == distances) * -np.sign(safe)
    x, y, z = origin[:, None] + directions * distances
    albedo = np.empty_like(directions)
    floor = np.flatnonzero(normals[2] == 1)
    albedo[:, floor] = backdrop_albedo(scene.floor, x.take(floor), y.take(floor))
    wall = np.flatnonzero(normals[2] != 1)
    along = np.where(normals[0, wall] != 0, y[wall], x[wall])
    up = np.where(normals[2, wall] != 0, y[wall], z[wall])
    albedo[:, wall] = backdrop_albedo(scene.walls, along, up)
    return distances, normals, albedo


def _lit_share(
    scene: Scene, points: Float32[np.ndarray, "3 n"], lamp_points: Int64[np.ndarray, " n"] | None
) -> Float32[np.ndarray, " n"]:
    """Share of the lamp that no object hides from each point."""
    lamp = _lamp_points(scene)
    if len(lamp) == 1:
        return _sees(scene, points, lamp[0]).astype(np.float32)
    if lamp_points is None:
        return np.asarray(np.mean([_sees(scene, points, lamp[i]) for i in (0, 5, 10, 15)], axis=0), dtype=np.float32)
    starts = np.searchsorted(lamp_points, np.arange(LAMP_POINTS + 1))
    pieces = [_sees(scene, points[:, starts[i] : starts[i + 1]], lamp[i]) for i in range(LAMP_POINTS)]
    return np.concatenate(pieces).astype(np.float32)


def _sees(scene: Scene, points: Float32[np.ndarray, "3 n"], source: Float32[np.ndarray, "3"]) -> Bool[np.ndarray, " n"]:
    """Whether nothing stands between each point and the source."""
    rays = points - source[:, None]
    reach = _lengths(rays)
    free = np.ones(reach.shape, dtype=bool)
    for _, found, hits in _object_hits(scene, source, rays / reach):
        free[found] &= hits >= reach[found] - SHADOW_GAP
    return free


def _lamp_points(scene: Scene) -> Float32[np.ndarray, "samples 3"]:
    """Points of a disc that faces the origin, on a sunflower spiral, in an order that scatters neighbours."""
    position, radius = vector(scene.lighting.key_position), scene.lighting.key_radius
    if radius == 0:
        return position[None]
    towards = position / np.linalg.norm(position)
    side = np.cross(towards, vector([1, 0, 0] if abs(towards[0]) < 0.9 else [0, 1, 0]))
    side /= np.linalg.norm(side)
    other = np.cross(towards, side)
    order = (np.arange(LAMP_POINTS) * 7) % LAMP_POINTS
    reach = radius * np.sqrt((order + 0.5) / LAMP_POINTS)
    angle = order * 2.39996323
    disc = reach[:, None] * (np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * other)
    return (position + disc).astype(np.float32)


def _openness(scene: Scene, points: np.ndarray, normals: np.ndarray, ids: np.ndarray) -> Float32[np.ndarray, " n"]:
    """Share of the surroundings that other objects leave open, each taken for a ball of its volume or so.

    A ball of radius r at distance d in direction w hides about (n . w) r^2 / d^2 of a half space.
    """
    open_share = np.ones(points.shape[1], dtype=np.float32)
    centres = vector([thing.centre for thing in scene.objects])
    squared_distances = _product(-2 * centres, points) + _dot(points, points) + (centres * centres).sum(axis=1)[:, None]
    for index, thing in enumerate(scene.objects):
        squared_radius = np.float32((0.8 * thing.solid.bounding_radius) ** 2)
        reach = OPENNESS_REACH**2 * squared_radius
        near = np.flatnonzero((squared_distances[index] < reach) & (ids != thing.id))
        squared = np.maximum(squared_distances[index].take(near), squared_radius)
        towards = centres[index][:, None] - points.take(near, axis=1)
        facing = np.maximum(_dot(towards, normals.take(near, axis=1)), 0)
        hidden = facing * squared_radius / (squared * np.sqrt(squared))
        # Fade out to zero at the reach, or the cut would show.
        open_share[near] *= 1 - np.float32(0.85) * hidden * (1 - squared / reach)
    return open_share


def _uneven(
    first: _Trace, height: int, width: int
) -> tuple[Int64[np.ndarray, " edges"], Int64[np.ndarray, " textures"]]:
    """Pixels to be traced again because of an edge near them, and those where only floor or walls change colour."""
    brightness = np.sqrt(first.colours).reshape(3, height, width)
    normals = first.normals.reshape(3, height, width)
    ids = first.ids.reshape(height, width)
    light = first.light.reshape(height, width)
    edge = (light > 0) & (light < 1)
    texture = np.zeros((height, width), dtype=bool)
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        here = (slice(0, height - dy), slice(max(0, -dx), width - max(0, dx)))
        there = (slice(dy, height), slice(max(0, dx), width + min(0, dx)))
        differs = (ids[here] != ids[there]) | (np.abs(light[here] - light[there]) > LIGHT_STEP)
        contrast = np.zeros(differs.shape, dtype=np.float32)
        for channel in range(3):
            differs |= np.abs(normals[channel][here] - normals[channel][there]) > NORMAL_STEP
            np.maximum(contrast, np.abs(brightness[channel][here] - brightness[channel][there]), out=contrast)
        differs |= (ids[here] > 0) & (contrast > COLOUR_STEP)
        edge[here] |= differs
        edge[there] |= differs
        grained = contrast > TEXTURE_STEP
        texture[here] |= grained
        texture[there] |= grained
    return np.flatnonzero(edge), np.flatnonzero(texture & ~edge & (ids == 0))


def _subpixel_offsets() -> tuple[Float32[np.ndarray, " subpixels"], Float32[np.ndarray, " subpixels"]]:
    """Centres of a 4 x 4 grid, each moved a little within its cell, relative to the pixel's centre: x and y."""
    jitter = np.random.default_rng(11).uniform(-0.3, 0.3, (2, SUBPIXELS, SUBPIXELS)) / SUBPIXELS
    cells = (np.arange(SUBPIXELS) + 0.5) / SUBPIXELS - 0.5
    x, y = cells[None, :] + jitter[0], cells[:, None] + jitter[1]
    return x.astype(np.float32).ravel(), y.astype(np.float32).ravel()


def _product(matrix: Float32[np.ndarray, "m 3"], vectors: Float32[np.ndarray, "3 n"]) -> Float32[np.ndarray, "m n"]:
    """Their matrix product; einsum starts no threads and so gives the same pixels on any number of cores."""
    return np.einsum("ij,jk->ik", matrix, vectors)


def _dot(a: Float32[np.ndarray, "3 n"], b: Float32[np.ndarray, "3 n"]) -> Float32[np.ndarray, " n"]:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _lengths(vectors: Float32[np.ndarray, "3 n"]) -> Float32[np.ndarray, " n"]:
    return np.sqrt(_dot(vectors, vectors))


def _srgb(linear: Float32[np.ndarray, "3 n"]) -> UInt8[np.ndarray, "3 n"]:
    """IEC 61966-2-1 by table, rounded to 8 bits."""
    return _SRGB_TABLE[(linear * np.float32(len(_SRGB_TABLE) - 1) + np.float32(0.5)).astype(np.int32)]


def _srgb_table(entries: int = 16384) -> UInt8[np.ndarray, " entries"]:
    linear = np.arange(entries) / (entries - 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(encoded * 255).astype(np.uint8)


_SRGB_TABLE = _srgb_table()
