"""`download.sh` hands everything to `samnerf download`, wherever that is installed."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "download.sh"


def run(folder: Path, *arguments: str, path: str = "") -> subprocess.CompletedProcess[str]:
    """A copy of the script in `folder`, called from elsewhere, with `path` before the system's programs."""
    shutil.copy(SCRIPT, folder)
    environment = {**os.environ, "PATH": f"{path}:/usr/bin:/bin"}
    command = ["bash", str(folder / "download.sh"), *arguments]
    return subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True)


def stand_in(program: Path, name: str) -> None:
    """A program that prints its name and its arguments, one a line, and fails with 7."""
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/usr/bin/env bash\nprintf "%s\\n" {name} "$@"\nexit 7\n')
    program.chmod(0o755)


@pytest.mark.parametrize("arguments", [(), ("sam-vit-h", "clipseg-rd64-refined"), ("--check", "a name")])
def test_arguments_and_exit_status_are_passed_on(tmp_path, arguments):
    stand_in(tmp_path / ".venv" / "bin" / "samnerf", "venv")
    answer = run(tmp_path, *arguments)
    assert answer.stdout.splitlines() == ["venv", "download", *arguments]
    assert answer.returncode == 7


def test_the_virtual_environment_comes_before_the_path(tmp_path):
    stand_in(tmp_path / "bin" / "samnerf", "path")
    assert run(tmp_path, path=str(tmp_path / "bin")).stdout.splitlines() == ["path", "download"]
    stand_in(tmp_path / ".venv" / "bin" / "samnerf", "venv")
    assert run(tmp_path, path=str(tmp_path / "bin")).stdout.splitlines() == ["venv", "download"]


def test_without_samnerf_the_cure_is_named(tmp_path):
    if shutil.which("samnerf", path="/usr/bin:/bin"):
        pytest.skip("samnerf is installed for all users")
    answer = run(tmp_path)
    assert answer.returncode == 1
    assert "there is no samnerf in .venv or on the PATH; run 'make setup' first" in answer.stderr
