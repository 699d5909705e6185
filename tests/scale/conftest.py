"""A small program in the place of ns-train."""

import json
import sys

import pytest

from samnerf.scale import scene_training
from samnerf.scale.training_manifest import SceneJob

NS_TRAIN = """
import json, os, sys, time, zipfile
from pathlib import Path
run, begin, count, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
run.mkdir(parents=True, exist_ok=True)
(run / "config.yml").write_text(f"method_name: toy\\nmax_num_iterations: {count}\\n")
with (run / "calls").open("a") as file:
    file.write(json.dumps([begin, count, os.environ.get("CUDA_VISIBLE_DEVICES")]) + "\\n")
models = run / "nerfstudio_models"
models.mkdir(exist_ok=True)
for step in range(begin, begin + count):
    if seed == "fail" and step == begin:
        print("the loss is not finite", file=sys.stderr)
        sys.exit(3)
    if seed == "stop" and begin == 0 and step == 3:
        (models / "step-000000003.ckpt").write_bytes(b"cut off")
        os.kill(os.getpid(), 9)
    with zipfile.ZipFile(models / f"step-{step:09d}.ckpt", "w") as file:
        file.writestr("step", str(step))
"""


@pytest.fixture
def toy_ns_train(monkeypatch, tmp_path):
    """Trains as many steps as asked, 5 by itself; the argument "fail" fails, "stop" is killed once, before step 3."""
    program = tmp_path / "toy_ns_train.py"
    program.write_text(NS_TRAIN)

    def command(job, done, steps, gpus=0):
        what = job.arguments[0] if job.arguments else ""
        return [sys.executable, str(program), str(job.run), str(done), str((steps or 5) - done), what]

    monkeypatch.setattr(scene_training, "ns_train", command)
    return program


@pytest.fixture
def job(tmp_path):
    """`job(name, **changes)` is a scene whose capture is there."""

    def make(name="fox", **changes):
        capture = tmp_path / "captures" / name
        capture.mkdir(parents=True, exist_ok=True)
        return SceneJob(**{"name": name, "capture": capture, "method": "toy", "output": tmp_path / "out", **changes})

    return make


@pytest.fixture
def calls():
    """`calls(job)` lists [first step, number of steps, CUDA_VISIBLE_DEVICES] of every ns-train of a scene."""
    return lambda job: [json.loads(line) for line in (job.run / "calls").read_text().splitlines()]
