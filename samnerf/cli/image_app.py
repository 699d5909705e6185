"""`samnerf image-app`: pictures segmented in the browser."""

from dataclasses import dataclass


@dataclass
class ImageApp:
    """Segment pictures in the browser: clicks, boxes, words, or everything at once.

    Open the address that it prints; Ctrl-C ends it. Pictures stay on this machine: it answers nobody else, unless
    --host says otherwise, and needs no network.
    """

    teachers: str = "tiny"
    """Pair of teachers, e.g. tiny, sam-vit-h or sam2-hiera-small."""
    device: str = "cpu"
    """Where to compute, e.g. cpu or cuda; auto takes a GPU if there is one."""
    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 lets in everybody who can reach this machine."""
    port: int = 7860
    """Port to listen on, 1 to 65535."""

    def run(self) -> None:
        """Serve until it is interrupted."""
        import contextlib
        import signal
        import warnings

        from samnerf.cli.listening import shown_address, warn_if_public
        from samnerf.cli.scene_session import served
        from samnerf.viewer.image_app.server import image_app_server, open_port

        # nerfstudio was written for an older torch, which says so in every other line.
        warnings.filterwarnings("ignore", module="nerfstudio|torch|timm")
        with open_port(self.host, self.port) as listener:
            _, segmenter = served(None, self.teachers, self.device)
            warn_if_public("image-app", self.host, self.port)
            with image_app_server(segmenter, self.host) as server:
                signal.signal(signal.SIGTERM, signal.default_int_handler)  # its temporary files go then, too
                print(f"the image app is at http://{shown_address(self.host, self.port)} (Ctrl-C ends it)", flush=True)
                with contextlib.suppress(KeyboardInterrupt):
                    server.run(sockets=[listener])
                print("\nclosed")
