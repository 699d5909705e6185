"""Clicks and boxes on the picture.

viser stops its camera while it listens for clicks on the picture. Clicks on things it tells apart from drags by itself,
and leaves the camera alone: so there is a thing around everything, further away than is drawn, that takes the clicks.
"""

from collections.abc import Callable
from typing import Any

import trimesh

from samnerf.viewer.scene_app.desk import Tool

OUT_OF_SIGHT = 20_000.0
"""Edge of the box that takes clicks, scene units: its sides lie behind the far end of what the browser draws."""

Place = tuple[float, float]
"""(x, y) as parts of the picture's width and height."""


class Pointer:
    """What the mouse does on the picture.

    Args:
        scene: viser's interface of one client.
        clicked: told where.
        boxed: told two corners.
    """

    def __init__(self, scene: Any, clicked: Callable[[Place], None], boxed: Callable[[Place, Place], None]) -> None:
        self._scene, self._boxed = scene, boxed
        self._listening = False
        box = trimesh.creation.box((OUT_OF_SIGHT,) * 3)
        self._around = scene.add_mesh_simple("/around", box.vertices, box.faces, side="double", opacity=0.0)
        self._around.on_click(lambda event: clicked(event.screen_pos))

    def use(self, tool: Tool) -> None:
        """Boxes are dragged, and meanwhile the camera rests."""
        if self._listening:
            self._scene.remove_pointer_callback()
            self._listening = False
        self._around.visible = tool != "Box"
        if tool == "Box":
            self._scene.on_pointer_event("rect-select")(lambda event: self._boxed(*event.screen_pos))
            self._listening = True
