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
        import sys
        import warnings

        from samnerf.viewer.image_app.server import image_app_server, is_private, open_port

        # nerfstudio was written for an older torch, which says so in every other line.
        warnings.filterwarnings("ignore", module="nerfstudio|torch|timm")
        with open_port(self.host, self.port) as listener:
            import torch

            from samnerf.images.segmentation import ImageSegmenter

            automatic = "cuda" if torch.cuda.is_available() else "cpu"
            segmenter = ImageSegmenter(self.teachers, automatic if self.device == "auto" else self.device)
            segmenter.encoder("sam")  # what is missing is better said now than in the browser
            if not is_private(self.host):
                print(
                    f"samnerf image-app: listening on {self.host}: everybody who can reach port {self.port} of this "
                    "machine can use the app; no password protects it, and nothing is encrypted",
                    file=sys.stderr,
                )
            with image_app_server(segmenter, self.host) as server:
                shown = "localhost" if self.host in ("0.0.0.0", "::") else self.host
                shown = f"[{shown}]" if ":" in shown else shown
                signal.signal(signal.SIGTERM, signal.default_int_handler)  # its temporary files go then, too
                print(f"the image app is at http://{shown}:{self.port} (Ctrl-C ends it)", flush=True)
                with contextlib.suppress(KeyboardInterrupt):
                    server.run(sockets=[listener])
                print("\nclosed")
