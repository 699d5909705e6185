"""The widgets of one person's panel, from top to bottom."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from samnerf.viewer.scene_app.buttons import add_buttons
from samnerf.viewer.scene_app.desk import GRANULARITIES, MODES, TOOLS, Desk
from samnerf.viewer.scene_app.exports import ALPHAS, NAMES, VIEWS
from samnerf.viewer.scene_app.words import HELP, WELCOME, objects_line

EXAMPLES = ("Example 1", "Example 2", "Example 3")
SIZES = ("256", "384", "512", "768", "1024")
CHOOSE = "choose a photograph"
NO_KEYFRAME = "none yet"
KEYFRAMES = ("Add here", "Remove", "Fly")
BY_DEPTH = "Masks end where the surface does; without it they are the decoder's own. For locks, other views always cut."
SOFT_EDGES = "Show what is prompted by its alpha, which the matting adapter makes."
ALPHA_FROM = "Whether locked objects end where the geometry says, or the matting adapter looks at each view."
NO_ADAPTER = "The teacher has no matting adapter here; samnerf matting train makes one."


@dataclass
class Panel:
    """Every widget that does or shows something; viser's handles."""

    status: Any
    tool: Any
    words: Any
    find: Any
    examples: Any
    name: Any
    lock: Any
    back: Any
    objects_line: Any
    rows: Any
    everything: Any
    history: Any
    mode: Any
    opacity: Any
    photograph: Any
    size: Any
    threshold: Any
    text_threshold: Any
    top_k: Any
    granularity: Any
    by_depth: Any
    soft_edges: Any
    keyframe: Any
    keyframes: Any
    seconds: Any
    format: Any
    views: Any
    alpha: Any
    export: Any
    prompts: Any
    save: Any
    load: Any
    bar: Any
    progress: Any
    cancel: Any


def build_panel(gui: Any, desk: Desk, photographs: Sequence[str], size: str, adapter: bool) -> Panel:
    """Make the widgets.

    Args:
        gui: viser's interface of one client.
        desk: where everything stands at first.
        photographs: names of the cameras to jump to.
        size: one of SIZES.
        adapter: whether the teacher has a matting adapter, which makes alpha.
    """
    made: dict[str, Any] = {}
    settings = desk.settings
    gui.add_markdown(WELCOME)
    made["tool"] = add_buttons(gui, "A click", TOOLS, hint="What a click on the picture does.")
    made["words"] = gui.add_text("Words", "", hint="Looked for a moment after you stop typing, or by Find.")
    made["find"] = gui.add_button("Find", hint="Look for the words.")
    made["examples"] = add_buttons(gui, "Try", EXAMPLES, hint="Click something that stands out, for a start.")
    made["status"] = gui.add_markdown("Rendering the first picture ...")
    made["name"] = gui.add_text("Name", "", hint="Of the object, when it is locked.")
    made["lock"] = gui.add_button("Lock", color="green", hint="Find what is prompted in all views, and keep it.")
    made["back"] = add_buttons(gui, "Prompts", ("Take back", "Clear"))
    made["bar"] = gui.add_progress_bar(0.0, visible=False, animated=True)
    made["progress"] = gui.add_markdown("", visible=False)
    made["cancel"] = gui.add_button("Cancel", color="red", visible=False)
    made["rows"] = gui.add_folder("Objects")
    with made["rows"]:
        made["objects_line"] = gui.add_markdown(objects_line_of_none())
        made["everything"] = gui.add_button(
            "Lock everything", hint="Find all objects. Takes minutes; can be cancelled."
        )
        made["history"] = add_buttons(gui, "Objects", ("Undo", "Redo"))
    with gui.add_folder("View"):
        made["mode"] = gui.add_dropdown("Show", MODES, initial_value=desk.mode)
        made["opacity"] = gui.add_slider("Opacity", 0.0, 1.0, 0.05, settings.opacity)
        made["photograph"] = gui.add_dropdown("Go to", (CHOOSE, *photographs), hint="Where a photograph was taken.")
        made["size"] = gui.add_dropdown("Pixels", SIZES, initial_value=size, hint="Longer side of the picture.")
    with gui.add_folder("Fine tuning", expand_by_default=False):
        made["granularity"] = gui.add_dropdown(
            "Size", GRANULARITIES, initial_value=settings.granularity, hint="Which of the decoder's three candidates."
        )
        made["threshold"] = gui.add_slider("Threshold", 0.01, 0.99, 0.01, settings.threshold, hint="Of the mask.")
        made["text_threshold"] = gui.add_slider(
            "Words fit", 0.0, 1.0, 0.01, settings.text_threshold, hint="How well words must fit."
        )
        made["top_k"] = gui.add_slider("Top k", 1, 16, 1, settings.top_k, hint="Places that become points of a phrase.")
        made["by_depth"] = gui.add_checkbox("Cut by depth", settings.by_depth, hint=BY_DEPTH)
        made["soft_edges"] = gui.add_checkbox(
            "Soft edges", settings.soft_edges, disabled=not adapter, hint=SOFT_EDGES if adapter else NO_ADAPTER
        )
    with gui.add_folder("Camera path", expand_by_default=False):
        made["keyframe"] = gui.add_dropdown("Keyframe", (NO_KEYFRAME,), hint="Look from there again.")
        made["keyframes"] = add_buttons(gui, " ", KEYFRAMES, hint="Add here: where you are. Fly: along the path.")
        made["seconds"] = gui.add_slider("Seconds", 1, 60, 1, desk.flight.seconds, hint="From first to last.")
    with gui.add_folder("Take home", expand_by_default=False):
        made["format"] = gui.add_dropdown("What", NAMES, initial_value="Masks (PNG)")
        made["views"] = gui.add_dropdown("Of", VIEWS, initial_value="All photographs")
        made["alpha"] = gui.add_dropdown(
            "Alpha", tuple(ALPHAS), disabled=not adapter, hint=ALPHA_FROM if adapter else NO_ADAPTER
        )
        made["export"] = gui.add_button("Export", hint="Write it, and download it.")
        made["prompts"] = gui.add_button("Prompt file", hint="What was said, for samnerf segment and samnerf lock.")
        made["save"] = gui.add_button("Save objects", hint="Into the file that --locks names.")
        made["load"] = gui.add_button("Load objects", hint="From the file that --locks names; can be undone.")
    with gui.add_folder("Help", expand_by_default=False):
        gui.add_markdown(HELP)
    return Panel(**made)


def objects_line_of_none() -> str:
    """What stands above no rows."""
    from samnerf.objects.layers import ObjectLayers

    return objects_line(ObjectLayers())
