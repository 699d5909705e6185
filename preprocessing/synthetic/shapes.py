"""The solids of a synthetic scene: where rays meet them, their normals, and coordinates on their surfaces.

Each solid lives in its own frame, centred on the origin with +Z as its axis. Points and directions are
`[3, n]` arrays of float32, lengths are world units (placing a solid does not scale it). Rays start near
the solid, so that single precision is enough; a distance may therefore be negative.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

Vectors = Float32[np.ndarray, "3 n"]
Scalars = Float32[np.ndarray, " n"]

MISSED = np.float32(np.inf)
TORUS_STEPS = 160
TORUS_TOLERANCE = np.float32(2e-5)
TORUS_STEP = np.float32(6e-4)


def vector(values: Sequence[Any]) -> Float32[np.ndarray, "..."]:
    """An array in single precision."""
    return np.asarray(values, dtype=np.float32)


@runtime_checkable
class Shape(Protocol):
    """A solid in its own frame."""

    @property
    def bounding_radius(self) -> float:
        """Radius of the smallest sphere about the origin that holds the solid."""
        ...

    def intersect(self, origins: Vectors, directions: Vectors) -> Scalars:
        """Distance to the first entry along each line, infinite where the line misses."""
        ...

    def normals(self, points: Vectors) -> Vectors:
        """Outward unit normals at surface points."""
        ...

    def surface_coordinates(self, points: Vectors) -> tuple[Scalars, Scalars]:
        """(u, v): u runs once around the axis over [0, 1), v along the profile, about 0 to 1."""
        ...

    def extent(self, direction: Float32[np.ndarray, "3"]) -> float:
        """The support function: how far the solid reaches from the origin in a unit direction."""
        ...


@dataclass(frozen=True)
class Sphere:
    """A ball."""

    radius: float

    @property
    def bounding_radius(self) -> float:
        return self.radius

    def intersect(self, origins: Vectors, directions: Vectors) -> Scalars:
        return _enter_ball(origins, directions, self.radius)

    def normals(self, points: Vectors) -> Vectors:
        return points / np.sqrt(_dot(points, points))

    def surface_coordinates(self, points: Vectors) -> tuple[Scalars, Scalars]:
        height = np.clip(points[2] / np.float32(self.radius), -1, 1)
        return _turns(points[1], points[0]), np.arcsin(height) / np.float32(np.pi) + np.float32(0.5)

    def extent(self, direction: Float32[np.ndarray, "3"]) -> float:
        return self.radius


@dataclass(frozen=True)
class Cube:
    """A cube with edges along the axes."""

    half_edge: float

    @property
    def bounding_radius(self) -> float:
        return self.half_edge * 3**0.5

    def intersect(self, origins: Vectors, directions: Vectors) -> Scalars:
        near, far = _slab(origins, directions, self.half_edge)
        near, far = near.max(axis=0), far.min(axis=0)
        return np.where(near < far, near, MISSED)

    def normals(self, points: Vectors) -> Vectors:
        axis = np.abs(points).argmax(axis=0)
        normals = np.zeros_like(points)
        columns = np.arange(points.shape[1])
        normals[axis, columns] = np.sign(points[axis, columns])
        return normals

    def surface_coordinates(self, points: Vectors) -> tuple[Scalars, Scalars]:
        return _turns(points[1], points[0]), points[2] / np.float32(2 * self.half_edge) + np.float32(0.5)

    def extent(self, direction: Float32[np.ndarray, "3"]) -> float:
        return self.half_edge * float(np.abs(direction).sum())


@dataclass(frozen=True)
class Cylinder:
    """A solid cylinder with flat ends at z = -half_height and half_height."""

    radius: float
    half_height: float

    @property
    def bounding_radius(self) -> float:
        return float(np.hypot(self.radius, self.half_height))

    def intersect(self, origins: Vectors, directions: Vectors) -> Scalars:
        near, far = _enter_tube(origins, directions, self.radius)
        bottom, top = _slab(origins[2], directions[2], self.half_height)
        near, far = np.maximum(near, bottom), np.minimum(far, top)
        return np.where(near < far, near, MISSED)

    def normals(self, points: Vectors) -> Vectors:
        around = np.hypot(points[0], points[1])
        on_cap = self.half_height - np.abs(points[2]) < self.radius - around
        side = np.where(on_cap, 0, 1 / np.maximum(around, np.float32(1e-9)))
        return np.stack([points[0] * side, points[1] * side, np.where(on_cap, np.sign(points[2]), np.float32(0))])

    def surface_coordinates(self, points: Vectors) -> tuple[Scalars, Scalars]:
        inwards = (np.float32(self.radius) - np.hypot(points[0], points[1])) / np.float32(2 * self.half_height)
        height = points[2] / np.float32(2 * self.half_height) + np.float32(0.5)
        return _turns(points[1], points[0]), height + np.sign(points[2]) * inwards

    def extent(self, direction: Float32[np.ndarray, "3"]) -> float:
        return self.radius * float(np.hypot(*direction[:2])) + self.half_height * abs(float(direction[2]))


@dataclass(frozen=True)
class Cone:
    """A solid cone with its apex at z = half_height and its base at z = -half_height."""

    radius: float
    half_height: float

    @property
    def slope(self) -> float:
        """Radius gained per unit below the apex."""
        return self.radius / (2 * self.half_height)

    @property
    def bounding_radius(self) -> float:
        return float(np.hypot(self.radius, self.half_height))

    def intersect(self, origins: Vectors, directions: Vectors) -> Scalars:
        (ox, oy, oz), (dx, dy, dz) = origins, directions
        squared_slope, height = np.float32(self.slope**2), np.float32(self.half_height)
        below_apex = height - oz
        a = dx * dx + dy * dy - squared_slope * dz * dz
        b = ox * dx + oy * dy + squared_slope * below_apex * dz
        c = ox * ox + oy * oy - squared_slope * below_apex * below_apex
        a = np.where(np.abs(a) < 1e-7, np.float32(1e-7), a)
        discriminant = b * b - a * c
        root = np.sqrt(np.maximum(discriminant, 0))
        best = np.full_like(a, MISSED)
        for distance in ((-b - root) / a, (-b + root) / a):
            z = oz + distance * dz
            valid = (discriminant > 0) & (np.abs(z) <= height) & (distance < best)
            best = np.where(valid, distance, best)
        to_base = (-height - oz) / np.where(np.abs(dz) < 1e-9, np.float32(1e-9), dz)
        x, y = ox + to_base * dx, oy + to_base * dy
        valid = (x * x + y * y <= np.float32(self.radius**2)) & (to_base < best)
        return np.where(valid, to_base, best)

    def normals(self, points: Vectors) -> Vectors:
        around = np.maximum(np.hypot(points[0], points[1]), np.float32(1e-9))
        length = np.float32(np.hypot(1.0, self.slope))
        depth_in_side = (np.float32(self.slope) * (np.float32(self.half_height) - points[2]) - around) / length
        on_base = points[2] + np.float32(self.half_height) < depth_in_side
        side = np.where(on_base, 0, 1 / (around * length))
        up = np.where(on_base, np.float32(-1), np.float32(self.slope) / length)
        return np.stack([points[0] * side, points[1] * side, up])

    def surface_coordinates(self, points: Vectors) -> tuple[Scalars, Scalars]:
        height = points[2] / np.float32(2 * self.half_height) + np.float32(0.5)
        rim = np.float32(self.slope) * (np.float32(self.half_height) - points[2])
        inwards = np.maximum(rim - np.hypot(points[0], points[1]), 0) / np.float32(2 * self.half_height)
        return _turns(points[1], points[0]), height - inwards

    def extent(self, direction: Float32[np.ndarray, "3"]) -> float:
        base = self.radius * float(np.hypot(*direction[:2])) - self.half_height * float(direction[2])
        return max(base, self.half_height * float(direction[2]))


@dataclass(frozen=True)
class Torus:
    """A ring about the Z axis: a tube of `tube` radius along a circle of `ring` radius."""

    ring: float
    tube: float

    @property
    def bounding_radius(self) -> float:
        return self.ring + self.tube

    def signed_distance(self, points: Vectors) -> Scalars:
        """Distance to the surface, negative inside."""
        x, y, z = points
        off_circle = np.sqrt(x * x + y * y) - np.float32(self.ring)
        return np.sqrt(off_circle * off_circle + z * z) - np.float32(self.tube)

    def intersect(self, origins: Vectors, directions: Vectors) -> Scalars:
        """Sphere tracing (Hart 1996) between the planes and the tube that hold the ring.

        The distance field is exact, so no such step passes the surface. A line that grazes one side of the ring
        would crawl past it and never reach the other, hence a least step; what this takes inside is led back.
        """
        near, far = _enter_tube(origins, directions, self.bounding_radius)
        bottom, top = _slab(origins[2], directions[2], self.tube)
        near, far = np.maximum(near, bottom), np.minimum(far, top)
        distances = np.full(near.shape, MISSED)
        active = np.flatnonzero(near < far)
        o, d, t, far = origins[:, active], directions[:, active], near[active], far[active]
        for step in range(TORUS_STEPS):
            gap = self.signed_distance(o + d * t)
            if step % 4 == 3:
                touching = gap < TORUS_TOLERANCE
                distances[active[touching]] = t[touching]
                going = np.flatnonzero(~touching & (t < far))
                if not going.size:
                    break
                active, o, d, t, far, gap = active[going], o[:, going], d[:, going], t[going], far[going], gap[going]
            t = t + np.where(gap < TORUS_TOLERANCE, gap, np.maximum(gap, TORUS_STEP))
        met = np.flatnonzero(np.isfinite(distances))
        for _ in range(4):
            distances[met] += self.signed_distance(origins[:, met] + directions[:, met] * distances[met])
        return distances

    def normals(self, points: Vectors) -> Vectors:
        around = np.maximum(np.hypot(points[0], points[1]), np.float32(1e-9))
        inwards = 1 - np.float32(self.ring) / around
        normals = np.stack([points[0] * inwards, points[1] * inwards, points[2]])
        return normals / np.maximum(np.sqrt(_dot(normals, normals)), np.float32(1e-9))

    def surface_coordinates(self, points: Vectors) -> tuple[Scalars, Scalars]:
        off_circle = np.hypot(points[0], points[1]) - np.float32(self.ring)
        return _turns(points[1], points[0]), _turns(points[2], off_circle)

    def extent(self, direction: Float32[np.ndarray, "3"]) -> float:
        return self.ring * float(np.hypot(*direction[:2])) + self.tube


@dataclass(frozen=True)
class Capsule:
    """A cylinder with round ends: all points within `radius` of the segment of `half_length` on the Z axis."""

    radius: float
    half_length: float

    @property
    def bounding_radius(self) -> float:
        return self.radius + self.half_length

    def intersect(self, origins: Vectors, directions: Vectors) -> Scalars:
        near, far = _enter_tube(origins, directions, self.radius)
        z = origins[2] + near * directions[2]
        shift = np.clip(z, -self.half_length, self.half_length)
        shifted = np.stack([origins[0], origins[1], origins[2] - np.sign(shift) * np.float32(self.half_length)])
        capped = _enter_ball(shifted, directions, self.radius)
        return np.where(near < far, np.where(np.abs(z) <= self.half_length, near, capped), MISSED)

    def normals(self, points: Vectors) -> Vectors:
        spine = np.clip(points[2], -self.half_length, self.half_length)
        normals = np.stack([points[0], points[1], points[2] - spine])
        return normals / np.maximum(np.sqrt(_dot(normals, normals)), np.float32(1e-9))

    def surface_coordinates(self, points: Vectors) -> tuple[Scalars, Scalars]:
        return _turns(points[1], points[0]), points[2] / np.float32(2 * self.bounding_radius) + np.float32(0.5)

    def extent(self, direction: Float32[np.ndarray, "3"]) -> float:
        return self.radius + self.half_length * abs(float(direction[2]))


def _dot(a: Vectors, b: Vectors) -> Scalars:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _turns(sine: Scalars, cosine: Scalars) -> Scalars:
    """Angle as a fraction of a turn, [0, 1)."""
    return np.arctan2(sine, cosine) / np.float32(2 * np.pi) % np.float32(1)


def _slab(origins: np.ndarray, directions: np.ndarray, half_width: float) -> tuple[np.ndarray, np.ndarray]:
    """Entry into and exit from |coordinate| <= half_width, for each coordinate of a line."""
    inverse = 1 / np.where(np.abs(directions) < 1e-9, np.float32(1e-9), directions)
    half = np.abs(inverse) * np.float32(half_width)
    middle = -origins * inverse
    return middle - half, middle + half


def _enter_ball(origins: Vectors, directions: Vectors, radius: float) -> Scalars:
    middle = -_dot(origins, directions)
    nearest = origins + directions * middle
    squared_half = np.float32(radius**2) - _dot(nearest, nearest)
    return np.where(squared_half > 0, middle - np.sqrt(np.maximum(squared_half, 0)), MISSED)


def _enter_tube(origins: Vectors, directions: Vectors, radius: float) -> tuple[Scalars, Scalars]:
    """Entry into and exit from an endless tube about the Z axis; an empty interval (entry > exit) for a miss."""
    (ox, oy, _), (dx, dy, _) = origins, directions
    a = np.maximum(dx * dx + dy * dy, np.float32(1e-9))
    middle = -(ox * dx + oy * dy) / a
    x, y = ox + middle * dx, oy + middle * dy
    squared_half = (np.float32(radius**2) - x * x - y * y) / a
    half = np.sqrt(np.maximum(squared_half, 0))
    met = squared_half > 0
    return np.where(met, middle - half, np.float32(0)), np.where(met, middle + half, np.float32(-1))
