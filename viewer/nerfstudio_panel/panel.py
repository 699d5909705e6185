"""The panel in nerfstudio's viewer: its widgets, and the two outputs that it adds to every picture of the viewer.

Widgets and clicks only note what was said and ask for a new picture. All else happens when nerfstudio renders one,
under its train lock. Whatever goes wrong there is shown in words, and the picture is plain colour.
"""

import contextlib
import math
import sys
import threading
import traceback
from collections.abc import Iterator
from typing import Any

import numpy as np
import trimesh
import viser.transforms as vtf
from nerfstudio.utils.rich_utils import CONSOLE
from nerfstudio.viewer.render_state_machine import RenderStateMachine
from nerfstudio.viewer.viewer import VISER_NERFSTUDIO_SCALE_RATIO, Viewer
from nerfstudio.viewer_legacy.server.viewer_utils import IOChangeException
from torch import Tensor

from samnerf.distill.colour_model import ColourModel, Shown
from samnerf.errors import SamNerfError
from samnerf.scene import TrainedScene
from samnerf.server.remembered_maps import RememberedMaps
from samnerf.teachers.pairs import Kind
from samnerf.viewer.nerfstudio_panel.answers import OBJECTS, RELEVANCY, answer, met_by, view_of
from samnerf.viewer.nerfstudio_panel.decoders import Decoders
from samnerf.viewer.nerfstudio_panel.shared_prompts import ClickedRay, SharedPrompts
from samnerf.viewer.scene_app.pointer import OUT_OF_SIGHT
from samnerf.viewer.scene_app.words import plain, sentence

LABELS = {"adds": 1, "takes away": 0}
HELP = "Press Click, then click an object; or say what you look for, and press Find."
CLICKING = "**Click an object** in the picture. Dragging turns it as before."
LOADING = "Loading the decoders ..."
NOT_SHOWN = "Choose the output type `objects` or `relevancy` to see the answer."
SLOW = "This scene was trained without features: the teachers look at each picture, which is slow."
RESTING = f"{SLOW} They begin when the picture rests."
NO_WORDS = "Say what you look for, and press Find: `relevancy` shows where it fits."
ENCODED_PICTURES = 4
"""Maps of pictures that are kept of a scene without distillation: those of two pictures."""


def open_panel(viewer: Viewer, pipeline: Any) -> "Panel":
    """Put the panel into a viewer of a pipeline whose model is one of ours."""
    panel = Panel(viewer, pipeline)
    pipeline.model.answer_prompts = panel.answer_prompts
    return panel


