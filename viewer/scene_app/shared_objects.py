"""The objects that everybody at the viewer works on: one history, changed by one person at a time."""

import threading
from collections.abc import Callable

from samnerf.objects.history import History
from samnerf.objects.layers import ObjectLayers

Change = Callable[[ObjectLayers], ObjectLayers]


class SharedObjects:
    """A history behind a lock, and those who want to know when it changes.

    Args:
        layers: what there is at first.
    """

    def __init__(self, layers: ObjectLayers | None = None) -> None:
        self._lock = threading.RLock()
        self._history = History(layers or ObjectLayers())
        self._listeners: list[Callable[[], None]] = []

    @property
    def layers(self) -> ObjectLayers:
        """The objects of now."""
        return self._history.layers

    @property
    def history(self) -> History:
        """All of it."""
        return self._history

    def change(self, what: str, change: Change) -> None:
        """One step.

        Args:
            what: in a few words, for people.
            change: gives the layers after it; if it raises, nothing has happened.
        """
        self._set(lambda history: history.done(what, change(history.layers)))

    def undo(self) -> str:
        """Back by one step, which is named.

        Raises:
            SamNerfError: if there is none.
        """
        return self._set(History.undo).future[-1].what

    def redo(self) -> str:
        """The step that was undone last, which is named.

        Raises:
            SamNerfError: if there is none.
        """
        return self._set(History.redo).past[-1].what

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call the listener after every change; gives what ends that."""
        with self._lock:
            self._listeners.append(listener)

        def leave() -> None:
            with self._lock:
                self._listeners.remove(listener)

        return leave

    def _set(self, step: Callable[[History], History]) -> History:
        with self._lock:
            self._history = step(self._history)
            after, listeners = self._history, list(self._listeners)
        for listener in listeners:
            listener()
        return after
