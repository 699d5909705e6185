"""What was said in nerfstudio's viewer, which all its browsers and threads share.

A click is a ray until the next picture is rendered: only then nobody trains, and the scene can be asked where it ends.
From then on it is a point of the world.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from nerfstudio.viewer_legacy.server.viewer_utils import IOChangeException

from samnerf.prompts import Phrase, PromptSet, WorldPoint

Vector = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class ClickedRay:
    """A click, as the browser tells of it.

    Attributes:
        origin: where it was seen from, in the scene's world.
        direction: towards what was clicked, of any length.
        label: 1 adds, 0 takes away.
    """

    origin: Vector
    direction: Vector
    label: int = 1


class SharedPrompts:
    """Prompts of one object; any thread may change and read them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rays: tuple[ClickedRay, ...] = ()
        self._said = PromptSet()

    @property
    def empty(self) -> bool:
        """Whether nothing was said."""
        with self._lock:
            return not self._rays and self._said.empty

    @property
    def has_phrase(self) -> bool:
        """Whether there are words."""
        with self._lock:
            return self._said.phrase is not None

    def click(self, ray: ClickedRay) -> None:
        """One more click."""
        with self._lock:
            self._rays += (ray,)

    def find(self, text: str, threshold: float) -> None:
        """Words for what is meant, instead of earlier ones; blank ones take them back.

        Args:
            text: the words.
            threshold: relevancy that a place must reach, 0 to 1.
        """
        phrase = Phrase(text.strip(), threshold) if text.strip() else None
        with self._lock:
            self._said = replace(self._said, phrase=phrase)

    def adjust(self, threshold: float) -> None:
        """Another threshold for the words that were said."""
        with self._lock:
            if self._said.phrase is not None:
                self._said = replace(self._said, phrase=replace(self._said.phrase, threshold=threshold))

    def clear(self) -> None:
        """Nothing was said."""
        with self._lock:
            self._rays, self._said = (), PromptSet()

    def settled(self, meet: Callable[[ClickedRay], WorldPoint]) -> PromptSet:
        """What was said, every click a point of the world.

        Args:
            meet: where a ray ends. A ray for which it fails is forgotten, but for interrupted renders, and the error is
                the caller's.
        """
        with self._lock:
            waiting = self._rays
        for ray in waiting:
            try:
                point = meet(ray)
            except IOChangeException:
                raise
            except Exception:
                self._settle(ray, ())
                raise
            self._settle(ray, (point,))
        with self._lock:
            return self._said

    def _settle(self, ray: ClickedRay, points: tuple[WorldPoint, ...]) -> None:
        with self._lock:
            if any(ray is one for one in self._rays):  # not cleared meanwhile
                # Both at once: nerfstudio may interrupt a render between any two lines.
                self._rays, self._said = (
                    tuple(one for one in self._rays if one is not ray),
                    replace(self._said, world_points=self._said.world_points + points),
                )
