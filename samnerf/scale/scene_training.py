"""One scene of many: `ns-train` in a process of its own, gone on with where it was stopped.

Beside the run, in `<output>/<name>/<method>/`, lie `training.json`, which says what was asked for and whether it is
done, and `train.log`, all that ns-train said. Whoever trains a scene holds the lock of that folder, and so does the
ns-train it started: if only the one is killed, the next to come waits for the other, and two never write one run.
"""

import json
import os
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from samnerf.atomic_files import read_json, write_json
from samnerf.errors import SamNerfError
from samnerf.feature_store import sole_writer
from samnerf.scale.training_manifest import SceneJob

State = Literal["trained", "resumed", "there", "failed"]
_FORMAT, _VERSION = "samnerf-training", 1
_SECONDS_TO_END = 30.0
_running: set["subprocess.Popen[bytes]"] = set()


@dataclass(frozen=True)
class Outcome:
    """What came of one scene.

    Attributes:
        state: "there" if it was done already.
        seconds: that this call took.
        problem: why it failed, in one line.
    """

    name: str
    state: State
    seconds: float
    problem: str | None = None


def train_scene(job: SceneJob, devices: str | None = None, gpus: int = 0) -> Outcome:
    """Train one scene to its end; what an earlier call did is kept.

    Args:
        job: which.
        devices: CUDA_VISIBLE_DEVICES for ns-train; as they are where None.
        gpus: on how many of them it trains.
    """
    begun = time.monotonic()

    def outcome(state: State, problem: str | None = None) -> Outcome:
        return Outcome(job.name, state, time.monotonic() - begun, problem)

    try:
        if not job.capture.exists():
            return outcome("failed", f"its capture {job.capture} does not exist")
        with sole_writer(job.run.parent, wait=True) as lock:
            record = _Record.of(job)
            if record.finished:
                return outcome("there")
            done = _last_step(job.run) + 1
            resumed = done > 0
            steps = record.steps or (_steps_of(job.run) if resumed else None)
            record.save(steps)
            if not (resumed and steps and done >= steps):
                command = ns_train(job, done if resumed else 0, steps, gpus)
                problem = _run(command, job.run.parent / "train.log", devices, lock)
                if problem is not None:
                    return outcome("failed", problem)
            record.save(steps, finished=True)
            return outcome("resumed" if resumed else "trained")
    except SamNerfError as error:
        return outcome("failed", str(error))


def end_trainings() -> None:
    """End every ns-train that threads of this process wait for; what they saved stays."""
    for process in list(_running):
        process.terminate()


def ns_train(job: SceneJob, done: int, steps: int | None, gpus: int = 0) -> list[str]:
    """The command for the steps that are left.

    Args:
        job: which scene.
        done: steps that a checkpoint has.
        steps: of the whole training; None only if nothing is done.
        gpus: on how many it trains.
    """
    command = [sys.executable, "-m", "nerfstudio.scripts.train", job.method]
    command += ["--data", str(job.capture), "--output-dir", str(job.output), "--experiment-name", job.name]
    # No viewer: it would open a port for each scene, and keep ns-train alive afterwards.
    command += ["--timestamp", job.run.name, "--vis", "tensorboard"]
    if gpus > 1:
        command += ["--machine.num-devices", str(gpus)]
    if done:
        assert steps is not None
        # Nerfstudio's number is that of the steps still to do.
        command += ["--load-dir", str(_checkpoints(job.run)), "--load-step", str(done - 1)]
        command += ["--max-num-iterations", str(steps - done)]
    elif steps is not None:
        command += ["--max-num-iterations", str(steps)]
    return [*command, *job.arguments]


@dataclass
class _Record:
    """`training.json`."""

    path: Path
    asked: dict[str, Any]
    steps: int | None = None
    finished: bool = False

    @staticmethod
    def of(job: SceneJob) -> "_Record":
        path = job.run.parent / "training.json"
        asked = {"capture": str(job.capture), "steps": job.steps, "arguments": list(job.arguments)}
        if not path.exists():
            if job.run.exists():
                raise SamNerfError(
                    f"{job.run} holds a run that was not begun by train-many; rename the scene or the folder"
                )
            return _Record(path, asked, job.steps)
        document = read_json(path, "training record")
        if not isinstance(document, dict) or (document.get("format"), document.get("version")) != (_FORMAT, _VERSION):
            raise SamNerfError(f"{path} is no training record of version {_VERSION}; delete {path.parent}")
        for key, value in asked.items():
            if document.get(key) != value:
                raise SamNerfError(
                    f"{path.parent} was begun with {key} {json.dumps(document.get(key))}, now it is "
                    f"{json.dumps(value)}; rename the scene, or delete that folder"
                )
        return _Record(path, asked, document.get("all_steps"), document.get("finished") is True)

    def save(self, steps: int | None, finished: bool = False) -> None:
        self.steps, self.finished = steps, finished
        about = {"format": _FORMAT, "version": _VERSION, **self.asked, "all_steps": steps, "finished": finished}
        write_json(self.path, about)


def _checkpoints(run: Path) -> Path:
    return run / "nerfstudio_models"


def _last_step(run: Path) -> int:
    """Of the newest checkpoint that is whole; -1 where there is none. A kill may have cut one off."""
    whole = (path for path in _checkpoints(run).glob("step-*.ckpt") if zipfile.is_zipfile(path))
    return max((int(path.stem.removeprefix("step-")) for path in whole), default=-1)


def _steps_of(run: Path) -> int:
    """What the config of a run says, as ns-train wrote it when the run began."""
    config = run / "config.yml"
    found = re.search(r"^max_num_iterations: (\d+)$", config.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise SamNerfError(f"{config} does not say max_num_iterations; delete {run.parent} to begin anew")
    return int(found[1])


def _run(command: list[str], log: Path, devices: str | None, lock: int) -> str | None:
    """Run ns-train; gives what went wrong, in one line."""
    environment = dict(os.environ) if devices is None else {**os.environ, "CUDA_VISIBLE_DEVICES": devices}
    with log.open("ab") as said:
        start = said.tell()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environment, pass_fds=(lock,)
        )
        _running.add(process)
        try:
            status = process.wait()
        finally:
            _end(process)
            _running.discard(process)
    if status == 0:
        return None
    how = f"ended with status {status}" if status > 0 else f"was ended by signal {-status}"
    return f"ns-train {how}: {_last_words(log, start)} ({log})"


def _end(process: "subprocess.Popen[bytes]") -> None:
    """When the person interrupts, what was started ends before this process does."""
    ends: tuple[Callable[[], None], ...] = (process.terminate, process.kill)
    for end in ends:
        if process.poll() is not None:
            return
        end()
        try:
            process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            continue


def _last_words(log: Path, start: int) -> str:
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode("utf-8", errors="replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip(" ─╯╰│")), "it said nothing")[:300]
