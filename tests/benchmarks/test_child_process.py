"""What a process tells of itself, and what is said of one that fails."""

import json
import os
import subprocess
import sys
from pathlib import Path

import child_process
import pytest
from child_process import peak_memory, run_child, tell

from samnerf.errors import SamNerfError


def peak_of_a_child_that_holds(size):
    program = f"from child_process import peak_memory; held = b'x' * {size}; print(peak_memory())"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(Path(child_process.__file__).parent)])}
    command = [sys.executable, "-c", program]
    return int(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout)


def test_what_a_process_held_shows_in_its_peak_and_what_its_parent_holds_does_not():
    held = b"x" * (256 << 20)
    small, large = peak_of_a_child_that_holds(1 << 20), peak_of_a_child_that_holds(64 << 20)
    assert 60 << 20 < large - small < 68 << 20
    assert small < len(held) <= peak_memory()


def test_the_last_line_holds_the_facts_and_the_peak(capsys):
    tell("cpu", {"seconds": 1.5})
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["seconds"] == 1.5
    assert told["peak"] > 0
    assert told["gpu_peak"] is None


def test_a_failed_process_is_named_with_what_it_printed():
    with pytest.raises(SamNerfError, match=r"(?s)stages\.py --stage nowhere --test-views 3 failed: .*nowhere"):
        run_child("stages.py", {"stage": "nowhere", "test_views": 3})
