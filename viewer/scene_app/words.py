"""What the viewer says in words. viser's Markdown runs code in braces, so what comes from outside is escaped."""

from samnerf.objects.layers import ObjectLayers
from samnerf.objects.scene_object import Colour, SceneObject
from samnerf.viewer.scene_app.answers import SceneAnswer
from samnerf.viewer.scene_app.desk import Desk

WELCOME = "**Click an object**, or say what you look for. Then **lock** it: it stays locked in every view."
HELP = """
**Look around**: drag; right drag moves, the wheel goes nearer; arrows and W A S D work, too.

**Prompt**: a click adds what it hits; with *Take away* it takes away. With *Box* drag across the object. Words are
looked for a moment after you stop typing. Prompts stay on their object when you move.

**Lock** finds the object in all views and gives it a row. *Only* shows it alone, *Out* takes it out of the
world, ✕ deletes it.

**Show** changes what you see: masks, where the words fit, what the scene's features say, depth.
"""
TOOL_WORDS = {"Add": "A click **adds**", "Take away": "A click **takes away**", "Box": "**Drag** a box"}


def status(desk: Desk, answer: SceneAnswer | None) -> str:
    """How things stand, in one line of Markdown."""
    if answer is None:
        if desk.mode == "Relevancy":
            return "Say what you look for, and this view shows where it fits."
        return f"{TOOL_WORDS[desk.tool]}."
    if answer.reason is not None:
        return f"**Nothing found:** {plain(answer.reason)}."
    share = 100 * float(answer.mask.mean())
    return f"{TOOL_WORDS[desk.tool]}. **Score {answer.score:.2f}**, {share:.1f} % of the picture. *Lock* keeps it."


def object_line(one: SceneObject, desk: Desk) -> str:
    """An object's row in Markdown: its colour, name, and how sure the views are."""
    state = "" if one.visible else " · hidden"
    state += " · only this" if one.object_id in desk.isolated else ""
    state += " · removed" if one.object_id in desk.removed else ""
    sure = f"{one.consistency:.0%}" if one.view_scores else "made by hand"
    doubt = " · unsure" if one.uncertain else ""
    return (
        f'<span style={{{{color: "{hex_colour(one.colour)}"}}}}>⬤</span> **{plain(one.name)}** · {sure}{doubt}{state}'
    )


def objects_line(layers: ObjectLayers) -> str:
    """What stands above the rows."""
    count = len(layers.objects)
    return "No object is locked yet." if not count else f"{count} object{'s' * (count > 1)} locked."


def hex_colour(colour: Colour) -> str:
    """SRGB as pages write it."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def plain(words: str) -> str:
    """Words as Markdown that shows exactly them: every character that could mean something is written by its number."""
    return "".join(
        character if character.isalnum() or character == " " or ord(character) > 127 else f"&#{ord(character)};"
        for character in words
    )


def sentence(message: str) -> str:
    """An error's line as a sentence."""
    return message[:1].upper() + message[1:].rstrip(".") + "."
