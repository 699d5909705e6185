"""Extraction on Ray: the same stores as by one process, whatever happens to its workers."""

import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from samnerf.cli.main import main
from samnerf.errors import SamNerfError
from samnerf.feature_store import FeatureStore, sole_writer, store_folder
from samnerf.preprocessing.encoding_workers import EncodingWorker, EncodingWorkers
from samnerf.preprocessing.extraction import extract_features
from samnerf.preprocessing.ray_extraction import RayOptions, extract_on_ray
from samnerf.scale import ray_cluster
from samnerf.scale.ray_cluster import WorkerResources, connected, worker_resources, workers_that_fit

FILES = ("values.npy", "done.npy", "manifest.json")


@pytest.fixture(scope="module")
def ray():
    """A Ray on this machine."""
    pytest.importorskip("ray")
    before = {id(process) for process in processes()}
    with connected("local") as ray:
        yield ray
    # Ray ends its processes without waiting for them, which Python warns of.
    for process in processes():
        if id(process) not in before:
            process.wait(30)


def processes():
    return [thing for thing in gc.get_objects() if issubclass(type(thing), subprocess.Popen)]


def encoding_workers():
    """Processes of this Ray's workers."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):  # ended meanwhile
            if "ray::EncodingWorker" in " ".join(process.cmdline()):
                found.append(process)
    return found


def kill_a_worker_after(store, images, killed):
    """Wait until a store has some images, then end a worker as the kernel does when memory is short."""
    deadline = time.monotonic() + 280
    while time.monotonic() < deadline:
        done = (
            len(np.load(store / "done.npy")) - len(FeatureStore.open(store).missing)
            if FeatureStore.exists(store)
            else 0
        )
        workers = encoding_workers()
        if done >= images and workers:
            os.kill(workers[0].pid, signal.SIGKILL)
            killed.append((workers[0].pid, done))
            return
        time.sleep(0.005)


def assert_same_store(one, other):
    for name in FILES:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


@pytest.mark.slow
class TestOnALocalRay:
    """Workers are processes of this machine."""

    def test_a_killed_worker_loses_and_doubles_nothing(self, ray, photographs, tmp_path, monkeypatch):
        folder = photographs([(24, 32)] * 40).folder
        plain = extract_features(folder, "tiny", ("sam",), features=tmp_path / "plain")["sam"]
        put, killed = FeatureStore.put, []
        stored = []
        monkeypatch.setattr(FeatureStore, "put", lambda self, name, map_: stored.append(name) or put(self, name, map_))
        store = store_folder(tmp_path / "ray", "tiny-sam", "letterbox")
        killer = threading.Thread(target=kill_a_worker_after, args=(store, 4, killed))
        killer.start()
        found = extract_on_ray([folder], "tiny", ("sam",), features=tmp_path / "ray", options=RayOptions(workers=2))
        killer.join()
        assert killed
        assert killed[0][1] < 40
        assert found[folder]["sam"].complete
        assert sorted(stored) == sorted(plain.names)
        assert_same_store(plain.folder, found[folder]["sam"].folder)

    def test_many_captures_share_the_workers_and_what_is_done_is_kept(self, ray, photographs, capsys, tmp_path):
        captures = [photographs([(16, 16)] * 3, name).folder for name in ("a", "b")]
        before = extract_features(captures[0], "tiny", ("sam",))["sam"].folder / "values.npy"
        age = before.stat().st_mtime_ns
        command = ["extract", *map(str, captures), "--engine", "ray", "--workers", "2"]
        assert main(command) == 0
        assert before.stat().st_mtime_ns == age
        said = capsys.readouterr().out
        assert "12/12" in said
        for capture in captures:
            for teacher in ("tiny-sam-letterbox", "tiny-clipseg-stretch"):
                assert FeatureStore.open(capture / "features" / teacher).complete
                assert str(capture / "features" / teacher) in said
        plain = extract_features(captures[1], "tiny", features=tmp_path / "plain")
        for store in plain.values():
            assert_same_store(store.folder, captures[1] / "features" / store.folder.name)


class FakeRay:
    """As much of Ray as the workers use, in this process: what is asked is done when its answer is fetched."""

    exceptions = SimpleNamespace(
        RayActorError=type("RayActorError", (Exception,), {}), RayTaskError=type("RayTaskError", (Exception,), {})
    )

    def __init__(self):
        self.started, self.killed = [], []

    def is_initialized(self):
        return True

    def cluster_resources(self):
        return {"CPU": 2.0}

    def remote(self, kind):
        return SimpleNamespace(options=lambda **options: SimpleNamespace(remote=lambda *given: self.actor(kind, given)))

    def actor(self, kind, given):
        inner = kind(*given)
        methods = {"__ray_ready__": lambda: None, "record": inner.record, "encode": inner.encode}

        def remote(name):
            return SimpleNamespace(remote=lambda *arguments: Call(lambda: methods[name](*arguments)))

        self.started.append(SimpleNamespace(**{name: remote(name) for name in methods}))
        return self.started[-1]

    def wait(self, references, num_returns, timeout):
        return references[:1], references[1:]

    def get(self, reference):
        try:
            return reference.call()
        except SamNerfError as error:
            raised = self.exceptions.RayTaskError()
            raised.cause = error
            raise raised from error

    def kill(self, actor):
        self.killed.append(actor)


class Call:
    def __init__(self, call):
        self.call = call


@pytest.fixture
def fake_ray(monkeypatch):
    """Takes Ray's place; `dying` are the numbers of the slices, in the order of their encoding, that end a worker."""
    fake = FakeRay()
    fake.dying, fake.encoded = set(), []

    class Mortal(EncodingWorker):
        def encode(self, kind, layout, frames):
            fake.encoded.append([frame.name for frame in frames])
            if len(fake.encoded) - 1 in fake.dying:
                raise fake.exceptions.RayActorError("The actor died unexpectedly\nbefore finishing this task.")
            return super().encode(kind, layout, frames)

    monkeypatch.setattr(EncodingWorkers, "worker", Mortal)
    monkeypatch.setattr(ray_cluster, "_ray", lambda: fake)
    return fake


