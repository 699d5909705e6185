"""A scene's model, used by several threads: pictures of people who look around, and long work, take turns by the call.

Long work renders many small pictures; between two of them a camera that moved gets its own. An edit changes the model
for everybody, so nobody else renders before it is over.
"""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from samnerf.distill.density_edit import DensityFactor
from samnerf.scene import TrainedScene

RENDERING = ("render", "render_colour", "render_samples", "render_feature_maps")


class SharedModel:
    """A model of which one call renders at a time; all else is the model's own.

    Args:
        model: to be shared.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._lock = threading.RLock()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._model, name)
        if name not in RENDERING:
            return found

        def in_turn(*values: Any, **named: Any) -> Any:
            with self._lock:
                return found(*values, **named)

        return in_turn

    @contextlib.contextmanager
    def edited(self, factor: DensityFactor) -> Iterator[None]:
        """The model with another density, while nobody else renders it."""
        with self._lock, self._model.edited(factor):
            yield


def shared_scene(scene: TrainedScene) -> TrainedScene:
    """The same scene, safe for several threads."""
    pipeline = SimpleNamespace(model=SharedModel(scene.pipeline.model), datamanager=scene.pipeline.datamanager)
    return replace(scene, pipeline=pipeline)
