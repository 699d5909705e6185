"""What all browsers at the viewer have in common: the scene, its decoders, and what whoever started it has decided."""

import threading
from dataclasses import dataclass, field
from pathlib import Path

from samnerf.camera import Camera
from samnerf.errors import SamNerfError
from samnerf.objects.support import Support
from samnerf.scene import TrainedScene
from samnerf.session import Session
from samnerf.viewer.scene_app.actions import Actions
from samnerf.viewer.scene_app.shared_model import shared_scene


@dataclass(frozen=True)
class Choices:
    """What whoever starts the viewer decides.

    Attributes:
        shared: whether all people work on the same objects.
        locks: file of the objects, for saving and loading.
        exports: folder below which everything is written that people take home.
        size: longer side of the picture, pixels.
    """

    shared: bool
    locks: Path
    exports: Path
    size: int = 512


@dataclass(frozen=True, eq=False)
class Common:
    """What is there once.

    Attributes:
        scene: safe for several threads.
        actions: all that can be done.
        choices: of whoever started the viewer.
        cameras: names and cameras of the photographs.
        first: where people look from at first.
        distance: how far away is what lies in the middle of a picture, about which people turn; world units.
        one_at_a_time: held by long work.
    """

    scene: TrainedScene
    actions: Actions
    choices: Choices
    cameras: tuple[tuple[str, Camera], ...]
    first: Camera
    distance: float
    one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    @staticmethod
    def of(scene: TrainedScene, session: Session, choices: Choices) -> "Common":
        """What a scene and its decoders give.

        Raises:
            SamNerfError: if the scene has no cameras.
        """
        scene = shared_scene(scene)
        cameras = tuple((picture.name, picture.camera) for picture in scene.pictures.values())
        if not cameras:
            raise SamNerfError("the scene has no cameras, so there is nowhere to look from")
        views = [scene.view(camera, name) for name, camera in scene.cameras("train")]
        actions = Actions(scene, session, Support(views, scene.render_samples))
        first = (scene.cameras("test") or list(cameras))[0][1]
        return Common(scene, actions, choices, cameras, first, _distance(scene, first))


def _distance(scene: TrainedScene, camera: Camera) -> float:
    small = camera.scaled(9, 9)
    return float(scene.render_samples(small).distances.reshape(9, 9)[3:6, 3:6].median())