class Panel:
    """What a viewer's browsers share.

    Args:
        viewer: nerfstudio's.
        pipeline: trained, or in training.

    Attributes:
        prompts: what was said.
        decoders: of the scene's teachers.
        status, click, stop, label, words, find, threshold, clear: viser's handles of the widgets.
        around: the thing around everything that takes clicks.
    """

    def __init__(self, viewer: Viewer, pipeline: Any) -> None:
        model = pipeline.model
        assert isinstance(model, ColourModel)
        self._viewer, self._model = viewer, model
        self._scene = TrainedScene(pipeline, model.config.pair, "", str(model.device))
        self._maps = RememberedMaps(self._scene.encode, ENCODED_PICTURES)
        self.prompts = SharedPrompts()
        self.decoders = Decoders(self._scene, self._rerender)
        self._build()

    def _build(self) -> None:
        server = self._viewer.viser_server
        # Right below nerfstudio's own numbers, where one need not scroll.
        folder = server.gui.add_folder("SAM-NeRF", order=math.nextafter(self._viewer.stats_markdown.order, math.inf))
        with folder:
            self.status = server.gui.add_markdown(HELP)
            # As with nerfstudio's own pause button: viser 0.2.7 changes no labels.
            self.click = server.gui.add_button("Click", hint="Then click on the picture.")
            self.stop = server.gui.add_button("Stop clicking", color="orange", visible=False)
            self.label = server.gui.add_dropdown("A click", tuple(LABELS), hint="What a click does.")
            self.words = server.gui.add_text("Words", "", hint='What you look for, e.g. "red cube".')
            self.find = server.gui.add_button("Find", hint="Look for the words.")
            self.threshold = server.gui.add_slider(
                "Words fit", 0.0, 1.0, 0.01, 0.5, hint="How well a place must fit the words."
            )
            self.clear = server.gui.add_button("Clear", hint="Forget clicks and words.")
        # viser stops its camera while it listens for clicks on the picture, but not for clicks on things; so there is
        # one around everything.
        box = trimesh.creation.box((OUT_OF_SIGHT,) * 3)
        self.around = server.scene.add_mesh_simple(
            "/samnerf_clicks", box.vertices, box.faces, side="double", opacity=0.0, visible=False
        )
        self.around.on_click(lambda event: self.clicked(event.client.camera, event.screen_pos))
        self.click.on_click(lambda _: self._listen(True))
        self.stop.on_click(lambda _: self._listen(False))
        self.find.on_click(lambda _: self._find())
        self.clear.on_click(lambda _: self._clear())
        self.threshold.on_update(lambda _: self._adjust())

    def _listen(self, clicking: bool) -> None:
        self.around.visible = self.stop.visible = clicking
        self.click.visible = not clicking
        if clicking:
            self._show(OBJECTS)
        if self.prompts.empty:
            self._say(self._help())

    def clicked(self, camera: Any, place: tuple[float, float]) -> None:
        """A click on the picture.

        Args:
            camera: viser's handle of the browser's; ten times nerfstudio's world. The ray is made from it, because
                the one that viser 0.2.7 sends with a click on a thing was seen to miss what was clicked.
            place: (x, y) as parts of the picture's width and height.
        """
        pose = vtf.SO3(np.asarray(camera.wxyz)).as_matrix()
        half = math.tan(camera.fov / 2)
        # viser's cameras are OpenCV's: they look along +Z, and +Y is down.
        local = np.array([(2 * place[0] - 1) * half * camera.aspect, (2 * place[1] - 1) * half, 1.0])
        x, y, z = (np.asarray(camera.position) / VISER_NERFSTUDIO_SCALE_RATIO).tolist()
        dx, dy, dz = (pose @ local).tolist()
        self.prompts.click(ClickedRay((x, y, z), (dx, dy, dz), LABELS[self.label.value]))
        self._asked(OBJECTS)

    def _find(self) -> None:
        self.prompts.find(self.words.value, self.threshold.value)
        if self.prompts.empty:
            self._say(self._help())
        self._asked(RELEVANCY)

    def _adjust(self) -> None:
        self.prompts.adjust(self.threshold.value)
        if self.prompts.has_phrase:
            self._rerender()

    def _clear(self) -> None:
        self.prompts.clear()
        self._say(self._help())
        self._rerender()

    def _asked(self, output: str) -> None:
        if not self.prompts.empty:
            self.decoders.want(self._kinds)
            self._show(output)
        self._rerender()

    @property
    def _kinds(self) -> tuple[Kind, ...]:
        return ("sam", "clipseg") if self.prompts.has_phrase else ("sam",)

    @property
    def _shown(self) -> set[str]:
        """Names of the outputs that the viewer shows."""
        control = self._viewer.control_panel
        return {control.output_render} | ({control.split_output_render} if control.split else set())

    def _show(self, output: str) -> None:
        """Let the viewer show an output, unless it shows an answer already."""
        chooser = self._viewer.control_panel._output_render
        if self._shown.isdisjoint({OBJECTS, RELEVANCY}) and output in chooser.options:
            chooser.value = output

    def _rerender(self) -> None:
        # Browsers come and go while their list is walked through.
        with contextlib.suppress(KeyError):
            self._viewer._trigger_rerender()

    def _help(self) -> str:
        return CLICKING if self.around.visible else HELP

    def _say(self, words: str) -> None:
        if self.status.content != words:
            self.status.content = words

    def answer_prompts(self, shown: Shown) -> dict[str, Tensor]:
        """The outputs `objects` and `relevancy` for this viewer's pictures, none for all others.

        Never fails, but for nerfstudio's interrupts: nerfstudio's threads would not survive that.
        """
        renderer = threading.current_thread()
        if not isinstance(renderer, RenderStateMachine) or renderer.viewer is not self._viewer:
            return {}
        colour = shown.outputs["rgb"]
        pictures = {OBJECTS: shown.outputs.get(OBJECTS, colour), RELEVANCY: colour}
        try:
            answers, words = self._answers(shown, pictures[OBJECTS], resting=renderer.state == "high")
            with uninterrupted():
                self._say(words)
            return pictures | {name: picture.to(colour.device) for name, picture in answers.items()}
        except IOChangeException:
            raise
        except Exception as error:
            with uninterrupted():
                self._report(error)
            return pictures

    def _answers(self, shown: Shown, ground: Tensor, resting: bool) -> tuple[dict[str, Tensor], str]:
        """Pictures that differ from plain colour, and words."""
        if self.prompts.empty:
            return {}, self._help()
        wanted = self._shown & {OBJECTS, RELEVANCY}
        if not wanted:
            return {}, NOT_SHOWN
        if not self._scene.distilled and not resting:
            return {}, RESTING
        said = self.prompts.settled(lambda ray: met_by(self._model, ray, shown))
        if wanted == {RELEVANCY} and said.phrase is None:
            return {}, NO_WORDS
        session = self.decoders.session(("sam", "clipseg") if said.phrase is not None else ("sam",))
        if session is None:
            return {}, LOADING
        found = answer(session, view_of(shown, self._maps.encode), said, ground.float().cpu(), wanted)
        words = [found.words] if found.words else []
        if found.reason is not None:
            words.append(f"**Nothing found:** {plain(found.reason)}.")
        if not self._scene.distilled:
            words.append(SLOW)
        return found.pictures, " ".join(words)

    def _report(self, error: Exception) -> None:
        """Say what went wrong, in the panel and, once, in the terminal."""
        lines = str(error).strip().splitlines() or [type(error).__name__]
        words = f"**No answer:** {plain(sentence(lines[0]))} The picture shows plain colour."
        if self.status.content == words:
            return
        self._say(words)
        log = lines[0] if isinstance(error, SamNerfError) else "".join(traceback.format_exception(error))
        CONSOLE.print(f"The viewer's SAM-NeRF panel: {log}", style="bold red", markup=False, soft_wrap=True)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Nerfstudio interrupts a render by a trace function, which may raise at any line; not in here."""
    trace = sys.gettrace()
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(trace)
