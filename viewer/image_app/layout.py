"""The widgets: the picture large at the left, the tools at the right. Fonts are those of the system."""

from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np
from gradio.themes.base import Base
from gradio.themes.utils import colors, sizes
from jaxtyping import UInt8

from samnerf.images.prompts import MOST_CELLS
from samnerf.images.settings import ImageSettings
from samnerf.prompts import Phrase
from samnerf.viewer.image_app.actions import ADD, TOOLS
from samnerf.viewer.image_app.words import HELP

STYLE = """
.gradio-container {max-width: 1560px !important; margin: 0 auto !important; padding: 14px 24px !important}
#title {padding: 0}
#title h1 {font-size: 21px; font-weight: 650; margin: 0 0 6px}
#title p {margin: 0 0 4px; line-height: 1.55; color: var(--body-text-color-subdued)}
#title b, #status b {color: var(--body-text-color); font-weight: 600}
#picture {border-radius: 10px; background: var(--neutral-200)}
.dark #picture {background: var(--neutral-900)}
#picture img {cursor: crosshair}
#status {padding: 2px 0; min-height: 28px}
#status span {color: var(--body-text-color-subdued); margin-left: 8px}
#tools {gap: 12px}
#tools button {font-weight: 500}
#tools .form, #tools .group {border: none}
#start {gap: 10px}
#examples, #upload {border-radius: 10px; padding: 0}
#examples .grid-wrap {overflow: hidden; padding: 0; max-height: none}
#examples .grid-container {padding: 0; gap: 10px}
#examples .thumbnail-lg {aspect-ratio: 4 / 3; border-radius: 10px}
#examples .caption-label {font-size: 11px; max-width: 92%}
#upload .icon-wrap {display: none}
#upload .wrap {font-size: 12px; line-height: 1.35; padding: 4px; min-height: 0}
#tool .wrap, #candidates .wrap {flex-wrap: nowrap; gap: 6px}
#tool label, #candidates label {flex: 1; justify-content: center; padding: 8px 4px; white-space: nowrap}
#tool label span, #candidates label span {margin: 0}
#tool input, #candidates input {position: absolute; opacity: 0; pointer-events: none}
#tool label.selected, #candidates label.selected {background: var(--primary-500); color: white}
#tool label:focus-within, #candidates label:focus-within {outline: 2px solid var(--primary-300)}
#words .input-container {align-items: stretch; gap: 6px}
#words button {height: auto; margin: 0; padding: 0 14px; border-radius: var(--radius-md)}
"""


@dataclass(frozen=True)
class Controls:
    """Every widget that does or shows something."""

    picture: gr.Image
    status: gr.HTML
    upload: gr.File
    examples: gr.Gallery
    tool: gr.Radio
    undo: gr.Button
    clear: gr.Button
    words: gr.Textbox
    threshold: gr.Slider
    top_k: gr.Slider
    heat: gr.Checkbox
    three: gr.Checkbox
    candidates: gr.Radio
    everything: gr.Button
    points_per_side: gr.Slider
    quality: gr.Slider
    stability: gr.Slider
    mask_file: gr.DownloadButton
    ids_file: gr.DownloadButton
    coco_file: gr.DownloadButton


def theme() -> Base:
    """Quiet greys, one accent, the system's own fonts."""
    return Base(
        primary_hue=colors.orange,
        neutral_hue=colors.stone,
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
        radius_size=sizes.radius_md,
    ).set(
        body_background_fill="*neutral_50",
        body_text_color_subdued="*neutral_500",
        block_border_width="0px",
        block_shadow="none",
    )


def build(examples: list[tuple[UInt8[np.ndarray, "_ _ 3"], str]], everything: ImageSettings) -> Controls:
    """Put the widgets on the page that is open (`with gr.Blocks()`).

    Args:
        examples: pictures with captions.
        everything: where the sliders of automatic masks stand at first.
    """
    made: dict[str, Any] = {}
    lines = "<br>".join(HELP)
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=420):
            gr.HTML(f"<h1>SAM-NeRF · pictures</h1><p>{lines}</p>", elem_id="title")
            made["picture"] = gr.Image(
                interactive=False, show_label=False, buttons=["fullscreen"], format="png", height="74vh",
                elem_id="picture",
            )  # fmt: skip
            made["status"] = gr.HTML(elem_id="status")
        with gr.Column(scale=2, min_width=330, elem_id="tools"):
            _pictures(made, examples)
            _prompts(made)
            _everything(made, everything)
            with gr.Row():
                for key in ("undo", "clear"):
                    made[key] = gr.Button(key.title(), size="md", min_width=80, elem_id=key)
            with gr.Row():
                for key, label in (("mask_file", "Mask"), ("ids_file", "ID map"), ("coco_file", "COCO")):
                    made[key] = gr.DownloadButton(f"↓ {label}", size="md", interactive=False, min_width=80, elem_id=key)
    return Controls(**made)


def _pictures(made: dict[str, Any], examples: list[tuple[UInt8[np.ndarray, "_ _ 3"], str]]) -> None:
    with gr.Row(elem_id="start", equal_height=True):
        made["examples"] = gr.Gallery(
            examples, columns=len(examples), height=100, allow_preview=False, object_fit="cover", show_label=False,
            interactive=False, buttons=[], scale=2, min_width=180, elem_id="examples",
        )  # fmt: skip
        made["upload"] = gr.File(
            file_types=["image"], height=100, show_label=False, scale=1, min_width=100, elem_id="upload"
        )


def _prompts(made: dict[str, Any]) -> None:
    made["tool"] = gr.Radio(list(TOOLS), value=ADD, label="A click on the picture", elem_id="tool")
    with gr.Group():
        made["words"] = gr.Textbox(
            placeholder="striped red cube", label="Words", lines=1, submit_btn="Find", elem_id="words"
        )
        made["threshold"] = gr.Slider(
            0, 1, Phrase.threshold, step=0.01, label="Threshold: how well words must fit", buttons=[],
            elem_id="threshold",
        )  # fmt: skip
        made["top_k"] = gr.Slider(
            -MOST_CELLS, MOST_CELLS, Phrase.top_k, step=1, label="Top k places (below 0: random)", buttons=[],
            elem_id="top_k",
        )  # fmt: skip
        made["heat"] = gr.Checkbox(label="Heat map", elem_id="heat")
    made["three"] = gr.Checkbox(label="Three candidates", elem_id="three")
    made["candidates"] = gr.Radio([], label="Candidates and their scores", visible=False, elem_id="candidates")


def _everything(made: dict[str, Any], settings: ImageSettings) -> None:
    made["everything"] = gr.Button("Everything", size="md", elem_id="everything")
    with gr.Accordion("How everything is found", open=False):
        made["points_per_side"] = gr.Slider(
            4, 64, settings.points_per_side, step=1, label="Points along each side", buttons=[],
            elem_id="points_per_side",
        )  # fmt: skip
        made["quality"] = gr.Slider(
            0, 1, settings.iou_thres, step=0.01, label="Least quality", buttons=[], elem_id="quality"
        )
        made["stability"] = gr.Slider(
            0, 1, settings.stability_score_thresh, step=0.01, label="Least stability", buttons=[], elem_id="stability"
        )
