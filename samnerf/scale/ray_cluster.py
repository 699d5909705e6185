"""The connection to a Ray cluster, or to a local Ray that ends with the program.

Ray is imported only here, when it is asked for. A local Ray listens on the address of this machine and lets in who has
the token in the home folder (its own default); its usage statistics are switched off.
"""

import contextlib
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from samnerf.errors import SamNerfError

LOCAL = "local"
_SECONDS_TO_ANSWER = 5.0


@dataclass(frozen=True)
class WorkerResources:
    """What one worker has to itself; fractions share a core or a GPU."""

    cpus: float
    gpus: float

    def __str__(self) -> str:
        return f"{self.cpus:g} CPU and {self.gpus:g} GPU"


@contextlib.contextmanager
def connected(address: str | None = None) -> Iterator[Any]:
    """Ray, connected; a connection that is there already is used and stays.

    Args:
        address: "host:port" of a cluster's head, "auto" for the cluster that this machine belongs to, "local" for a
            Ray of one's own; None for what RAY_ADDRESS says, or else "local".

    Raises:
        SamNerfError: if Ray is not installed, or nobody answers there.
    """
    ray = _ray()
    if ray.is_initialized():
        yield ray
        return
    address = address or os.environ.get("RAY_ADDRESS") or LOCAL
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address not in (LOCAL, "auto"):
        _check_answers(address)
    _connect(ray, address)
    try:
        yield ray
    finally:
        ray.shutdown()


def worker_resources(ray: Any, cpus: float | None = None, gpus: float | None = None) -> WorkerResources:
    """Resources of a worker: what is None is 1 core, and 1 GPU where the cluster has any.

    Raises:
        SamNerfError: if they are impossible, or more than the whole cluster has.
    """
    there = ray.cluster_resources()
    chosen = WorkerResources(
        1.0 if cpus is None else cpus, (1.0 if there.get("GPU", 0) else 0.0) if gpus is None else gpus
    )
    if chosen.cpus < 0 or chosen.gpus < 0 or not (chosen.cpus or chosen.gpus):
        raise SamNerfError(f"a worker cannot have {chosen}; give it a part of a core or of a GPU")
    if chosen.cpus > there.get("CPU", 0) or chosen.gpus > there.get("GPU", 0):
        raise SamNerfError(
            f"a worker is to have {chosen}, but the whole Ray cluster has {there.get('CPU', 0):g} CPU and "
            f"{there.get('GPU', 0):g} GPU"
        )
    return chosen


def workers_that_fit(ray: Any, resources: WorkerResources) -> int:
    """How many workers the cluster has room for when nobody else is on it; at least 1."""
    there = ray.cluster_resources()
    rooms = [there.get(name, 0) / each for name, each in (("CPU", resources.cpus), ("GPU", resources.gpus)) if each]
    return max(1, int(min(rooms)))


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise SamNerfError("Ray is not installed; `pip install 'samnerf[scale]'` brings it") from error
    return ray


def _connect(ray: Any, address: str) -> None:
    options = {"include_dashboard": False} if address == LOCAL else {}
    if address == LOCAL:
        # Ray would let its workers go after every other program; without Ray the same work does not.
        os.environ.setdefault("RAY_worker_niceness", "0")
    # A local Ray gives itself 30 seconds to start, which may be too short for a busy machine.
    for last in (False, False, True) if address == LOCAL else (True,):
        try:
            ray.init(address=address, log_to_driver=False, logging_level="ERROR", **options)
            return
        except (Exception, SystemExit) as error:  # Ray raises plain ones, and ends the process where it finds no Ray
            ray.shutdown()
            if last:
                words = str(error).strip().partition("\n")[0] or "no answer"
                where = "could not be started on this machine" if address == LOCAL else f"at {address} does not answer"
                raise SamNerfError(f"Ray {where}: {words}") from error


def _check_answers(address: str) -> None:
    """Ask first: Ray itself tries for five minutes and then ends the process."""
    host, colon, port = address.rpartition(":")
    if "://" in address or not (host and colon and port.isdecimal()):
        raise SamNerfError(
            f"the Ray address {address!r} is not understood; expected host:port of the head (ray start prints it), "
            "auto or local. Ray's client, ray://, is not used: run the command on a machine of the cluster"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), _SECONDS_TO_ANSWER).close()
    except (OSError, OverflowError) as error:
        raise SamNerfError(
            f"no Ray cluster answers at {address} ({error}); is it up (`ray status` there), and is this its head?"
        ) from error
