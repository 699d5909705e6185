"""viser's server, with a door: who may come in, and nothing leaves the folder of its page.

viser 0.2.7 asks nobody who they are, tells Google of every visit, lets a page from elsewhere talk to it, serves files
beside its own folder to requests with `..` in them, takes another port when one is taken, and opens a tunnel to the
network when a browser asks for it. All of that is refused here, before viser sees a request.
"""

import contextlib
import hmac
import http
import io
import secrets
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any
from unittest import mock
from urllib.parse import parse_qs, urlsplit

import viser

from samnerf.errors import SamNerfError
from samnerf.viewer.image_app.server import OWN_NAMES, is_private, open_port

TOKEN_COOKIE = "samnerf_token"
VISITOR_COOKIE = "samnerf_visitor"
_visitor: ContextVar[str] = ContextVar("visitor", default="")

NOTHING_FROM_ELSEWHERE = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' blob: data:; "
    "connect-src 'self' blob: data:; worker-src 'self' blob:"
)
"""viser's page evaluates its own Markdown, and would tell Google of every visit."""

Answer = tuple[http.HTTPStatus, Any, bytes]
"""Status, headers and body."""


@dataclass(frozen=True)
class Door:
    """Who is let in.

    Attributes:
        host: where the server listens. If only this machine can reach it, requests for another name are refused, so
            that no page from elsewhere can pose as the viewer.
        token: what a visitor must bring; None lets in everybody.
    """

    host: str
    token: str | None = None

    def refusal(self, path: str, headers: Any) -> Answer | None:
        """The answer to a request that is not let in; None for one that is."""
        asked = urlsplit(f"//{headers.get('Host', '')}")
        if is_private(self.host) and asked.hostname not in {name.strip("[]") for name in (*OWN_NAMES, self.host)}:
            return _plainly(http.HTTPStatus.FORBIDDEN, "this viewer answers to localhost only")
        origin = headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != headers.get("Host"):
            return _plainly(http.HTTPStatus.FORBIDDEN, "a page from elsewhere cannot use this viewer")
        if ".." in urlsplit(path).path.split("/"):
            return _plainly(http.HTTPStatus.NOT_FOUND, "there is nothing here")
        if self.token is None or _same(_cookie(headers, TOKEN_COOKIE), self.token):
            return None
        brought = parse_qs(urlsplit(path).query).get("token", [""])[0]
        if not _same(brought, self.token):
            return _plainly(http.HTTPStatus.FORBIDDEN, "this viewer wants a token: open the address that it printed")
        cookie = f"{TOKEN_COOKIE}={self.token}; Path=/; HttpOnly; SameSite=Strict"
        return http.HTTPStatus.FOUND, [("Location", "/"), ("Set-Cookie", cookie)], b""


class GuardedServer(viser.ViserServer):
    """viser's server behind a door, on exactly the port that was asked for.

    Args:
        host: address to listen on.
        port: to listen on.
        label: title of the panel.
        token: what visitors must bring; None lets in everybody.

    Raises:
        SamNerfError: if the port is taken or the host is none of this machine.
    """

    def __init__(self, host: str, port: int, label: str, token: str | None = None) -> None:
        if token is not None and not (token.isascii() and token.replace("-", "").replace("_", "").isalnum()):
            raise SamNerfError("a token must be letters, digits, - and _, so that it fits into an address")
        open_port(host, port).close()
        door = Door(host, token)
        self._visitors: dict[int, str] = {}
        # viser says where it is in a table of its own, and knows no other way to look at requests.
        with _serving_behind(door), contextlib.redirect_stdout(io.StringIO()):
            super().__init__(host, port, label, verbose=False)
        self._websock_server.on_client_connect(self._remember)

    def visitor(self, client_id: int) -> str:
        """What is the same for a browser that comes back; empty for one that keeps no cookies."""
        return self._visitors.get(client_id, "")

    def request_share_url(self, verbose: bool = True) -> str | None:
        """Nobody opens a tunnel from here to the network."""
        return None

    def _remember(self, connection: Any) -> None:
        self._visitors[connection.client_id] = _visitor.get()


@contextlib.contextmanager
def _serving_behind(door: Door):  # type: ignore[no-untyped-def]
    import websockets.server
    from websockets.legacy.server import serve

    def guarded(handler: Callable[[Any], Awaitable[None]], *values: Any, process_request: Any, **named: Any) -> Any:
        async def known(websocket: Any) -> None:
            _visitor.set(_cookie(websocket.request_headers, VISITOR_COOKIE))
            await handler(websocket)

        async def let_in(path: str, headers: Any) -> Answer | None:
            refusal = door.refusal(path, headers)
            if refusal is not None:
                return refusal
            answer = await process_request(path, headers)
            if answer is None:
                return None
            status, fields, body = answer
            fields = {**fields, "Content-Security-Policy": NOTHING_FROM_ELSEWHERE}
            if urlsplit(path).path != "/" or _cookie(headers, VISITOR_COOKIE):
                return status, fields, body
            cookie = f"{VISITOR_COOKIE}={secrets.token_hex(16)}; Path=/; HttpOnly; SameSite=Strict"
            return status, {**fields, "Set-Cookie": cookie}, body

        return serve(known, *values, process_request=let_in, **named)

    # By this name viser finds it; in the module itself it is looked up with a warning, and so not patched there.
    with mock.patch.dict(vars(websockets.server), {"serve": guarded}):
        yield


def _plainly(status: http.HTTPStatus, words: str) -> Answer:
    return status, [("Content-Type", "text/plain; charset=utf-8")], f"{words}\n".encode()


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _cookie(headers: Any, name: str) -> str:
    try:
        found = SimpleCookie(headers.get("Cookie", "")).get(name)
    except CookieError:
        return ""
    return "" if found is None else found.value
