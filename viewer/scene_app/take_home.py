"""What a person takes home, and what is kept here: exports, prompt files, objects files."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from samnerf.viewer.scene_app.actions import save_prompts
from samnerf.viewer.scene_app.common import Common
from samnerf.viewer.scene_app.desk import Desk
from samnerf.viewer.scene_app.exports import ALPHAS, Export, Views, export_objects, packed
from samnerf.viewer.scene_app.frames import Frame
from samnerf.viewer.scene_app.long_work import LongWork
from samnerf.viewer.scene_app.shared_objects import SharedObjects
from samnerf.viewer.scene_app.work import Work


class TakeHome:
    """The files of one person.

    Args:
        common: what is there once.
        client: viser's handle, which downloads.
        objects: of all, or the person's own.
        work: where long work is done.
        tell: takes title and words of what was done.
    """

    def __init__(
        self, common: Common, client: Any, objects: SharedObjects, work: LongWork, tell: Callable[[str, str], None]
    ) -> None:
        self._common, self._client, self._objects = common, client, objects
        self._work, self._tell = work, tell

    def export(self, name: str, views: Views, alpha: str, frame: Frame, desk: Desk) -> None:
        """Write one of `exports.NAMES` of these views, with one of `exports.ALPHAS`, and let the browser download it.

        Raises:
            SamNerfError: if there are no such views, or something is at work already.
        """
        of_views = {
            "This view": lambda: [("view", frame.camera)],
            "All photographs": lambda: list(self._common.cameras),
            "Camera path": lambda: desk.flight.cameras(frame.camera.image_size),
        }
        export = Export(self._common.actions, self._objects.layers, frame, desk, of_views[views](), ALPHAS[alpha])

        def run(work: Work) -> str:
            folder = export_objects(export, name, self._common.choices.exports, work)
            self._client.send_file_download(*packed(folder))
            return f"written into {folder.name}, and on its way to your downloads"

        self._work.start(f"Export: {name}", run)

    def prompts(self, desk: Desk) -> None:
        """Let the browser download what was said."""
        with TemporaryDirectory() as folder:
            path = Path(folder) / "prompts.json"
            save_prompts(path, desk, self._objects)
            self._client.send_file_download(path.name, path.read_bytes())

    def save(self) -> None:
        """Write the objects into the file of the choices."""
        file = self._common.choices.locks
        self._common.actions.save(self._objects, file)
        self._tell("Saved", f"{len(self._objects.layers.objects)} objects in {file.name}")

    def load(self) -> None:
        """Read them from there."""
        file = self._common.choices.locks
        self._common.actions.load(self._objects, file)
        self._tell("Loaded", f"{len(self._objects.layers.objects)} objects from {file.name}")
