"""All scenes of a manifest, some at a time, on this machine or on a Ray cluster; one that fails stops no other."""

import os
import queue
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from samnerf.errors import SamNerfError
from samnerf.scale.ray_cluster import connected, worker_resources
from samnerf.scale.scene_training import Outcome, end_trainings, train_scene
from samnerf.scale.training_manifest import SceneJob, TrainingManifest

Train = Callable[[SceneJob, str | None, int], Outcome]
_RETRIES = 3
"""Of a scene whose Ray worker or machine was lost; it goes on from its last checkpoint."""


@dataclass(frozen=True)
class LocalTraining:
    """Scenes on this machine: threads that wait for ns-train.

    Attributes:
        workers: scenes at a time; one, or one for each set of GPUs, where None.
        train: what trains one scene.
    """

    workers: int | None = None
    train: Train = train_scene

    def outcomes(self, manifest: TrainingManifest) -> Iterator[Outcome]:
        """What came of each scene, in the order in which they end.

        Raises:
            SamNerfError: if a scene is to have more GPUs than there are, or a part of one.
        """
        visible = visible_gpus()
        each = (1.0 if visible else 0.0) if manifest.gpus is None else manifest.gpus
        if each != int(each):
            raise SamNerfError(f"gpus is {each:g}, but --engine local gives whole GPUs; use --engine ray to share one")
        if each > len(visible):
            raise SamNerfError(f"a scene is to have {each:g} GPUs, but this machine has {len(visible)}")
        sets = [visible[i : i + int(each)] for i in range(0, len(visible) - int(each) + 1, int(each))] if each else []
        count = self.workers or max(1, len(sets))
        if sets and count > len(sets):
            raise SamNerfError(f"{count} scenes at a time want {each:g} GPUs each, but this machine has {len(visible)}")
        free: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        for i in range(count):
            free.put(",".join(sets[i]) if sets else None)

        def train(job: SceneJob) -> Outcome:
            devices = free.get()
            try:
                return self.train(job, devices, int(each))
            finally:
                free.put(devices)

        with ThreadPoolExecutor(count) as threads:
            waiting: set[Future[Outcome]] = {threads.submit(train, job) for job in manifest.scenes}
            try:
                while waiting:
                    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            except BaseException:
                threads.shutdown(wait=False, cancel_futures=True)
                end_trainings()
                raise


@dataclass(frozen=True)
class RayTraining:
    """Scenes as tasks of a Ray cluster, which sees captures and output under the same paths everywhere.

    Attributes:
        address: as for `connected`.
        train: what trains one scene.
    """

    address: str | None = None
    train: Train = train_scene

    def outcomes(self, manifest: TrainingManifest) -> Iterator[Outcome]:
        """What came of each scene, in the order in which they end.

        Raises:
            SamNerfError: if Ray is missing or cannot be reached, or a scene is to have more than the cluster has.
        """
        with connected(self.address) as ray:
            resources = worker_resources(ray, manifest.cpus, manifest.gpus)
            # A fresh process for each scene: what CUDA_VISIBLE_DEVICES says is Ray's, and ns-train inherits it.
            task = ray.remote(num_cpus=resources.cpus, num_gpus=resources.gpus, max_retries=_RETRIES, max_calls=1)(
                self.train
            )
            waiting: dict[Any, SceneJob] = {task.remote(job, None, int(resources.gpus)): job for job in manifest.scenes}
            try:
                while waiting:
                    done, _ = ray.wait(list(waiting), num_returns=1)
                    yield _answer(ray, done[0], waiting.pop(done[0]))
            finally:
                for reference in waiting:
                    ray.cancel(reference, force=True)


def visible_gpus() -> list[str]:
    """Names of the GPUs that CUDA programs started here would see."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name.strip() and name.strip() != "-1"]
    import torch

    return [str(i) for i in range(torch.cuda.device_count())]


def _answer(ray: Any, reference: Any, job: SceneJob) -> Outcome:
    try:
        return ray.get(reference)
    except ray.exceptions.RayError as error:
        words = str(error).strip().partition("\n")[0]
        return Outcome(job.name, "failed", 0.0, f"its Ray worker was lost {_RETRIES + 1} times or failed: {words}")
