"""One browser at the viewer: which widget does what, and what it is shown."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from samnerf.camera import Camera
from samnerf.errors import SamNerfError
from samnerf.viewer.scene_app.backdrop import send_backdrop
from samnerf.viewer.scene_app.buttons import on_press
from samnerf.viewer.scene_app.common import Common
from samnerf.viewer.scene_app.desk import Desk
from samnerf.viewer.scene_app.exports import Views
from samnerf.viewer.scene_app.flight import Flight
from samnerf.viewer.scene_app.frames import Frame
from samnerf.viewer.scene_app.keyframes import Keyframes
from samnerf.viewer.scene_app.long_work import LongWork
from samnerf.viewer.scene_app.markers import Markers
from samnerf.viewer.scene_app.object_rows import ObjectRows
from samnerf.viewer.scene_app.panel import CHOOSE, EXAMPLES, build_panel
from samnerf.viewer.scene_app.pointer import Pointer
from samnerf.viewer.scene_app.render_loop import RenderLoop, Shown, in_words
from samnerf.viewer.scene_app.shared_objects import SharedObjects
from samnerf.viewer.scene_app.take_home import TakeHome
from samnerf.viewer.scene_app.viser_cameras import from_viser, look_from, same_view
from samnerf.viewer.scene_app.words import objects_line, sentence, status

TYPING_PAUSE = 0.8
"""Seconds after the last letter until words are looked for; viser tells no Enter."""
SECONDS_SHOWN = 8.0
COARSE_QUALITY, FULL_QUALITY = 70, 92
"""Of the pictures that are sent, JPEG."""


class Visit:
    """What one browser sees and does.

    Args:
        client: viser's handle.
        common: what is there once.
        objects: of all, or its own.
        desk: as it was left, or a new one.
        camera: where to look from at first.
    """

    def __init__(self, client: Any, common: Common, objects: SharedObjects, desk: Desk, camera: Camera) -> None:
        self.client, self.common, self.objects = client, common, objects
        self.desk = desk
        self.camera = camera
        self._lock = threading.RLock()
        self._typing: threading.Timer | None = None
        self._leave = objects.listen(self.changed)
        self.loop = RenderLoop(common.actions, lambda: self.desk, lambda: objects.layers, self.show, self.warn)
        names, adapter = [name for name, _ in common.cameras], common.actions.soft_edges.available
        self.panel = build_panel(client.gui, desk, names, str(common.choices.size), adapter)
        self.rows = ObjectRows(client.gui, self.panel.rows, self._act, self._edit)
        self.work = LongWork(self.panel, common.one_at_a_time, self.tell, self.warn)
        self.files = TakeHome(common, client, objects, self.work, self.tell)
        self.markers = Markers(client.scene)
        self.keyframes = Keyframes(client, self.panel, common.distance)
        self.pointer = Pointer(client.scene, self._clicked, self._boxed)
        self.pointer.use(desk.tool)
        self._wire()
        look_from(client, camera, common.distance)
        client.camera.on_update(lambda moved: self.attempt(self._moved, moved))
        self.loop.start()
        self._moved(client.camera)
        self.changed()

    def leave(self) -> None:
        """The browser is gone."""
        self._leave()
        self.work.cancel()
        self.loop.end()

    def attempt(self, action: Callable[..., Any], *values: Any) -> None:
        """Do something; what goes wrong is said to the person."""
        try:
            action(*values)
        # A handler that fails must neither end the viewer nor be silent.
        except Exception as error:
            self.warn(in_words(error))

    def warn(self, message: str) -> None:
        """Say that something is wrong."""
        self.client.add_notification(
            "This did not work", sentence(message), auto_close=int(2000 * SECONDS_SHOWN), color="red"
        )

    def tell(self, title: str, message: str) -> None:
        """Say that something is done."""
        self.client.add_notification(title, message, auto_close=int(1000 * SECONDS_SHOWN), color="green")

    def change(self, step: Callable[[Desk], Desk]) -> None:
        """Another desk."""
        with self._lock:
            self.desk = step(self.desk)
        self.changed()

    def changed(self) -> None:
        """Show how things are now."""
        with self._lock:
            layers, desk = self.objects.layers, self.desk
            self.rows.update(layers, desk)
            self.panel.objects_line.content = objects_line(layers)
            self.markers.update(desk.said.world_points, self.camera)
            self.keyframes.update(desk.flight)
        self.loop.repaint()

    def show(self, shown: Shown) -> None:
        """Send a picture."""
        frame = shown.frame
        depth = frame.packed_depth if self.markers.any or self.keyframes.any else None
        send_backdrop(self.client, shown.picture, FULL_QUALITY if frame.full else COARSE_QUALITY, depth)
        if frame.full:
            words = status(self.desk, shown.answer)
            if self.panel.status.content != words:
                self.panel.status.content = words

    def _wire(self) -> None:
        p = self.panel
        self._press(p.tool, self._use)
        self._on(p.find.on_click, lambda _: self._find())
        self._on(p.words.on_update, lambda _: self._typed())
        self._press(p.examples, self._example)
        self._on(p.lock.on_click, lambda _: self._lock_prompted())
        self._press(p.back, lambda what: self.change(Desk.take_back if what == "Take back" else Desk.clear))
        self._on(p.everything.on_click, lambda _: self._lock_everything())
        self._press(p.history, self._step)
        self._on(p.mode.on_update, lambda mode: self.change(lambda desk: replace(desk, mode=mode)))
        for name in ("opacity", "threshold", "text_threshold", "top_k", "granularity", "by_depth"):
            self._on(getattr(p, name).on_update, lambda value, name=name: self._adjust(name, value))
        self._on(p.soft_edges.on_update, self._soften)
        self._on(p.photograph.on_update, self._go_to)
        self._on(p.size.on_update, lambda _: self._moved(self.client.camera))
        self._on(p.keyframe.on_update, lambda _: self.keyframes.go(self.desk.flight))
        self._press(p.keyframes, self._keyframe)
        self._on(p.seconds.on_update, lambda seconds: self._fly(replace(self.desk.flight, seconds=seconds)))
        self._on(p.export.on_click, lambda _: self._export(p.format.value, p.views.value, p.alpha.value))
        self._on(p.prompts.on_click, lambda _: self.files.prompts(self.desk))
        self._on(p.save.on_click, lambda _: self.files.save())
        self._on(p.load.on_click, lambda _: self.files.load())
        self._on(p.cancel.on_click, lambda _: self.work.cancel())

    def _on(self, event: Callable[[Any], Any], action: Callable[[Any], Any]) -> None:
        """Let what a person does to a widget, and not what the program does to it, run an action with its value."""
        event(lambda one: self.attempt(action, one.target.value) if one.client is not None else None)

    def _press(self, row: Any, action: Callable[[Any], Any]) -> None:
        on_press(row, lambda option: self.attempt(action, option))

    def _use(self, tool: Any) -> None:
        self.change(lambda desk: replace(desk, tool=tool))
        self.pointer.use(tool)

    def _moved(self, moved: Any) -> None:
        camera = from_viser(moved, int(self.panel.size.value))
        if self.loop.frame is None or not same_view(camera, self.camera):
            self.camera = camera
            self.loop.move(camera)

    def _clicked(self, place: tuple[float, float]) -> None:
        self._with_frame(lambda frame: self.change(lambda desk: self.common.actions.click(desk, frame, place)))

    def _boxed(self, first: tuple[float, float], second: tuple[float, float]) -> None:
        self._with_frame(
            lambda frame: self.change(lambda desk: self.common.actions.draw_box(desk, frame, first, second))
        )

    def _with_frame(self, action: Callable[[Frame], None]) -> None:
        """Do something at a place of the picture of now, when it is sharp."""
        camera = self.camera

        def with_frame(frame: Frame) -> None:
            if not same_view(frame.camera, camera):
                raise SamNerfError("the camera moved before the picture was ready; try again")
            action(frame)

        self.loop.when_resting(with_frame)

    def _typed(self) -> None:
        if self._typing is not None:
            self._typing.cancel()
        if self.panel.words.value.strip():
            self._typing = threading.Timer(TYPING_PAUSE, lambda: self.attempt(self._find))
            self._typing.daemon = True
            self._typing.start()

    def _find(self) -> None:
        if self._typing is not None:
            self._typing.cancel()
        text = self.panel.words.value
        said = self.desk.said.phrase
        if said is None or said.text != text.strip():
            self.change(lambda desk: desk.ask(text))

    def _example(self, which: str) -> None:
        def click(frame: Frame) -> None:
            places = self.common.actions.examples(frame)
            number = EXAMPLES.index(which)
            if number >= len(places):
                raise SamNerfError("nothing else stands out here; look around, and click what you like")
            self.change(
                lambda desk: self.common.actions.click(replace(desk.clear(), tool="Add"), frame, places[number])
            )

        self.loop.when_resting(click)

    def _lock_prompted(self) -> None:
        name, desk = self.panel.name.value, self.desk

        def lock(frame: Frame) -> None:
            def run(work: Any) -> str:
                names = self.common.actions.lock(desk, frame, self.objects, name, work)
                # Whoever went on meanwhile keeps what they have said since.
                if self.desk.said == desk.said:
                    self.change(Desk.clear)
                    self.panel.name.value = ""
                    self.panel.words.value = ""
                return f"{', '.join(names)}: locked now"

            self.work.start("Locking", run)

        self.loop.when_resting(lock)

    def _export(self, name: str, views: Views, alpha: str) -> None:
        self.loop.when_resting(lambda frame: self.files.export(name, views, alpha, frame, self.desk))

    def _keyframe(self, what: str) -> None:
        flight = self.desk.flight
        if what == "Add here":
            self._fly(flight.add(self.camera))
        elif what == "Remove":
            self._fly(flight.remove(self.keyframes.chosen))
        else:
            flight.cameras((3, 4))  # said at once if there is nothing to fly along
            self.work.start("Camera path", lambda work: self.keyframes.fly(flight, work))

    def _fly(self, flight: Flight) -> None:
        self.change(lambda desk: replace(desk, flight=flight))

    def _lock_everything(self) -> None:
        def run(work: Any) -> str:
            return f"{len(self.common.actions.lock_everything(self.objects, work))} objects locked"

        self.work.start("Locking everything", run)

    def _step(self, what: str) -> None:
        undone = what == "Undo"
        step = self.objects.undo() if undone else self.objects.redo()
        self.tell("Undone" if undone else "Done again", step)

    def _adjust(self, name: str, value: Any) -> None:
        self.change(lambda desk: desk.adjust(replace(desk.settings, **{name: value})))

    def _soften(self, soft: bool) -> None:
        try:
            self.change(lambda desk: self.common.actions.soften(desk, soft))
        except Exception:
            self.panel.soft_edges.value = False
            raise

    def _go_to(self, name: str) -> None:
        if name != CHOOSE:
            look_from(self.client, dict(self.common.cameras)[name], self.common.distance)

    def _act(self, object_id: int, what: str) -> None:
        self.attempt(self._do, object_id, what)

    def _do(self, object_id: int, what: str) -> None:
        one = next((one for one in self.objects.layers.objects if one.object_id == object_id), None)
        if one is None:
            raise SamNerfError("this object is no longer there")
        if what == "Hide":
            word = "hide" if one.visible else "show"
            self.objects.change(f"{word} {one.name!r}", lambda layers: layers.show(one.name, not one.visible))
        elif what == "✕":
            self.objects.change(f"delete {one.name!r}", lambda layers: layers.delete(one.name))
        else:
            self.change(lambda desk: desk.isolate(object_id) if what == "Only" else desk.remove(object_id))

    def _edit(self, object_id: int, name: str, colour: tuple[int, int, int]) -> None:
        def edit() -> None:
            one = next(one for one in self.objects.layers.objects if one.object_id == object_id)
            self.objects.change(
                f"change {one.name!r}", lambda layers: layers.recolour(one.name, colour).rename(one.name, name)
            )

        self.attempt(edit)