def test_the_slice_of_a_dead_worker_goes_to_another(fake_ray, photographs):
    fake_ray.dying = {1, 2}
    folder = photographs([(8, 8)] * 16).folder
    store = extract_on_ray([folder], "tiny", ("sam",), options=RayOptions(workers=2))[folder]["sam"]
    assert store.complete
    assert len(fake_ray.started) == 4
    assert sorted(map(id, fake_ray.killed)) == sorted(map(id, fake_ray.started))
    encoded = [name for slice_ in fake_ray.encoded for name in slice_]
    assert len(encoded) == 16 + 2 * 2
    assert set(encoded) == set(store.names)


def test_images_that_end_every_worker_are_named_and_the_others_are_kept(fake_ray, photographs, capsys):
    fake_ray.dying = {2, 3, 4}
    command = ["extract", str(photographs([(8, 8)] * 16).folder), "--kinds", "sam", "--engine", "ray", "--workers", "1"]
    assert main(command) == 1
    captured = capsys.readouterr()
    assert "3 Ray workers died over the images " in captured.err
    assert "frame_0008.png to frame_0011.png, perhaps for want of memory: The actor died unexpectedly" in captured.err
    assert "features of 8 of 16 images are kept" in captured.out


def test_an_image_that_cannot_be_read_is_named_and_those_before_it_are_kept(fake_ray, photographs, capsys):
    capture = photographs([(16, 16)] * 12)
    capture.image(7).write_bytes(capture.image(7).read_bytes()[:-40])
    arguments = ["extract", str(capture.folder), "--kinds", "sam", "--engine", "ray", "--workers", "1"]
    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert "frame_0007.png cannot be read" in captured.err
    assert "features of 7 of 12 images are kept" in captured.out
    with sole_writer(capture.folder / "features" / "tiny-sam-letterbox"):
        pass  # nobody holds the store any more


def test_machines_with_other_weights_are_refused(fake_ray, photographs, monkeypatch):
    class Strange(EncodingWorker):
        def encode(self, kind, layout, frames):
            return replace(super().encode(kind, layout, frames), encoder=replace(self.record(kind, layout), side=7))

    monkeypatch.setattr(EncodingWorkers, "worker", Strange)
    with pytest.raises(SamNerfError, match="the machines of the cluster have different weights of tiny-sam"):
        extract_on_ray([photographs([(8, 8)]).folder], "tiny", ("sam",))


def test_workers_have_what_was_asked_for_or_are_refused():
    fake = FakeRay()
    assert worker_resources(fake) == WorkerResources(1.0, 0.0)
    assert workers_that_fit(fake, WorkerResources(1.0, 0.0)) == 2
    assert workers_that_fit(fake, WorkerResources(0.5, 0.0)) == 4
    with pytest.raises(SamNerfError, match="is to have 3 CPU and 0 GPU, but the whole Ray cluster has 2 CPU and 0 GPU"):
        worker_resources(fake, cpus=3.0)
    with pytest.raises(SamNerfError, match="a worker cannot have 0 CPU and 0 GPU"):
        worker_resources(fake, cpus=0.0)


def test_without_ray_the_extra_is_named(photographs, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["extract", str(photographs().folder), "--engine", "ray"]) == 1
    assert capsys.readouterr().err == (
        "samnerf extract: Ray is not installed; `pip install 'samnerf[scale]'` brings it\n"
    )


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.0.1:1", "no Ray cluster answers at 127.0.0.1:1 ("),
        ("ray://127.0.0.1:10001", "expected host:port of the head (ray start prints it), auto or local"),
        ("nowhere", "the Ray address 'nowhere' is not understood"),
    ],
)
def test_a_cluster_that_cannot_be_reached_is_named_at_once(address, words):
    ray = pytest.importorskip("ray")
    if ray.is_initialized():
        ray.shutdown()
    with pytest.raises(SamNerfError) as problem, connected(address):
        pass
    assert words in str(problem.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "no capture was named"),
        (["a", "b", "--output", "o"], "--output is the folder of one capture, and 2 were named"),
        (["a", "--workers", "2"], "belong to --engine ray"),
        (["a", "--engine", "ray", "--workers", "0"], "--workers is 0 but must be at least 1"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(options, words, capsys):
    assert main(["extract", *options]) == 1
    assert words in capsys.readouterr().err
