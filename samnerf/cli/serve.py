"""`samnerf serve`: masks over HTTP."""

from dataclasses import dataclass
from pathlib import Path


@dataclass
class Serve:
    """Answer other programs over HTTP: a picture, or a view of a scene, and prompts -> masks, scores and soft mattes.

    /docs at the address that it prints describes everything; Ctrl-C ends it. It answers nobody but this machine, unless
    --host says otherwise.
    """

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 lets in everybody who can reach this machine."""
    port: int = 8080
    """Port to listen on, 1 to 65535."""
    config: Path | None = None
    """config.yml of a run, as ns-train wrote it, if views of its scene are to be segmented, too."""
    teachers: str = "tiny"
    """Pair of teachers; a scene knows its own."""
    device: str = "auto"
    """Where to compute, e.g. cpu or cuda; auto takes a GPU if there is one."""

    def run(self) -> None:
        """Serve until it is interrupted."""
        import contextlib
        import signal
        import warnings

        from samnerf.cli.scene_session import served
        from samnerf.viewer.image_app.server import open_port

        # nerfstudio was written for an older torch, which says so in every other line.
        warnings.filterwarnings("ignore", module="nerfstudio|torch|timm")
        with open_port(self.host, self.port) as listener:
            import uvicorn

            from samnerf.cli.listening import shown_address, warn_if_public
            from samnerf.server.http_application import MaskService, http_application

            scene, segmenter = served(self.config, self.teachers, self.device)
            application = http_application(MaskService(segmenter, scene), self.host)
            warn_if_public("serve", self.host, self.port)
            server = uvicorn.Server(
                uvicorn.Config(application, log_level="warning", limit_concurrency=64, timeout_graceful_shutdown=20)
            )
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            address = f"http://{shown_address(self.host, self.port)}"
            print(f"masks over HTTP are at {address}, described at {address}/docs (Ctrl-C ends it)", flush=True)
            with contextlib.suppress(KeyboardInterrupt):
                server.run(sockets=[listener])
            print("\nclosed")
