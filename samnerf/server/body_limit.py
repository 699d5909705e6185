"""Requests over HTTP with a bounded size and a bounded time, whatever their headers say."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class BodyLimit:
    """ASGI middleware that refuses bodies which are too long (413) or come too slowly (408).

    Args:
        application: what is behind it.
        most: bytes.
        seconds: until the whole body has come.
    """

    def __init__(self, application: Application, most: int, seconds: float) -> None:
        self._application = application
        self._most = most
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        said = dict(scope["headers"]).get(b"content-length", b"0")
        if not said.isdigit() or int(said) > self._most:
            await JSONResponse({"detail": self._too_long}, 413)(scope, receive, send)
            return
        came = 0
        deadline = asyncio.get_running_loop().time() + self._seconds
        complete = False

        async def counted() -> Message:
            nonlocal came, complete
            if complete:  # what is waited for now is that the client goes
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError as error:
                raise HTTPException(408, f"the request did not come within {self._seconds:g} seconds") from error
            came += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if came > self._most:
                raise HTTPException(413, self._too_long)
            return message

        await self._application(scope, counted, send)

    @property
    def _too_long(self) -> str:
        return f"the request has more than {self._most} bytes, which are the most that is taken"
