"""Prompts as small balls in the world, green where they add and red where they take away."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from samnerf.camera import Camera
from samnerf.export.pictures import NEGATIVE, POSITIVE
from samnerf.prompts import WorldPoint

SIZE = 0.011
"""Radius, as a part of the distance to the camera when it was set."""


class Markers:
    """Balls that follow what was said.

    Args:
        scene: viser's interface of one client.
    """

    def __init__(self, scene: Any) -> None:
        self._scene = scene
        self._balls: dict[WorldPoint, Any] = {}
        self._made = 0

    @property
    def any(self) -> bool:
        """Whether there are some."""
        return bool(self._balls)

    def update(self, points: Sequence[WorldPoint], camera: Camera) -> None:
        """Show these, the new ones as large as looks right from the camera."""
        for point in [gone for gone in self._balls if gone not in points]:
            self._balls.pop(point).remove()
        position = camera.position.numpy()
        for point in points:
            if point not in self._balls:
                place = np.array([point.x, point.y, point.z])
                radius = SIZE * float(np.linalg.norm(place - position))
                self._made += 1
                self._balls[point] = self._scene.add_icosphere(
                    f"/prompts/{self._made}", radius, POSITIVE if point.label else NEGATIVE, 2, position=place
                )
