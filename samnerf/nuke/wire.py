"""Messages as bytes: 12 ASCII digits, then a protobuf body.

The digits of a request count its body; those of a reply count themselves, too. Every reply says `info: true`, as every
request of Nuke's does; what it is, is told by the field that it has.
"""

import re
from typing import Any

from google.protobuf.message import Message

from samnerf.errors import SamNerfError
from samnerf.nuke.schema import RequestWrapper, RespondWrapper

HEADER_BYTES = 12
LONGEST_BODY = 10**HEADER_BYTES - 1 - HEADER_BYTES
LONGEST_ERROR = 1000
"""Characters of an error that are sent; the client shows it on its node."""
_DIGITS = re.compile(rb"[0-9]{12}")


def framed_request(request: Message) -> bytes:
    """A request as it is sent."""
    body = request.SerializeToString()
    return b"%012d" % len(body) + body


def framed_reply(reply: Message) -> bytes:
    """A reply as it is sent."""
    body = reply.SerializeToString()
    return b"%012d" % (HEADER_BYTES + len(body)) + body


def request_body_length(header: bytes, most: int = LONGEST_BODY) -> int:
    """Bytes that follow the header of a request.

    Raises:
        SamNerfError: if it is no header, or they would be none or more than `most`.
    """
    length = _number(header, "request")
    if not 0 < length <= most:
        raise SamNerfError(f"the request says that it has {length} bytes, but 1 to {most} are taken")
    return length


def reply_body_length(header: bytes) -> int:
    """Bytes that follow the header of a reply.

    Raises:
        SamNerfError: if it is no header.
    """
    length = _number(header, "reply") - HEADER_BYTES
    if length < 0:
        raise SamNerfError(f"the reply says that it has {length + HEADER_BYTES} bytes, fewer than its header")
    return length


def parsed_request(body: bytes) -> Any:
    """The `RequestWrapper` in a body that came from outside.

    Raises:
        SamNerfError: if it is none, a field is missing, or it asks for nothing or for two things.
    """
    request = _parsed(RequestWrapper, body, "request")
    asked = [field for field in ("r1", "r2") if request.HasField(field)]
    if len(asked) != 1:
        raise SamNerfError("the request must have one of the fields r1 (info) and r2 (inference)")
    return request


def parsed_reply(body: bytes) -> Any:
    """The `RespondWrapper` in a body that came from outside.

    Raises:
        SamNerfError: if it is none, or a field is missing.
    """
    return _parsed(RespondWrapper, body, "reply")


def error_reply(words: str) -> Any:
    """The reply that says what was wrong, in one line."""
    line = " ".join(words.split())
    if len(line) > LONGEST_ERROR:
        line = f"{line[: LONGEST_ERROR - 3]}..."
    reply = RespondWrapper(info=True)
    # Names that came from outside may hold halves of characters, which no message can.
    reply.error.msg = line.encode("utf-8", "replace").decode()
    return reply


def _number(header: bytes, what: str) -> int:
    if not _DIGITS.fullmatch(header):
        raise SamNerfError(f"the {what} begins with {header!r} but must begin with {HEADER_BYTES} digits, its length")
    return int(header)


def _parsed(kind: Any, body: bytes, what: str) -> Any:
    message = kind()
    try:
        message.ParseFromString(body)
        missing = message.FindInitializationErrors()
    # Which error broken bytes give depends on where they are broken, and on how protobuf was built.
    except Exception as error:
        raise SamNerfError(f"the {what} is no protobuf message of the kind {kind.DESCRIPTOR.name}: {error}") from error
    if missing:
        raise SamNerfError(f"the {what} lacks the field {missing[0]}")
    return message
