"""A random room with five to nine named solids on its floor.

The world has +Z up, the floor at z = 0 and the objects within about 0.8 units of the origin; one unit is
arbitrary. Everything is plain data drawn from a seed, so a scene travels between processes by its seed.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from samnerf.preprocessing.synthetic.shapes import Capsule, Cone, Cube, Cylinder, Shape, Sphere, Torus, vector

Triple = tuple[float, float, float]

COLOURS: dict[str, Triple] = {
    "red": (0.85, 0.07, 0.08),
    "green": (0.10, 0.60, 0.16),
    "blue": (0.10, 0.22, 0.85),
    "yellow": (0.95, 0.85, 0.10),
    "orange": (1.00, 0.47, 0.03),
    "purple": (0.45, 0.12, 0.66),
    "cyan": (0.08, 0.80, 0.84),
    "pink": (1.00, 0.52, 0.72),
    "brown": (0.40, 0.23, 0.13),
    "white": (0.93, 0.93, 0.92),
}
"""Name to sRGB, 0 to 1."""
SHAPES = ("sphere", "cube", "cylinder", "cone", "torus", "capsule")
MATERIALS = ("plain", "striped", "checkered")
BACKDROPS = ("plain", "tiles", "planks", "noise", "speckled")

MOST_OBJECTS = 12
ROOM_HALF_WIDTH = 3.2
ROOM_HEIGHT = 3.4


@dataclass(frozen=True)
class NamedObject:
    """What is said of an object: its ID (1 to n in its scene) and the three words of its name."""

    id: int
    shape: str
    colour: str
    material: str

    @property
    def name(self) -> str:
        """For instance "striped red cube"."""
        return f"{self.material} {self.colour} {self.shape}"


@dataclass(frozen=True)
class Pattern:
    """Two tones over surface coordinates: bands for stripes, cells for a checkerboard.

    Attributes:
        around, along: periods of the parity over u and v (half of them are the second tone).
        solid: the pattern fills space (a cube's), with `around` cells over its edge.
    """

    around: float
    along: float
    solid: bool = False


@dataclass(frozen=True)
class SceneObject(NamedObject):
    """A solid standing or lying on the floor.

    Attributes:
        solid: its geometry in its own frame.
        centre: origin of its frame, world units.
        yaw, tilt: its frame is tilted about its Y, then turned about the vertical, radians.
        tones: linear albedo of the first and the second tone.
        gloss: strength of the highlight; `sharpness` its Blinn-Phong exponent.
    """

    solid: Shape
    centre: Triple
    yaw: float
    tilt: float
    tones: tuple[Triple, Triple]
    pattern: Pattern
    gloss: float
    sharpness: float

    @functools.cached_property
    def rotation(self) -> Float32[np.ndarray, "3 3"]:
        """World from object axes."""
        return _rotation(self.yaw, self.tilt)

    @property
    def size(self) -> Triple:
        """Edges of its axis-aligned bounding box, world units."""
        axes = np.eye(3, dtype=np.float32)
        reach = [
            self.solid.extent(self.rotation.T @ axis) + self.solid.extent(-self.rotation.T @ axis) for axis in axes
        ]
        return reach[0], reach[1], reach[2]


@dataclass(frozen=True)
class Backdrop:
    """The texture of the floor or of the walls: two muted tones, linear albedo, `scale` cells per unit."""

    kind: str
    tones: tuple[Triple, Triple]
    scale: float
    angle: float
    offset: tuple[float, float]
    grain: float


@dataclass(frozen=True)
class Lighting:
    """A key light that casts shadows, a fill light that does not, and light from everywhere.

    Attributes:
        key_position, key_radius: world units; a radius above 0 softens shadows.
        key, fill: linear intensities per channel of a surface facing the light; no falloff.
        fill_direction: unit vector towards the fill light.
        ambient: linear, from above; from below it is half of this.
    """

    key_position: Triple
    key_radius: float
    key: Triple
    fill_direction: Triple
    fill: Triple
    ambient: Triple


@dataclass(frozen=True)
class Scene:
    """A room, `2 * ROOM_HALF_WIDTH` wide and `ROOM_HEIGHT` high, and its objects."""

    objects: tuple[SceneObject, ...]
    floor: Backdrop
    walls: Backdrop
    lighting: Lighting


def random_scene(seed: int | Sequence[int], objects: tuple[int, int] = (5, 9)) -> Scene:
    """The scene of a seed; about a third of the objects share their shape with an earlier one, a third their colour.

    Args:
        seed: one or several non-negative integers.
        objects: least and greatest number of objects, from 1 to `MOST_OBJECTS`.

    Raises:
        ValueError: if the bounds on the number of objects make no sense.
    """
    low, high = objects
    if not 1 <= low <= high <= MOST_OBJECTS:
        raise ValueError(f"objects is {objects} but must be two numbers with 1 <= least <= greatest <= {MOST_OBJECTS}")
    random = np.random.default_rng(seed)
    count = int(random.integers(low, high + 1))
    labels = _labels(random, count)
    solids = [(_solid(random, label.shape)) for label in labels]
    places = _places(random, solids)
    lighting = _lighting(random)
    placed = tuple(
        SceneObject(
            id=label.id,
            shape=label.shape,
            colour=label.colour,
            material=label.material,
            solid=solid,
            centre=(x, y, solid.extent(_rotation(yaw, tilt).T @ vector([0, 0, -1]))),
            yaw=yaw,
            tilt=tilt,
            tones=_tones(random, label.colour),
            pattern=_pattern(random, label),
            gloss=float(random.uniform(0.05, 0.45)),
            sharpness=float(random.choice([12.0, 30.0, 80.0])),
        )
        for label, (solid, yaw, tilt), (x, y) in zip(labels, solids, places, strict=True)
    )
    return Scene(placed, _backdrop(random, 3.0), _backdrop(random, 2.0), lighting)


def linear_from_srgb(colour: Sequence[float]) -> Triple:
    """IEC 61966-2-1, per channel, 0 to 1."""
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour)
    return r, g, b


def _labels(random: np.random.Generator, count: int) -> list[NamedObject]:
    labels: list[NamedObject] = []
    while len(labels) < count:
        shape, colour = str(random.choice(SHAPES)), str(random.choice(list(COLOURS)))
        kinship = random.random()
        if labels and kinship < 0.66:
            relative = labels[int(random.integers(len(labels)))]
            shape, colour = (relative.shape, colour) if kinship < 0.33 else (shape, relative.colour)
        material = str(random.choice(MATERIALS, p=[0.44, 0.28, 0.28]))
        label = NamedObject(len(labels) + 1, shape, colour, material)
        if all(label.name != other.name for other in labels):
            labels.append(label)
    return labels


def _solid(random: np.random.Generator, shape: str) -> tuple[Shape, float, float]:
    """A solid, its yaw and its tilt: upright, or lying at rest."""
    yaw, size, lies = float(random.uniform(0, 2 * math.pi)), float(random.uniform(0.8, 1.35)), random.random() < 0.35
    slenderness = float(random.uniform(0.8, 1.25))
    lying = math.pi / 2
    match shape:
        case "sphere":
            return Sphere(0.135 * size), yaw, float(random.uniform(0, 0.6))
        case "cube":
            return Cube(0.115 * size), yaw, 0.0
        case "cylinder":
            return Cylinder(0.10 * size / slenderness, 0.14 * size * slenderness), yaw, lying if lies else 0.0
        case "cone":
            cone = Cone(0.135 * size / slenderness, 0.15 * size * slenderness)
            return cone, yaw, lying + math.atan(cone.slope) if lies else 0.0
        case "torus":
            return Torus(0.125 * size, 0.05 * size / slenderness), yaw, lying if lies else 0.0
        case "capsule":
            return Capsule(0.085 * size / slenderness, 0.115 * size * slenderness), yaw, lying if lies else 0.0
    raise ValueError(f"no shape is called {shape!r}; the shapes are {', '.join(SHAPES)}")


def _places(random: np.random.Generator, solids: list[tuple[Shape, float, float]]) -> list[tuple[float, float]]:
    """Positions on the floor whose footprint circles do not touch, as near to the origin as chance allows."""
    footprints = []
    for solid, yaw, tilt in solids:
        angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
        sideways = np.stack([np.cos(angles), np.sin(angles), np.zeros(48)]).astype(np.float32)
        footprints.append(max(solid.extent(d) for d in (_rotation(yaw, tilt).T @ sideways).T))
    places: list[tuple[float, float]] = []
    for index, footprint in enumerate(footprints):
        reach = 0.25 if index else 0.08
        while True:
            radius, angle = reach * math.sqrt(random.random()), float(random.uniform(0, 2 * math.pi))
            x, y = radius * math.cos(angle), radius * math.sin(angle)
            gaps = [
                math.hypot(x - px, y - py) - footprint - other
                for (px, py), other in zip(places, footprints, strict=False)
            ]
            if all(gap > 0.015 for gap in gaps):
                places.append((x, y))
                break
            reach += 0.015
    return places


def _tones(random: np.random.Generator, colour: str) -> tuple[Triple, Triple]:
    """The named colour, a little off, and a second tone far enough in brightness to be seen beside it."""
    base = np.clip(np.asarray(COLOURS[colour]) * random.uniform(0.93, 1.05) + random.uniform(-0.025, 0.025, 3), 0, 1)
    first = np.asarray(linear_from_srgb(base.tolist()))
    brightness = float(first @ [0.2126, 0.7152, 0.0722])
    if brightness < 0.2 and random.random() < 0.4:
        second = np.full(3, random.uniform(0.55, 0.75))
    elif colour in ("white", "orange") or random.random() < 0.4:  # dark orange would be brown
        second = np.full(3, random.uniform(0.012, 0.04))
    else:
        second = first * random.uniform(0.12, 0.22)
    return _triple(first), _triple(second)


def _pattern(random: np.random.Generator, label: NamedObject) -> Pattern:
    if label.material == "striped":
        if label.shape == "cube":
            return Pattern(around=float(random.choice([5, 7])), along=float(random.choice([0, 1])), solid=True)
        choices = {
            "torus": [(12, 0), (16, 0), (10, 2)],
            "sphere": [(0, 6), (0, 8), (10, 0)],
            "cone": [(0, 5), (0, 6)],
        }.get(label.shape, [(0, 6), (4, 5), (10, 0), (0, 7)])
    else:
        if label.shape == "cube":
            return Pattern(around=float(random.choice([3, 4])), along=1.0, solid=True)
        choices = {"torus": [(12, 4), (14, 4)], "cone": [(8, 4), (10, 4)]}.get(label.shape, [(8, 4), (10, 5)])
    around, along = choices[int(random.integers(len(choices)))]
    return Pattern(float(around), float(along))


def _backdrop(random: np.random.Generator, scale: float) -> Backdrop:
    lightness = random.uniform(0.36, 0.72)
    tint = random.uniform(-1, 1, 3) * 0.035 + np.array([0.03, 0.0, -0.03]) * random.uniform(-0.6, 1.6)
    first = np.clip(lightness + tint, 0.05, 0.9)
    second = np.clip(first * random.uniform(0.72, 0.9) + random.uniform(-0.02, 0.02, 3), 0.05, 0.9)
    return Backdrop(
        kind=str(random.choice(BACKDROPS)),
        tones=(linear_from_srgb(first.tolist()), linear_from_srgb(second.tolist())),
        scale=float(scale * random.uniform(0.7, 1.6)),
        angle=float(random.uniform(0, math.pi)),
        offset=(float(random.uniform(0, 50)), float(random.uniform(0, 50))),
        grain=float(random.uniform(0.12, 0.35)),
    )


def _lighting(random: np.random.Generator) -> Lighting:
    azimuth, elevation = random.uniform(0, 2 * math.pi), math.radians(random.uniform(38, 75))
    key_direction = np.array(
        [math.cos(azimuth) * math.cos(elevation), math.sin(azimuth) * math.cos(elevation), math.sin(elevation)]
    )
    fill_azimuth = azimuth + random.uniform(0.5, 1.5) * math.pi
    fill_direction = np.array([math.cos(fill_azimuth), math.sin(fill_azimuth), random.uniform(0.3, 1.0)])
    warmth = random.uniform(-0.05, 0.06)
    return Lighting(
        key_position=_triple(key_direction * random.uniform(4.0, 6.0)),
        key_radius=float(random.uniform(0.1, 0.45)) if random.random() < 0.5 else 0.0,
        key=_triple(np.array([1 + warmth, 1.0, 1 - warmth]) * random.uniform(0.65, 0.95)),
        fill_direction=_triple(fill_direction / np.linalg.norm(fill_direction)),
        fill=_triple(np.array([1 - warmth, 1.0, 1 + warmth]) * random.uniform(0.08, 0.22)),
        ambient=_triple(np.ones(3) * random.uniform(0.28, 0.42)),
    )


def _rotation(yaw: float, tilt: float) -> Float32[np.ndarray, "3 3"]:
    cy, sy, ct, st = math.cos(yaw), math.sin(yaw), math.cos(tilt), math.sin(tilt)
    turn = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    return (turn @ np.array([[ct, 0, st], [0, 1, 0], [-st, 0, ct]])).astype(np.float32)


def _triple(values: np.ndarray) -> Triple:
    x, y, z = (float(value) for value in values)
    return x, y, z
