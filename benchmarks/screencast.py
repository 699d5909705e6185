"""What Chromium draws, and when: its own screencast, frame by frame."""

import base64
import io
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

SMALLER = 2
"""By which frames are smaller than the window: compressing them takes the time of whatever is measured."""
KEPT = 240
PATIENCE = 60.0
POLL = 25
"""Milliseconds between two looks. Frames carry the times at which they were drawn, so that looking seldom is as exact,
and takes less from what is measured: the viewer runs in the same process."""

Picture = UInt8[np.ndarray, "height width 3"]


class Screencast:
    """The frames of a page, of half its window's size, while the context lasts.

    A page that draws all the time costs a frame each time, so a screencast had better be short.

    Args:
        context: Playwright's, of the page.
        page: whose frames are wanted.
    """

    def __init__(self, context: Any, page: Any) -> None:
        self._page = page
        self._session = context.new_cdp_session(page)
        self._frames: deque[tuple[float, str]] = deque(maxlen=KEPT)
        self._session.on("Page.screencastFrame", self._keep)

    def __enter__(self) -> "Screencast":
        window = self._page.viewport_size
        size = {"maxWidth": window["width"] // SMALLER, "maxHeight": window["height"] // SMALLER}
        self._session.send("Page.startScreencast", {"format": "jpeg", "quality": 60, "everyNthFrame": 1, **size})
        return self

    def __exit__(self, *_: object) -> None:
        self._session.remove_listener("Page.screencastFrame", self._keep)
        self._session.send("Page.stopScreencast")
        self._session.detach()

    def newest(self) -> Picture:
        """How the page looks.

        Raises:
            TimeoutError: if no frame came.
        """
        self.wait(lambda _: True, 0.0)
        return _decoded(self._frames[-1][1])

    def wait(self, wanted: Callable[[Picture], bool], since: float) -> float:
        """When the first frame since then was drawn that is wanted; seconds, as `time.time` counts them.

        Raises:
            TimeoutError: if none came.
        """
        looked = since
        deadline = time.time() + PATIENCE
        while time.time() < deadline:
            # Only the newest is looked at until it is wanted; then those before it, for the first one.
            frames = [frame for frame in self._frames if frame[0] > since]
            if frames and frames[-1][0] > looked:
                looked = frames[-1][0]
                if wanted(_decoded(frames[-1][1])):
                    return next(drawn for drawn, data in frames if wanted(_decoded(data)))
            # Playwright tells of frames while it waits.
            self._page.wait_for_timeout(POLL)
        raise TimeoutError(f"no such frame within {PATIENCE:g} seconds")

    def _keep(self, event: dict[str, Any]) -> None:
        self._frames.append((float(event["metadata"]["timestamp"]), event["data"]))
        self._session.send("Page.screencastFrameAck", {"sessionId": event["sessionId"]})


def _decoded(data: str) -> Picture:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))
