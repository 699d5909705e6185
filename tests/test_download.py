"""`download.sh` knows every file that the teachers ask for."""

import os
import subprocess
from pathlib import Path

import pytest

from samnerf.teachers.pairs import CHECKPOINTS

SCRIPT = Path(__file__).resolve().parents[1] / "download.sh"


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The script with `folder` as the place for weights."""
    environment = {**os.environ, "SAMNERF_CHECKPOINTS": str(folder)}
    return subprocess.run(["bash", str(SCRIPT), *arguments], env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("file", sorted(CHECKPOINTS.values()))
def test_what_does_not_ship_is_listed_as_missing_or_present(tmp_path, file):
    lines = [line for line in run(tmp_path).stdout.splitlines() if f" {file}" in line]
    assert lines
    assert all(" missing " in line for line in lines)
    for line in lines:
        path = tmp_path / line.split()[2]
        path.parent.mkdir(exist_ok=True)
        path.touch()
    lines = [line for line in run(tmp_path).stdout.splitlines() if f" {file}" in line]
    assert all(" present " in line for line in lines)


def test_unknown_weights_are_refused_with_the_known_ones(tmp_path):
    answer = run(tmp_path, "sam-vit-x")
    assert answer.returncode == 2
    assert "choose sam-vit-b, sam-vit-l or sam-vit-h" in answer.stderr
