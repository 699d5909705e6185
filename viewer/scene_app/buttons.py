"""Rows of buttons. viser 0.2.7 tells of a button only if it is another than the last; so each press is forgotten."""

from collections.abc import Callable, Sequence
from typing import Any

NOT_PRESSED = ""


def add_buttons(gui: Any, label: str, options: Sequence[str], **more: Any) -> Any:
    """A row of buttons, none of them pressed; viser's handle."""
    row = gui.add_button_group(label, tuple(options), **more)
    row.value = NOT_PRESSED
    return row


def on_press(row: Any, action: Callable[[str], Any]) -> None:
    """Run an action with the button that a person presses, as often as that is."""

    def pressed(event: Any) -> None:
        option = event.target.value
        if event.client is not None and option != NOT_PRESSED:
            row.value = NOT_PRESSED
            action(option)

    row.on_click(pressed)
