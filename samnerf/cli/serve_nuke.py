"""`samnerf serve-nuke`: the frame server for Nuke's ML client."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from samnerf.images.segmentation import ImageSegmenter
    from samnerf.nuke.models import FrameModel
    from samnerf.scene import TrainedScene


@dataclass
class ServeNuke:
    """Serve Nuke's ML client: SAM by points, a box or nothing, CLIPSeg by words, soft mattes, views of a trained scene.

    In Nuke, set host and port of an MLClient node and press Connect. Ctrl-C ends the server once what it computes is
    answered. It answers nobody but this machine, unless --host says otherwise.
    """

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 lets in everybody who can reach this machine."""
    port: int = 55555
    """Port to listen on, 1 to 65535."""
    config: Path | None = None
    """config.yml of a run, as ns-train wrote it, for the model samnerf_view."""
    locks: Path | None = None
    """Objects file (JSON) that samnerf lock wrote. Default: objects.json beside config.yml, if it is there."""
    cameras: str = "test"
    """Frames of samnerf_view: test, train, all, or a camera path (JSON) that nerfstudio's viewer exported."""
    ignore_scene: bool = False
    """Use --locks though they were made in another training of the scene."""
    teachers: str = "tiny"
    """Pair of teachers; a scene knows its own."""
    device: str = "auto"
    """Where to compute, e.g. cpu or cuda; auto takes a GPU if there is one."""
    longest_request: int = 256
    """Requests of more than so many MiB are refused."""
    seconds: float = 30.0
    """Requests that have not come after so long are refused."""

    def run(self) -> None:
        """Serve until it is interrupted."""
        import warnings

        from samnerf.cli.listening import shown_address, warn_if_public
        from samnerf.cli.scene_session import served
        from samnerf.errors import SamNerfError
        from samnerf.viewer.image_app.server import open_port

        if self.locks is not None and self.config is None:
            raise SamNerfError("objects are locked in the world of a scene; give its --config with --locks")
        if self.longest_request < 1 or not self.seconds > 0:
            raise SamNerfError("--longest-request must be at least 1 MiB, and --seconds more than 0")
        # nerfstudio was written for an older torch, which says so in every other line.
        warnings.filterwarnings("ignore", module="nerfstudio|torch|timm")
        with open_port(self.host, self.port) as listener:
            from samnerf.nuke.image_models import image_models
            from samnerf.nuke.server import FrameServer, Limits
            from samnerf.nuke.service import FrameService

            scene, segmenter = served(self.config, self.teachers, self.device)
            models = list(image_models(segmenter))
            if scene is not None:
                models.append(self._scene_model(scene, segmenter))
            limits = Limits(message_bytes=self.longest_request << 20, message_seconds=self.seconds)
            server = FrameServer(FrameService(models), limits)
            warn_if_public("serve-nuke", self.host, self.port)
            names = ", ".join(model.name for model in models)
            where = shown_address(self.host, self.port)
            print(f"the frame server is at {where} with {names} (Ctrl-C ends it)", flush=True)
            server.run(listener)
            print("\nclosed")

    def _scene_model(self, scene: "TrainedScene", segmenter: "ImageSegmenter") -> "FrameModel":
        from samnerf.camera_path import load_camera_path
        from samnerf.nuke.scene_model import SceneModel
        from samnerf.objects.layer_files import load_layers
        from samnerf.objects.layers import ObjectLayers
        from samnerf.scene import SPLITS
        from samnerf.session import Session

        assert self.config is not None
        if self.cameras in (*SPLITS, "all"):
            splits = SPLITS if self.cameras == "all" else (self.cameras,)
            cameras = [one for split in splits for one in scene.cameras(split)]
        else:
            cameras = load_camera_path(Path(self.cameras))
        locks = self.locks or self.config.parent / "objects.json"
        layers = ObjectLayers()
        if self.locks is not None or locks.exists():
            layers = load_layers(locks, scene.checkpoint_hash, self.ignore_scene)

        def session() -> Session:
            return Session(segmenter.mask_decoder, segmenter.text_decoder())

        return SceneModel(scene, session, cameras, layers)
