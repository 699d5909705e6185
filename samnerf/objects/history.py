"""Undo and redo over layers. Layers never change, so a history is a list of those that were."""

from dataclasses import dataclass, field, replace

from samnerf.errors import SamNerfError
from samnerf.objects.layers import ObjectLayers

MOST_STEPS = 100
"""What was done before the last so many steps stays done."""


@dataclass(frozen=True, eq=False)
class Step:
    """Something that was done, or undone, and the layers on the other side of it."""

    what: str
    layers: ObjectLayers


@dataclass(frozen=True, eq=False)
class History:
    """The layers of now, and the way back and forth; itself changed only by making a new one.

        history = history.done("delete 'fox'", history.layers.delete("fox"))
        history = history.undo()

    Attributes:
        layers: of now.
        past: what can be undone, the latest last.
        future: what can be done again, the next last.
    """

    layers: ObjectLayers = field(default_factory=ObjectLayers)
    past: tuple[Step, ...] = ()
    future: tuple[Step, ...] = ()

    def done(self, what: str, layers: ObjectLayers) -> "History":
        """One step further; what was undone before is forgotten.

        Args:
            what: in a few words, for people.
            layers: that came of it.
        """
        return History(layers, (*self.past, Step(what, self.layers))[-MOST_STEPS:])

    def undo(self) -> "History":
        """The layers before the latest step. Its IDs stay given: a file may have them.

        Raises:
            SamNerfError: if there is none.
        """
        if not self.past:
            raise SamNerfError("there is nothing to undo")
        *past, last = self.past
        return History(self._counting_on(last.layers), tuple(past), (*self.future, Step(last.what, self.layers)))

    def redo(self) -> "History":
        """The layers after the step that was undone last.

        Raises:
            SamNerfError: if there is none.
        """
        if not self.future:
            raise SamNerfError("there is nothing to do again")
        *future, following = self.future
        return History(
            self._counting_on(following.layers), (*self.past, Step(following.what, self.layers)), tuple(future)
        )

    def _counting_on(self, layers: ObjectLayers) -> ObjectLayers:
        return replace(layers, next_id=max(layers.next_id, self.layers.next_id))
