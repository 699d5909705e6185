"""Long work: it says how far it is, and can be ended before its end."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

Show = Callable[[str, float], None]
"""Told what is done, and how much of it, 0 to 1."""


class CancelledError(Exception):
    """Somebody no longer wants the work."""


@dataclass
class Work:
    """One piece of work.

    Args:
        name: in a few words, for people.
        show: told about progress.
    """

    name: str
    show: Show = lambda _what, _part: None
    _cancelled: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        """End it at its next step."""
        self._cancelled.set()

    def step(self, what: str, done: int, of: int) -> None:
        """What `samnerf.objects.votes.Progress` is called with.

        Raises:
            CancelledError: if the work was cancelled.
        """
        if self._cancelled.is_set():
            raise CancelledError(self.name)
        self.show(what, done / of if of else 0.0)
