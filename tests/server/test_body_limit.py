"""Bodies that come too slowly, whatever is behind."""

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from samnerf.server.body_limit import BodyLimit


async def echo(request):
    return PlainTextResponse(str(len(await request.body())))


def status_of(pieces, pause, seconds=0.1):
    """What a body is answered with that comes in pieces with a pause before each."""
    application = BodyLimit(Starlette(routes=[Route("/", echo, methods=["POST"])]), 100, seconds)
    left = list(pieces)
    sent = []

    async def receive():
        await asyncio.sleep(pause)
        if not left:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    async def send(message):
        sent.append(message)

    scope = {
        **{"type": "http", "method": "POST", "path": "/", "raw_path": b"/", "root_path": "", "query_string": b""},
        **{"headers": [], "http_version": "1.1", "scheme": "http", "client": None, "server": ("localhost", 80)},
    }
    asyncio.run(application(scope, receive, send))
    return sent[0]["status"]


@pytest.mark.parametrize(
    ("pieces", "pause", "status"),
    [
        ([b"x" * 50, b"x" * 50], 0.0, 200),
        ([b"x" * 50, b"x" * 51], 0.0, 413),
        ([b"x"] * 3, 0.005, 200),
        ([b"x"] * 30, 0.03, 408),
    ],
)
def test_length_and_time_are_bounded(pieces, pause, status):
    assert status_of(pieces, pause) == status
