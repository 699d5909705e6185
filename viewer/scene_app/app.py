"""The viewer on a server: browsers that come, go, and come back."""

import threading
from dataclasses import dataclass
from typing import Any

from samnerf.camera import Camera
from samnerf.objects.layers import ObjectLayers
from samnerf.viewer.scene_app.common import Common
from samnerf.viewer.scene_app.desk import Desk
from samnerf.viewer.scene_app.guarded_server import GuardedServer
from samnerf.viewer.scene_app.shared_objects import SharedObjects
from samnerf.viewer.scene_app.visit import Visit

MOST_REMEMBERED = 64
"""People whose desks are kept after they have left."""


@dataclass(frozen=True)
class _Left:
    """What a person has left behind."""

    objects: SharedObjects
    desk: Desk
    camera: Camera


class SceneApp:
    """The viewer.

    Args:
        server: where it is shown.
        common: the scene and what belongs to it.
        layers: the objects at first.
    """

    def __init__(self, server: GuardedServer, common: Common, layers: ObjectLayers) -> None:
        self.common = common
        self._server, self._layers = server, layers
        self._shared = SharedObjects(layers)
        self._visits: dict[int, tuple[str, Visit]] = {}
        self._left: dict[str, _Left] = {}
        self._lock = threading.Lock()
        server.gui.configure_theme(
            control_layout="fixed", control_width="large", dark_mode=True, show_logo=False, show_share_button=False,
            brand_color=(214, 96, 48),
        )  # fmt: skip
        server.on_client_connect(self._come)
        server.on_client_disconnect(self._go)

    @property
    def visits(self) -> list[Visit]:
        """The browsers that are there, the latest last."""
        with self._lock:
            return [visit for _, visit in self._visits.values()]

    def _come(self, client: Any) -> None:
        """A browser that comes back finds everything as it was, if no other window of it is here."""
        visitor = self._server.visitor(client.client_id)
        with self._lock:
            present = {name for name, _ in self._visits.values()}
            left = self._left.pop(visitor, None) if visitor and visitor not in present else None
        if left is None:
            objects = self._shared if self.common.choices.shared else SharedObjects(self._layers)
            left = _Left(objects, Desk(), self.common.first)
        visit = Visit(client, self.common, left.objects, left.desk, left.camera)
        with self._lock:
            self._visits[client.client_id] = (visitor, visit)

    def _go(self, client: Any) -> None:
        with self._lock:
            if client.client_id not in self._visits:
                return
            visitor, visit = self._visits.pop(client.client_id)
            if visitor:
                self._left[visitor] = _Left(visit.objects, visit.desk, visit.camera)
                while len(self._left) > MOST_REMEMBERED:
                    self._left.pop(next(iter(self._left)))
        visit.leave()
