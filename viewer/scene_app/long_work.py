"""Long work of one person: in a thread of its own, with a bar, and a button that ends it."""

import threading
import traceback
from collections.abc import Callable

from samnerf.errors import SamNerfError
from samnerf.viewer.scene_app.panel import Panel
from samnerf.viewer.scene_app.render_loop import in_words
from samnerf.viewer.scene_app.words import plain
from samnerf.viewer.scene_app.work import CancelledError, Work


class LongWork:
    """At most one piece of work of a person, and of all people one at a time.

    Args:
        panel: has the bar and the button.
        one_at_a_time: of all people.
        tell: takes title and words of what was done.
        warn: takes what went wrong.
    """

    def __init__(
        self,
        panel: Panel,
        one_at_a_time: threading.Lock,
        tell: Callable[[str, str], None],
        warn: Callable[[str], None],
    ) -> None:
        self._panel, self._one_at_a_time = panel, one_at_a_time
        self._tell, self._warn = tell, warn
        self._busy = threading.Lock()
        self._work: Work | None = None

    def start(self, name: str, run: Callable[[Work], str]) -> None:
        """Begin; `run` gives the words that are said when it is done.

        Raises:
            SamNerfError: if something is at work already.
        """
        if not self._busy.acquire(blocking=False):
            raise SamNerfError("something is at work already; wait for it, or cancel it")
        self._work = Work(name, self._show)
        threading.Thread(target=self._run, args=(self._work, run), name=name, daemon=True).start()

    def cancel(self) -> None:
        """End what is at work, if anything is."""
        if self._work is not None:
            self._work.cancel()

    def _run(self, work: Work, run: Callable[[Work], str]) -> None:
        try:
            self._visible(True)
            self._show("waiting for its turn", 0.0)
            with self._one_at_a_time:
                work.step("beginning", 0, 1)
                self._tell(work.name, run(work))
        except CancelledError:
            self._tell(work.name, "cancelled")
        # Whatever fails in a thread of its own would be silent.
        except Exception as error:
            if not isinstance(error, SamNerfError):
                traceback.print_exc()
            self._warn(in_words(error))
        finally:
            self._work = None
            self._busy.release()
            self._visible(False)

    def _visible(self, visible: bool) -> None:
        for widget in (self._panel.bar, self._panel.progress, self._panel.cancel):
            widget.visible = visible

    def _show(self, what: str, part: float) -> None:
        self._panel.bar.value = 100 * part
        self._panel.progress.content = plain(f"{what}, {part:.0%}")
