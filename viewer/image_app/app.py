"""Which widget does what. Each browser has a desk of its own, and only one of them is at the decoders at a time."""

import tempfile
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any, Literal, TypeVar

import gradio as gr
import torch

from samnerf.errors import SamNerfError
from samnerf.prompts import Phrase
from samnerf.viewer.image_app.actions import Actions
from samnerf.viewer.image_app.desk import Desk
from samnerf.viewer.image_app.downloads import write_masks
from samnerf.viewer.image_app.drawing import draw_desk
from samnerf.viewer.image_app.examples import EXAMPLES
from samnerf.viewer.image_app.layout import Controls, build
from samnerf.viewer.image_app.words import candidate_labels, sentence, status

TITLE = "SAM-NeRF · pictures"
KEPT_SECONDS = 24 * 3600
"""How long a file that was shown or offered stays in the temporary folder."""
CHECKED_SECONDS = 3600
ONE_AT_A_TIME = "teachers"

Update = dict[Any, Any]
"""New values of widgets, by widget."""
Result = TypeVar("Result")


class ImageApp:
    """The page of the app.

    Args:
        actions: what can be done.
        folder: for files that are offered; whoever made it removes it.
    """

    def __init__(self, actions: Actions, folder: Path) -> None:
        self.actions = actions
        self.folder = folder
        pictures = [(example.rendering.rgb, example.name) for example in EXAMPLES]
        with gr.Blocks(
            title=TITLE, analytics_enabled=False, fill_width=True, delete_cache=(CHECKED_SECONDS, KEPT_SECONDS)
        ) as self.page:
            self.controls = build(pictures, actions.everything_settings)
            self.desk = gr.State(None)
            self._wire(self.controls)

    def _wire(self, c: Controls) -> None:
        do = self.actions
        self._on(self.page.load, lambda desk: do.open_example(desk, 0), [], opens=True)
        self._on(c.examples.select, do.open_example, [], picks=True, opens=True)
        self._on(c.upload.upload, do.open_file, [c.upload], opens=True)
        self._on(c.picture.select, do.click, [c.tool], picks=True, trigger_mode="multiple")
        self._on(c.words.submit, do.find, [c.words, c.threshold, c.top_k])
        for event in (c.threshold.input, c.top_k.input):
            self._on(event, do.adjust, [c.threshold, c.top_k], trigger_mode="always_last")
        self._on(c.heat.input, do.show_heat, [c.heat], trigger_mode="always_last")
        self._on(c.three.input, do.offer_three, [c.three], trigger_mode="always_last")
        self._on(c.candidates.input, do.choose, [c.candidates], trigger_mode="always_last")
        self._on(c.everything.click, do.find_everything, [c.points_per_side, c.quality, c.stability], rewords=True)
        self._on(c.undo.click, do.undo, [], rewords=True, trigger_mode="multiple")
        self._on(c.clear.click, do.clear, [], rewords=True)

    def _on(
        self,
        event: Any,
        action: Callable[..., Desk],
        inputs: Sequence[Any],
        *,
        picks: bool = False,
        opens: bool = False,
        rewords: bool = False,
        trigger_mode: Literal["once", "multiple", "always_last"] = "once",
    ) -> None:
        """Let an event run an action, show the next desk, and then offer its files.

        Args:
            event: of a widget.
            action: takes the desk and the values of `inputs`.
            inputs: widgets.
            picks: whether the action also takes the place or number that was picked.
            opens: whether it opens a picture.
            rewords: whether words may change by it; while a person types they are left alone.
            trigger_mode: what happens to an event while an earlier one is at work.
        """

        def run(desk: Desk | None, *values: Any) -> Update:
            if desk is None and not opens:
                _warn("this page is older than the program behind it; load it again")
                return {self.desk: None}
            after = _attempt(action, desk, *values)
            answer = None if after is None else after.answer
            if answer is not None and answer.reason is not None and (desk is None or answer is not desk.answer):
                _warn(f"no mask: {answer.reason}")
            update: Update = {self.desk: desk} if after is None else self._shown(after, opens or rewords)
            if opens:
                update |= {self.controls.upload: None, self.controls.examples: gr.Gallery(selected_index=None)}
            return update

        def run_picked(picked: gr.SelectData, desk: Desk | None, *values: Any) -> Update:
            return run(desk, *values, picked.index)

        c = self.controls
        outputs = [self.desk, c.picture, c.status, c.candidates, c.heat, c.words, c.threshold, c.top_k]
        shared: dict[str, Any] = {
            "api_visibility": "private", "concurrency_id": ONE_AT_A_TIME, "concurrency_limit": 1,
        }  # fmt: skip
        event(
            run_picked if picks else run, [self.desk, *inputs], [*outputs, *([c.upload, c.examples] if opens else [])],
            show_progress="minimal", show_progress_on=c.status, trigger_mode=trigger_mode, **shared,
        ).then(
            self._offer, self.desk, [c.mask_file, c.ids_file, c.coco_file], show_progress="hidden", **shared
        )  # fmt: skip

    def _shown(self, desk: Desk, rewords: bool) -> Update:
        """What the page has to show of a desk."""
        c = self.controls
        labels = candidate_labels(desk)
        update: Update = {
            self.desk: desk,
            c.picture: draw_desk(desk),
            c.status: status(desk),
            c.candidates: gr.Radio(labels, value=desk.candidate if labels else None, visible=bool(labels)),
            c.heat: desk.heat,
        }
        if rewords:
            phrase = desk.said.phrase or Phrase("")
            update |= {c.words: phrase.text, c.threshold: phrase.threshold, c.top_k: phrase.top_k}
        return update

    def _offer(self, desk: Desk | None) -> Update:
        """The files of a desk, behind the buttons."""
        c = self.controls
        files = None if desk is None else _attempt(write_masks, desk, Path(tempfile.mkdtemp(dir=self.folder)))
        if files is None:
            return {button: gr.DownloadButton(interactive=False) for button in (c.mask_file, c.ids_file, c.coco_file)}
        paths = {c.mask_file: files.mask, c.ids_file: files.ids, c.coco_file: files.coco}
        return {button: gr.DownloadButton(value=path, interactive=True) for button, path in paths.items()}


def _attempt(action: Callable[..., Result | None], *values: Any) -> Result | None:
    """What the action gives; None if something was wrong that a person can mend, of which they are told."""
    try:
        return action(*values)
    except SamNerfError as error:
        _warn(str(error))
    except (MemoryError, torch.OutOfMemoryError):
        _warn("out of memory; close other programs, or choose a smaller picture")
    return None


def _warn(message: str) -> None:
    gr.Warning(escape(sentence(message)))
