"""Many scenes: each once, failures apart, as many at a time as there is room for."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from samnerf.errors import SamNerfError
from samnerf.scale.many_scenes import LocalTraining, RayTraining, visible_gpus
from samnerf.scale.scene_training import Outcome
from samnerf.scale.training_manifest import TrainingManifest


class Trainer:
    """Notes what it was given, and how many scenes were at work at once."""

    def __init__(self):
        self.given, self.now, self.most, self.lock = [], 0, 0, threading.Lock()

    def __call__(self, job, devices, gpus):
        with self.lock:
            self.given.append((job.name, devices, gpus))
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.05)
        with self.lock:
            self.now -= 1
        return Outcome(
            job.name, "failed" if job.name == "s1" else "trained", 0.05, "broken" if job.name == "s1" else None
        )


def manifest(job, count, **resources):
    return TrainingManifest(tuple(job(f"s{i}") for i in range(count)), **resources)


@pytest.mark.parametrize("workers", [1, 3])
def test_every_scene_is_trained_once_and_a_failure_stops_no_other(job, monkeypatch, workers):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    train = Trainer()
    outcomes = list(LocalTraining(workers, train).outcomes(manifest(job, 6)))
    assert sorted(outcome.name for outcome in outcomes) == [f"s{i}" for i in range(6)]
    assert [outcome.name for outcome in outcomes if outcome.state == "failed"] == ["s1"]
    assert sorted(train.given) == [(f"s{i}", None, 0) for i in range(6)]
    assert train.most == workers


def test_scenes_at_work_never_share_a_gpu(job, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,2,3,5,6")
    train = Trainer()
    list(LocalTraining(None, train).outcomes(manifest(job, 6, gpus=2.0)))
    assert {(devices, gpus) for _, devices, gpus in train.given} == {("0,2", 2), ("3,5", 2)}
    assert train.most == 2


@pytest.mark.parametrize(
    ("gpus", "workers", "words"),
    [
        (3.0, None, "a scene is to have 3 GPUs, but this machine has 2"),
        (0.5, None, "gpus is 0.5, but --engine local gives whole GPUs"),
        (1.0, 3, "3 scenes at a time want 1 GPUs each, but this machine has 2"),
    ],
)
def test_more_gpus_than_there_are_are_refused(job, monkeypatch, gpus, workers, words):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with pytest.raises(SamNerfError) as problem:
        next(LocalTraining(workers, Trainer()).outcomes(manifest(job, 2, gpus=gpus)))
    assert words in str(problem.value)


def test_gpus_that_are_hidden_do_not_count(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert visible_gpus() == []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-ab")
    assert visible_gpus() == ["3", "GPU-ab"]


def test_an_interruption_ends_what_is_at_work(job, toy_ns_train, monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    toy_ns_train.write_text("import time\ntime.sleep(60)\n")
    begun = time.monotonic()
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        list(LocalTraining(1).outcomes(manifest(job, 2)))
    assert time.monotonic() - begun < 20


def train_on_ray(job, devices, gpus):
    if job.name == "s0" and not job.output.exists():
        job.output.mkdir()
        os._exit(1)
    state = "failed" if job.name == "s1" else "resumed" if job.name == "s0" else "trained"
    return Outcome(job.name, state, 1.0, os.environ["OMP_NUM_THREADS"] if state == "failed" else None)


def processes():
    return [thing for thing in gc.get_objects() if issubclass(type(thing), subprocess.Popen)]


@pytest.mark.slow
def test_on_ray_a_scene_whose_worker_dies_is_tried_again(job):
    ray = pytest.importorskip("ray")
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    before = {id(process) for process in processes()}
    outcomes = list(RayTraining("local", train_on_ray).outcomes(manifest(job, 4, cpus=1.0, gpus=0.0)))
    states = {outcome.name: outcome.state for outcome in outcomes}
    assert states == {"s0": "resumed", "s1": "failed", "s2": "trained", "s3": "trained"}
    # Ray ends its processes without waiting for them, which Python warns of.
    for process in processes():
        if id(process) not in before:
            process.wait(30)
