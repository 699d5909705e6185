"""The frame server on a socket: one request and one reply per connection, any number of clients.

Connections are read and written by one thread that never waits for any of them; requests are answered by others. A
request has a bounded length and a bounded time, and whatever is wrong with it, the client gets an error reply, then a
clean end: what it still sends is read and thrown away until it has the reply, because closing before would take the
reply from it.
"""

import asyncio
import contextlib
import logging
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from samnerf.errors import SamNerfError
from samnerf.nuke.service import FrameService
from samnerf.nuke.wire import HEADER_BYTES, error_reply, framed_reply, request_body_length

ANSWERING_THREADS = 4
"""Models compute one at a time; more threads only take messages apart meanwhile."""
_BUFFER = 1 << 20
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """What one client may ask of the server."""

    message_bytes: int = 256 * 2**20
    """Longest request; a frame of 4096 x 2160 pixels has 101 MiB."""
    message_seconds: float = 30.0
    """Until the whole request has come."""
    reply_seconds: float = 60.0
    """Until the client has taken the whole reply."""
    end_seconds: float = 5.0
    """Until the client, which has the reply, closes the connection."""
    connections: int = 64
    """At the same time; further ones are told to try again."""
    closing_seconds: float = 20.0
    """When the server is ended: until the requests at work are answered."""


class FrameServer:
    """Serves until it is stopped.

    Args:
        service: answers requests.
        limits: of each client.
    """

    def __init__(self, service: FrameService, limits: Limits = Limits()) -> None:
        self.service = service
        self.limits = limits
        self._executor = ThreadPoolExecutor(ANSWERING_THREADS, "frame")
        self._stopping = asyncio.Event()
        self._stop_asked = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._conversations: set[asyncio.Task[None]] = set()

    def run(self, listener: socket.socket) -> None:
        """Serve in this thread, which must be the main one, until SIGINT or SIGTERM; then end in order."""

        async def until_interrupted() -> None:
            for one in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(one, self._stopping.set)
            await self.serve(listener)

        asyncio.run(until_interrupted())

    def stop(self) -> None:
        """End in order; from any thread, also before it serves."""
        self._stop_asked = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)

    async def serve(self, listener: socket.socket) -> None:
        """Serve on a socket that listens, until `stop`; then answer what has come, and take no more."""
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._welcome, sock=listener, limit=_BUFFER)
        if self._stop_asked:
            self._stopping.set()
        await self._stopping.wait()
        server.close()
        if self._conversations:
            _, late = await asyncio.wait(self._conversations, timeout=self.limits.closing_seconds)
            for one in late:
                one.cancel()
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._conversations.add(task)
        try:
            await self._converse(reader, writer)
        except OSError as error:  # the client is gone, or does not take its reply
            _LOG.info("a client was left: %r", error)
        finally:
            self._conversations.discard(task)
            writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.set_write_buffer_limits(0)  # so that drain waits until all is with the system
        try:
            if len(self._conversations) > self.limits.connections:
                raise SamNerfError(f"the server has {self.limits.connections} clients already; try again")
            body = await self._request(reader)
            reply = await asyncio.get_running_loop().run_in_executor(self._executor, self.service.answer, body)
        except SamNerfError as error:
            reply = framed_reply(error_reply(str(error)))
        async with asyncio.timeout(self.limits.reply_seconds):
            writer.write(reply)  # header and body at once: the client reads a description with a single recv
            await writer.drain()
        writer.write_eof()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.limits.end_seconds):
                while await reader.read(_BUFFER):
                    pass

    async def _request(self, reader: asyncio.StreamReader) -> bytes:
        """The body of the request, or a reason why there is none."""
        reading = asyncio.ensure_future(self._read(reader))
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                return reading.result()
            raise SamNerfError("the server is being closed")
        finally:
            reading.cancel()
            stopping.cancel()

    async def _read(self, reader: asyncio.StreamReader) -> bytes:
        try:
            async with asyncio.timeout(self.limits.message_seconds):
                length = request_body_length(await reader.readexactly(HEADER_BYTES), self.limits.message_bytes)
                return await reader.readexactly(length)
        except TimeoutError as error:
            raise SamNerfError(f"the request did not come within {self.limits.message_seconds:g} seconds") from error
        except asyncio.IncompleteReadError as error:
            came, expected = len(error.partial), error.expected
            raise SamNerfError(f"the request ended after {came} of {expected} bytes of a header or a body") from error


@contextlib.contextmanager
def serving(server: FrameServer, listener: socket.socket) -> Iterator[tuple[str, int]]:
    """A server in a thread of its own while the block runs; gives its host and port."""
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(listener)), name="frame server")
    thread.start()
    try:
        yield listener.getsockname()[:2]
    finally:
        server.stop()
        thread.join()
