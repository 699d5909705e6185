"""One row of widgets for each object: its colour, name and confidence, and what can be done to it."""

from collections.abc import Callable
from typing import Any

from samnerf.objects.layers import ObjectLayers
from samnerf.objects.scene_object import Colour, SceneObject
from samnerf.viewer.scene_app.buttons import add_buttons, on_press
from samnerf.viewer.scene_app.desk import Desk
from samnerf.viewer.scene_app.words import object_line

DO = ("Hide", "Only", "Out", "✕")
HINT = "Hide or show it. Only: show it alone. Out: take it out of the world, or put it back. ✕: delete it."
MOST_ROWS = 40
"""Beyond these a panel is of no use; the rest is counted."""

Act = Callable[[int, str], None]
"""Told the ID of an object and one of DO."""
Edit = Callable[[int, str, Colour], None]
"""Told the ID of an object, its new name and its new colour."""


class ObjectRows:
    """Rows that follow the objects.

    Args:
        gui: viser's interface of one client.
        folder: where the rows go.
        act: what the buttons do.
        edit: what another name or colour does.
    """

    def __init__(self, gui: Any, folder: Any, act: Act, edit: Edit) -> None:
        self._gui, self._folder, self._act, self._edit = gui, folder, act, edit
        self._rows: dict[int, list[Any]] = {}
        self._shown: dict[int, SceneObject] = {}
        self._editor: list[Any] = []
        self._names: tuple[str, ...] = ()
        self._layers = ObjectLayers()

    def update(self, layers: ObjectLayers, desk: Desk) -> None:
        """Show these objects."""
        self._layers = layers
        objects = {one.object_id: one for one in layers.objects[:MOST_ROWS]}
        for object_id in [gone for gone in self._rows if gone not in objects]:
            for widget in self._rows.pop(object_id):
                widget.remove()
        for object_id, one in objects.items():
            if object_id not in self._rows:
                self._rows[object_id] = self._row(one, desk)
            line = self._rows[object_id][0]
            words = object_line(one, desk)
            if line.content != words:
                line.content = words
        names = tuple(one.name for one in objects.values())
        if names != self._names:
            self._names = names
            self._rebuild_editor(names)

    def _row(self, one: SceneObject, desk: Desk) -> list[Any]:
        place = 1e9 + 10.0 * one.object_id
        with self._folder:
            line = self._gui.add_markdown(object_line(one, desk), order=place)
            buttons = add_buttons(self._gui, " ", DO, order=place + 1, hint=HINT)
        object_id = one.object_id
        on_press(buttons, lambda what: self._act(object_id, what))
        return [line, buttons]

    def _rebuild_editor(self, names: tuple[str, ...]) -> None:
        """Another name or colour for one of the objects, below the rows."""
        for widget in self._editor:
            widget.remove()
        self._editor = []
        if not names:
            return
        first = self._layers.named(names[0])
        place = 1e12
        with self._folder:
            chosen = self._gui.add_dropdown("Change", names, order=place)
            name = self._gui.add_text("New name", first.name, order=place + 1)
            colour = self._gui.add_rgb("Colour", first.colour, order=place + 2)
            apply = self._gui.add_button("Change it", order=place + 3)
        self._editor = [chosen, name, colour, apply]

        def choose(event: Any) -> None:
            one = self._layers.find(chosen.value)
            if one is not None and event.client is not None:
                name.value = one.name
                colour.value = one.colour

        def change(_event: Any) -> None:
            one = self._layers.find(chosen.value)
            if one is not None:
                red, green, blue = (int(part) for part in colour.value)
                self._edit(one.object_id, name.value, (red, green, blue))

        chosen.on_update(choose)
        apply.on_click(change)
