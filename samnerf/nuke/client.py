"""The other end of the wire, in Python: for tests, and for hosts that have no client of their own.

client = FrameClient("127.0.0.1", 55555)
client.models()["sam_points"].options                            # {"bypass_srgb": False, "points": "", ...}
mask = client.infer("sam_points", [frame], points="960,540")
"""

import contextlib
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from samnerf.errors import SamNerfError
from samnerf.nuke.frames import Frame, frame_from_message, frame_to_message
from samnerf.nuke.schema import RequestWrapper
from samnerf.nuke.wire import HEADER_BYTES, framed_request, parsed_reply, reply_body_length

_OPTION_LISTS = ("bool_options", "int_options", "float_options", "string_options")
_PIECE = 1 << 20


@dataclass(frozen=True)
class ServedModel:
    """A model as its server describes it.

    Attributes:
        name: what requests call it.
        label: what people see.
        inputs: names of the frames that it takes.
        options: defaults by name.
    """

    name: str
    label: str
    inputs: tuple[str, ...]
    options: dict[str, Any]


class FrameClient:
    """Asks a frame server; each question has a connection of its own.

    Args:
        host, port: where it listens.
        timeout: seconds to wait for anything that it sends or takes.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 55555, timeout: float = 60.0) -> None:
        self.address = host, port
        self.timeout = timeout

    def models(self) -> dict[str, ServedModel]:
        """All models of the server, by name.

        Raises:
            SamNerfError: if there is no server, or what it answers is no description.
        """
        found = {}
        for model in self._descriptions():
            options = {one.name: one.values[0] for kind in _OPTION_LISTS for one in getattr(model, kind) if one.values}
            found[model.name] = ServedModel(model.name, model.label, tuple(one.name for one in model.inputs), options)
        return found

    def infer(self, model: str, frames: Sequence[Frame], /, **options: Any) -> Frame:
        """What a model makes of frames.

        Args:
            model: its name.
            frames: one for each of its inputs.
            options: those that are not to have their defaults; the server is asked for their types.

        Raises:
            SamNerfError: if there is no server, or in the words of the server.
        """
        request = RequestWrapper(info=True)
        request.r2.model.name = request.r2.model.label = model
        if options:
            self._choose(request.r2.model, options)
        request.r2.images.extend(frame_to_message(frame) for frame in frames)
        reply = self.ask(framed_request(request))
        if not reply.HasField("r2") or not reply.r2.images:
            raise SamNerfError(f"the server answered {model} without a picture")
        return frame_from_message(reply.r2.images[0], "the picture of the reply")

    def ask(self, message: bytes) -> Any:
        """The `RespondWrapper` that a whole message, header and body, is answered with.

        Raises:
            SamNerfError: if there is no answer or it is malformed, or in the words of the server if it is an error.
        """
        where = "{}:{}".format(*self.address)
        try:
            with socket.create_connection(self.address, self.timeout) as connection:
                # A server that refuses a message may end the connection before all of it is sent; its reply says why.
                with contextlib.suppress(BrokenPipeError):
                    connection.sendall(message)
                answer = _all_of(connection)
        except OSError as error:
            raise SamNerfError(f"no answer from the frame server at {where}: {error}") from error
        if not answer:
            raise SamNerfError(f"the frame server at {where} ended the connection without an answer")
        length = reply_body_length(answer[:HEADER_BYTES])
        if len(answer) - HEADER_BYTES != length:
            raise SamNerfError(f"the reply has {len(answer) - HEADER_BYTES} bytes but says {length}")
        reply = parsed_reply(answer[HEADER_BYTES:])
        if reply.HasField("error"):
            raise SamNerfError(reply.error.msg)
        return reply

    def _descriptions(self) -> Sequence[Any]:
        request = RequestWrapper(info=True)
        request.r1.info = True
        reply = self.ask(framed_request(request))
        if not reply.HasField("r1"):
            raise SamNerfError("the server answered without a description of its models")
        return reply.r1.models

    def _choose(self, model: Any, options: dict[str, Any]) -> None:
        described = next((one for one in self._descriptions() if one.name == model.name), None)
        kinds = {one.name: kind for kind in _OPTION_LISTS for one in getattr(described, kind, ())}
        for name, value in options.items():
            if name not in kinds:
                raise SamNerfError(f"{model.name} has no option {name!r}; it has {', '.join(kinds) or 'none'}")
            try:
                getattr(model, kinds[name]).add(name=name, values=[value])
            except (TypeError, ValueError) as error:
                raise SamNerfError(f"the option {name!r} cannot be {value!r}: {error}") from error


def _all_of(connection: socket.socket) -> bytes:
    pieces = []
    while piece := connection.recv(_PIECE):
        pieces.append(piece)
    return b"".join(pieces)
