"""The app on a port of this machine. Nothing is fetched from anywhere, and nobody is told of it."""

import contextlib
import ipaddress
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from samnerf.errors import SamNerfError

if TYPE_CHECKING:
    import uvicorn

    from samnerf.images.segmentation import ImageSegmenter

LARGEST_FILE = "500mb"
QUIET = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_RUN_HISTORY": "False",
    "GRADIO_MCP_SERVER": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
"""What Gradio reads from the environment: no telemetry, no record of runs in the browser, no other doors."""
OWN_NAMES = ("localhost", "127.0.0.1", "::1", "[::1]")
SECONDS_TO_FINISH = 2


def open_port(host: str, port: int) -> socket.socket:
    """A socket that listens there.

    Raises:
        SamNerfError: if the port is no port, taken or forbidden, or the host is none of this machine.
    """
    if not 1 <= port <= 65535:
        raise SamNerfError(f"--port is {port} but must be from 1 to 65535; those below 1024 are the system's own")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise SamNerfError(
            f"--host {host!r} is no address; 127.0.0.1 is this machine, 0.0.0.0 all its networks"
        ) from error
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError as error:
        listener.close()
        reason = (error.strerror or str(error)).lower()
        raise SamNerfError(f"cannot listen on {host} port {port}: {reason}; choose another with --port") from error
    return listener


def is_private(host: str) -> bool:
    """Whether only this machine can reach it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextlib.contextmanager
def image_app_server(segmenter: "ImageSegmenter", host: str = "127.0.0.1") -> Iterator["uvicorn.Server"]:
    """The server of the app, to be run on sockets; its temporary files are removed at the end.

    Args:
        segmenter: the teachers.
        host: where the sockets listen. If only this machine can reach it, requests for a machine of another name are
            refused, so that no page from elsewhere can pose as the app.
    """
    with (
        tempfile.TemporaryDirectory(prefix="samnerf-image-app-") as folder,
        _environment(QUIET | {"GRADIO_TEMP_DIR": folder}),
    ):
        import gradio as gr  # not before the environment is set
        import uvicorn
        from fastapi import FastAPI
        from fastapi.middleware.trustedhost import TrustedHostMiddleware

        from samnerf.viewer.image_app.actions import Actions
        from samnerf.viewer.image_app.app import ImageApp
        from samnerf.viewer.image_app.layout import STYLE, theme

        page = ImageApp(Actions(segmenter), Path(folder)).page
        application = FastAPI(openapi_url=None)
        if is_private(host):
            application.add_middleware(TrustedHostMiddleware, allowed_hosts=[*OWN_NAMES, host])
        gr.mount_gradio_app(
            application, page, "/", footer_links=[], show_error=True, max_file_size=LARGEST_FILE, ssr_mode=False,
            theme=theme(), css=STYLE,
        )  # fmt: skip
        yield uvicorn.Server(
            uvicorn.Config(application, log_level="warning", timeout_graceful_shutdown=SECONDS_TO_FINISH)
        )


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
