"""The camera path of one person: its widgets, and how it stands in the world."""

import math
import time
from typing import Any

from viser import transforms

from samnerf.viewer.scene_app.flight import Flight
from samnerf.viewer.scene_app.panel import NO_KEYFRAME, Panel
from samnerf.viewer.scene_app.viser_cameras import FLIP, look_from
from samnerf.viewer.scene_app.work import Work

COLOUR = (245, 166, 35)
FRUSTUM_PART = 0.06
"""Length of a keyframe's frustum as a part of the distance to what one turns about."""
FLY_FPS = 10


class Keyframes:
    """Shows a camera path and flies along it.

    Args:
        client: viser's handle.
        panel: with the widgets of the path.
        distance: how far away is what one turns about, world units.
    """

    def __init__(self, client: Any, panel: Panel, distance: float) -> None:
        self._client, self._panel, self._distance = client, panel, distance
        self._shown: tuple[Any, ...] = ()
        self._handles: list[Any] = []

    @property
    def any(self) -> bool:
        """Whether there are some."""
        return bool(self._handles)

    def update(self, flight: Flight) -> None:
        """Show this path."""
        if flight.keyframes == self._shown:
            return
        self._shown = flight.keyframes
        names = tuple(f"keyframe {i}" for i in range(1, len(flight.keyframes) + 1))
        self._panel.keyframe.options = names or (NO_KEYFRAME,)
        if names:
            self._panel.keyframe.value = names[-1]
        for handle in self._handles:
            handle.remove()
        self._handles = [self._frustum(i, one) for i, one in enumerate(flight.keyframes, start=1)]
        if len(names) > 1:
            places = [one.position.double().numpy() for _, one in flight.cameras((3, 4), 8)]
            self._handles.append(
                self._client.scene.add_spline_catmull_rom(
                    "/path/line", tuple(map(tuple, places)), color=COLOUR, line_width=2.0
                )
            )

    @property
    def chosen(self) -> int:
        """Which keyframe is chosen, from 0; -1 if there is none."""
        name = self._panel.keyframe.value
        return -1 if name == NO_KEYFRAME else int(name.split()[-1]) - 1

    def go(self, flight: Flight) -> None:
        """Look from the chosen keyframe."""
        if flight.keyframes:
            look_from(self._client, flight.keyframes[self.chosen], self._distance)

    def fly(self, flight: Flight, work: Work) -> str:
        """Fly along the path in its time; gives what to say afterwards.

        Raises:
            SamNerfError: if there are less than two keyframes.
            CancelledError: if the work was cancelled.
        """
        cameras = flight.cameras(flight.keyframes[0].image_size if flight.keyframes else (1, 1), FLY_FPS)
        began = time.monotonic()
        for number, (_, camera) in enumerate(cameras):
            work.step("flying", number, len(cameras))
            look_from(self._client, camera, self._distance)
            time.sleep(max(0.0, began + (number + 1) / FLY_FPS - time.monotonic()))
        return "this is where the path ends"

    def _frustum(self, number: int, camera: Any) -> Any:
        rotation = camera.camera_to_world[:, :3].double().numpy() * FLIP
        return self._client.scene.add_camera_frustum(
            f"/path/{number}", 2 * math.atan(camera.height / 2 / camera.fy), camera.width / camera.height,
            FRUSTUM_PART * self._distance, COLOUR, wxyz=transforms.SO3.from_matrix(rotation).wxyz,
            position=camera.position.double().numpy(),
        )  # fmt: skip
