"""What commands say that listen on a port."""

import sys

from samnerf.viewer.image_app.server import is_private


def shown_address(host: str, port: int) -> str:
    """Where a program on this machine finds it, e.g. "localhost:8080"."""
    shown = "localhost" if host in ("0.0.0.0", "::") else host
    return f"[{shown}]:{port}" if ":" in shown else f"{shown}:{port}"


def warn_if_public(command: str, host: str, port: int, token: bool = False) -> None:
    """Say on stderr who else can reach it, if somebody can."""
    if not is_private(host):
        print(
            f"samnerf {command}: listening on {host}: everybody who can reach port {port} of this machine can use it; "
            f"{'a token' if token else 'no password'} protects it, and nothing is encrypted",
            file=sys.stderr,
        )
