"""`samnerf view`: a trained scene in the browser, segmented by clicks, boxes and words."""

from dataclasses import dataclass
from pathlib import Path

from samnerf.cli.scene_session import chosen_device, load_session


@dataclass
class View:
    """Look at a trained scene in the browser; click, say or box objects, lock them, and take them home.

    Open the address that it prints; Ctrl-C ends it. It answers this machine only, unless --host says otherwise, and
    needs no network.
    """

    config: Path
    """config.yml of a run, as ns-train wrote it."""
    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 lets in everybody who can reach this machine."""
    port: int = 7007
    """Port to listen on, 1 to 65535."""
    token: str | None = None
    """What visitors must bring; the address that is printed has it. Default: nobody is asked."""
    shared: bool = True
    """Whether all browsers work on the same objects. --no-shared gives each its own."""
    locks: Path | None = None
    """Objects file (JSON), as samnerf lock wrote it: read at the start, and saved to. Default: objects.json beside
    config.yml."""
    exports: Path | None = None
    """Folder below which exports are written, and nowhere else. Default: exports beside config.yml."""
    size: int = 512
    """Longer side of the picture, pixels: 256, 384, 512, 768 or 1024."""
    device: str = "auto"
    """Where to compute, e.g. cpu or cuda; auto takes a GPU if there is one."""

    def run(self) -> None:
        """Serve until it is interrupted."""
        import contextlib
        import signal
        import threading
        import warnings

        from samnerf.cli.listening import shown_address, warn_if_public
        from samnerf.errors import SamNerfError

        # nerfstudio was written for an older torch, which says so in every other line.
        warnings.filterwarnings("ignore", module="nerfstudio|torch|timm|websockets|viser")
        from samnerf.objects.layer_files import load_layers
        from samnerf.objects.layers import ObjectLayers
        from samnerf.scene import TrainedScene
        from samnerf.viewer.scene_app.app import SceneApp
        from samnerf.viewer.scene_app.common import Choices, Common
        from samnerf.viewer.scene_app.guarded_server import GuardedServer
        from samnerf.viewer.scene_app.panel import SIZES

        if not 1 <= self.port <= 65535:
            raise SamNerfError(f"--port is {self.port} but must be from 1 to 65535; 7007 is usual")
        if str(self.size) not in SIZES:
            raise SamNerfError(f"--size is {self.size} but must be one of {', '.join(SIZES)}")
        locks = self.locks or self.config.parent / "objects.json"
        device = chosen_device(self.device)
        scene = TrainedScene.load(self.config, device)
        layers = load_layers(locks, scene.checkpoint_hash) if locks.exists() else ObjectLayers()
        session = load_session(scene.pair, True, device)
        server = GuardedServer(self.host, self.port, "SAM-NeRF", self.token)
        warn_if_public("view", self.host, self.port, self.token is not None)
        exports = self.exports or self.config.parent / "exports"
        SceneApp(server, Common.of(scene, session, Choices(self.shared, locks, exports, self.size)), layers)
        query = "" if self.token is None else f"/?token={self.token}"
        print(f"the viewer is at http://{shown_address(self.host, self.port)}{query} (Ctrl-C ends it)", flush=True)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
        print("\nclosed", flush=True)
