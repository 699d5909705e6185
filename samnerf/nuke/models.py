"""What a frame server serves: something with a name, inputs and options that makes one frame of others."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from samnerf.nuke.frames import Frame
from samnerf.nuke.options import write_options
from samnerf.nuke.schema import Model

CLIENT_CHANNELS = 3
"""Nuke's client sends red, green and blue, and takes as many back."""


@runtime_checkable
class FrameModel(Protocol):
    """A model that a compositor can choose.

    Attributes:
        name: what requests call it.
        label: what people see.
        inputs: names of the frames that it takes; the first has the size of the reply.
        options: a frozen dataclass of `samnerf.nuke.options.option` fields.
    """

    name: str
    label: str
    inputs: tuple[str, ...]
    options: type

    def infer(self, frames: Sequence[Frame], options: Any) -> Frame:
        """One frame, of the size of the first.

        Args:
            frames: one for each input.
            options: an object of the model's dataclass.

        Raises:
            SamNerfError: if frames and options do not go together.
        """
        ...


def described(model: FrameModel) -> Any:
    """The model as a `Model` message, with the defaults of its options."""
    message = Model(name=model.name, label=model.label)
    for name in model.inputs:
        message.inputs.add(name=name, channels=CLIENT_CHANNELS)
    message.outputs.add(name="output", channels=CLIENT_CHANNELS)
    write_options(model.options(), message)
    return message
