"""Colours of surface points: patterns on the objects, textures of floor and walls. All linear albedo."""

import functools

import numpy as np
from jaxtyping import Bool, Float32

from samnerf.preprocessing.synthetic.scene import Backdrop, SceneObject
from samnerf.preprocessing.synthetic.shapes import vector

NOISE_SIDE = 256


def object_albedo(thing: SceneObject, points: Float32[np.ndarray, "3 n"]) -> Float32[np.ndarray, "3 n"]:
    """Albedo at surface points given in the object's own frame."""
    first, second = (vector(tone)[:, None] for tone in thing.tones)
    if thing.material == "plain":
        return np.broadcast_to(first, points.shape)
    return np.where(_second_tone(thing, points), second, first)


def _second_tone(thing: SceneObject, points: Float32[np.ndarray, "3 n"]) -> Bool[np.ndarray, " n"]:
    around, along = np.float32(thing.pattern.around), np.float32(thing.pattern.along)
    if thing.pattern.solid:
        # Faces of the cube are borders of cells: step inside before asking for the cell.
        unit = points * np.float32(0.49 / thing.solid.extent(vector([1, 0, 0]))) + np.float32(0.5)
        if thing.material == "checkered":
            cells = np.floor(unit * around).sum(axis=0)
        else:
            cells = np.floor((unit[0] + unit[1] + along * unit[2]) * around / np.sqrt(2 + along))
    else:
        u, v = thing.solid.surface_coordinates(points)
        if thing.material == "checkered":
            cells = np.floor(u * around) + np.floor(v * along)
        else:
            cells = np.floor(u * around + v * along)
    return cells % 2 == 1


def backdrop_albedo(
    backdrop: Backdrop, a: Float32[np.ndarray, " n"], b: Float32[np.ndarray, " n"]
) -> Float32[np.ndarray, "3 n"]:
    """Albedo of a plane at coordinates (a, b), world units."""
    cosine, sine = np.float32(np.cos(backdrop.angle)), np.float32(np.sin(backdrop.angle))
    scale = np.float32(backdrop.scale)
    x = (cosine * a - sine * b) * scale + np.float32(backdrop.offset[0])
    y = (sine * a + cosine * b) * scale + np.float32(backdrop.offset[1])
    grain = np.float32(backdrop.grain)
    match backdrop.kind:
        case "tiles":
            column, row = np.floor(x), np.floor(y)
            blend = (column + row) % 2 * np.float32(0.8) + _noise(x, y) * grain
        case "planks":
            row = np.floor(y * 2)
            column = np.floor(x * np.float32(0.5) + _hash(row, row) * 7)
            blend = _hash(row, column) + _noise(x * np.float32(0.6), y * 5) * grain
        case "noise":
            blend = np.float32(0.5) + np.float32(1.6) * _noise(x * np.float32(0.5), y * np.float32(0.5))
        case "speckled":
            blend = np.clip(_noise(x * 2, y * 2) * 10 - np.float32(2), 0, 1) + _noise(x, y) * grain
        case _:
            blend = np.float32(0.5) + _noise(x, y) * grain * 2
    first, second = (vector(tone)[:, None] for tone in backdrop.tones)
    return np.maximum(first + (second - first) * blend, np.float32(0.01))


def _hash(i: Float32[np.ndarray, " n"], j: Float32[np.ndarray, " n"]) -> Float32[np.ndarray, " n"]:
    """A number in [0, 1) for each cell."""
    mixed = (i.astype(np.int64) * 73856093) ^ (j.astype(np.int64) * 19349663)
    return ((mixed >> 3) % 1021).astype(np.float32) / np.float32(1021)


def _noise(x: Float32[np.ndarray, " n"], y: Float32[np.ndarray, " n"]) -> Float32[np.ndarray, " n"]:
    """Smooth noise of mean 0 and about -0.5 to 0.5 with features of a cell and finer, from a periodic table."""
    table = _noise_table()
    x, y = x * 16, y * 16
    left, top = np.floor(x), np.floor(y)
    fx, fy = x - left, y - top
    column, row = left.astype(np.int32) & (NOISE_SIDE - 1), top.astype(np.int32) & (NOISE_SIDE - 1)
    right, below = (column + 1) & (NOISE_SIDE - 1), ((row + 1) & (NOISE_SIDE - 1)) * NOISE_SIDE
    row = row * NOISE_SIDE
    upper = table[row + column] * (1 - fx) + table[row + right] * fx
    lower = table[below + column] * (1 - fx) + table[below + right] * fx
    return upper * (1 - fy) + lower * fy


@functools.cache
def _noise_table() -> Float32[np.ndarray, " cells"]:
    """Pink-ish periodic noise, shaped in the Fourier domain, flattened."""
    white = np.fft.fft2(np.random.default_rng(7).standard_normal((NOISE_SIDE, NOISE_SIDE)))
    frequency = np.fft.fftfreq(NOISE_SIDE) * NOISE_SIDE
    radius = np.hypot(frequency[:, None], frequency[None, :])
    spectrum = white / np.maximum(radius, 6.0) ** 1.3 * (radius < 80)
    spectrum[0, 0] = 0
    noise = np.fft.ifft2(spectrum).real
    return (noise / (4 * noise.std())).astype(np.float32).ravel()
