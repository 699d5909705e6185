"""Pictures for one person: coarse at once, sharper when the camera rests, left unfinished by the next move.

One thread for each person looks at what is wanted now. A camera that moved gets a coarse picture; if it rests, sharper
ones follow, and the features of the view, so that a click is answered by decoders alone. What changes besides the
camera is only painted anew.
"""

import math
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from samnerf.camera import Camera
from samnerf.errors import SamNerfError
from samnerf.objects.layers import ObjectLayers
from samnerf.viewer.scene_app.actions import Actions
from samnerf.viewer.scene_app.answers import SceneAnswer
from samnerf.viewer.scene_app.desk import Desk
from samnerf.viewer.scene_app.frames import Frame, render_frame
from samnerf.viewer.scene_app.painting import Picture, paint

COARSE_SECONDS = 0.12
"""What a picture may take while the camera moves; how many pixels that are is learned from earlier pictures."""
SMALLEST, LARGEST = 48, 256
"""Longer side of such a picture, pixels."""
FIRST_PACE = 40_000.0
"""Pixels per second, before there was a picture."""
REST_SECONDS = 0.2

Resting = Callable[[Frame], None]


@dataclass(frozen=True)
class Shown:
    """What is sent to the browser."""

    picture: Picture
    frame: Frame
    answer: SceneAnswer | None


class RenderLoop:
    """The pictures of one person.

    Args:
        actions: answer prompts.
        desk: gives the desk of now.
        layers: gives the objects of now.
        show: takes a picture.
        fail: takes a message about what went wrong.
    """

    def __init__(
        self,
        actions: Actions,
        desk: Callable[[], Desk],
        layers: Callable[[], ObjectLayers],
        show: Callable[[Shown], None],
        fail: Callable[[str], None],
    ) -> None:
        self._actions, self._desk, self._layers = actions, desk, layers
        self._show, self._fail = show, fail
        self._changed = threading.Condition()
        self._camera: Camera | None = None
        self._moves = 0
        self._paints = 0
        self._ended = False
        self._waiting: list[Resting] = []
        self._made, self._busy = (-1, -1), False
        self._pace = FIRST_PACE
        self._removed: tuple = (frozenset(), ())
        self._answered: tuple[tuple, SceneAnswer | None] | None = None
        self.frame: Frame | None = None
        self._thread = threading.Thread(target=self._run, name="pictures", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> None:
        """Stop; what is being rendered is left."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def move(self, camera: Camera) -> None:
        """Another camera, of the size of sharp pictures."""
        with self._changed:
            self._camera = camera
            self._moves += 1
            self._changed.notify_all()

    def repaint(self) -> None:
        """Something besides the camera has changed."""
        with self._changed:
            self._paints += 1
            self._changed.notify_all()

    def when_resting(self, action: Resting) -> None:
        """Do something with the next sharp picture; at once if there is one."""
        with self._changed:
            self._waiting.append(action)
            self._paints += 1  # a picture that failed before is tried again
            self._changed.notify_all()

    @property
    def idle(self) -> bool:
        """Whether everything that was wanted has been shown."""
        with self._changed:
            return self._made == (self._moves, self._paints) and not self._waiting and not self._busy

    def _run(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.wait_for(
                    lambda: self._ended or (self._camera is not None and (self._moves, self._paints) != self._made)
                )
                if self._ended:
                    return
                self._made, self._busy = (self._moves, self._paints), True
            try:
                self._turn(self._made[0])
            # Whatever goes wrong with one picture, the next may be well; the person is told.
            except Exception as error:
                self._answered = None
                with self._changed:
                    self._waiting.clear()
                if not isinstance(error, SamNerfError):
                    traceback.print_exc()
                self._fail(in_words(error))

    def _turn(self, move: int) -> None:
        """What there is to do for the camera of a move; returns early when it moves again."""
        desk, layers, camera = self._desk(), self._layers(), self._camera
        assert camera is not None
        removed = _removed(desk, layers)
        if self._at_rest(move) and self._removed == removed:
            self._rested(move)
            return
        self._removed = removed
        for number, size in enumerate(picture_sizes(camera.image_size, self._pace)):
            if number == 1 and self._waits_in_vain(move):
                return
            full = size == camera.image_size
            began = time.perf_counter()
            frame = render_frame(
                self._actions.scene, camera.scaled(*size), f"view {move}", layers, desk.removed, full,
                lambda: not self._moved(move),
            )  # fmt: skip
            if frame is None:
                return
            self.frame = frame
            if not full:
                self._show(Shown(paint(frame, _plain(desk), layers), frame, None))
                self._pace = 0.5 * (self._pace + size[0] * size[1] / max(time.perf_counter() - began, 1e-4))
        self._rested(move)

    def _rested(self, move: int) -> None:
        frame = self.frame
        assert frame is not None
        with self._changed:
            waiting, self._waiting = self._waiting, []
        for action in waiting:
            action(frame)
        paints = self._paints
        desk, layers = self._desk(), self._layers()
        if self._removed == _removed(desk, layers):
            with self._changed:
                self._made = (move, paints)  # what the actions changed is shown below
        if desk.said.empty and desk.mode != "Features" and not waiting:
            self._show(Shown(paint(frame, desk, layers), frame, None))
            if not self._moved(move):
                frame.prepare()
            return
        answer = self._answer(frame, desk)
        self._show(Shown(paint(frame, desk, layers, answer), frame, answer))

    def _answer(self, frame: Frame, desk: Desk) -> SceneAnswer | None:
        """Decoders run only if what they read has changed; opacity is but paint."""
        key = (frame, desk.said, replace(desk.settings, opacity=0.0))
        if self._answered is None or self._answered[0] != key:
            self._answered = (key, self._actions.answer(desk, frame))
        return self._answered[1]

    def _at_rest(self, move: int) -> bool:
        return self.frame is not None and self.frame.full and self.frame.view.name == f"view {move}"

    def _moved(self, move: int) -> bool:
        return self._ended or self._moves != move

    def _waits_in_vain(self, move: int) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._moved(move), timeout=REST_SECONDS)


def picture_sizes(full: tuple[int, int], pace: float) -> list[tuple[int, int]]:
    """Sizes (height, width) of the pictures of a camera that has moved, from coarse to full.

    Args:
        full: of the sharp picture.
        pace: pixels that are rendered in a second.
    """
    height, width = full
    longer = max(full)
    coarse = math.sqrt(COARSE_SECONDS * pace * longer / min(full))
    coarse = min(max(coarse, SMALLEST), LARGEST)
    sides = [coarse, math.sqrt(coarse * longer)] if longer > 3 * coarse else [coarse]
    sizes = [(max(1, round(height * side / longer)), max(1, round(width * side / longer))) for side in sides]
    return [*(size for size, side in zip(sizes, sides, strict=True) if side < longer), full]


def _removed(desk: Desk, layers: ObjectLayers) -> tuple:
    """What is taken out of the world, so that the picture has to be rendered anew when it changes."""
    return desk.removed, tuple(one for one in layers.objects if one.object_id in desk.removed)


def _plain(desk: Desk) -> Desk:
    """What can be shown of a coarse picture: no features, and no words that would have to be looked for."""
    return replace(desk, mode="Masks" if desk.mode in ("Relevancy", "Features") else desk.mode)


def in_words(error: Exception) -> str:
    """What went wrong, for a person."""
    if isinstance(error, SamNerfError):
        return " ".join(str(error).splitlines())
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return "out of memory; close other programs, or choose a smaller picture"
    return f"something went wrong that nobody foresaw ({type(error).__name__}: {error}); the viewer goes on"
