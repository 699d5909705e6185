"""Rendering in several processes, which a Ctrl-C leaves between two files and never within one."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from samnerf.errors import SamNerfError

Job = TypeVar("Job")
Result = TypeVar("Result")


def available_cores() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_processes(
    function: Callable[[Job], Result], jobs: Sequence[Job], workers: int, niceness: int = 0
) -> Iterator[Result]:
    """Results in the order of the jobs; with one worker, or one job, made in this process.

    Args:
        function: a module's function, since workers find it by its name.
        jobs: each a plain value that travels between processes.
        workers: processes, at least 1.
        niceness: added to that of the workers.

    Raises:
        SamNerfError: if a worker was killed, for want of memory as a rule; and whatever `function` raises.
    """
    workers = min(workers, len(jobs))
    if workers <= 1:
        yield from map(function, jobs)
        return
    # Spawned, not forked: the parent may hold threads of torch, and a forked copy of their locks never opens.
    executor = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _start_worker, (niceness,))
    try:
        yield from executor.map(function, jobs)
    except BrokenProcessPool as error:
        raise SamNerfError(
            f"a rendering process was killed, perhaps for want of memory ({workers} were running); "
            "run again with fewer workers, what is written stays"
        ) from error
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _start_worker(niceness: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops giving jobs; the one at hand is finished
    os.nice(niceness)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A parent that is killed cannot end its workers, which would wait for jobs for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
