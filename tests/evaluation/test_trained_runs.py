"""Runs are found by the names of their scenes."""

import os

import pytest

from samnerf.errors import SamNerfError
from samnerf.evaluation.trained_runs import run_of, trained_runs


def test_a_run_is_found_by_its_scene_whatever_lies_above(run_folder, tmp_path):
    horns = run_folder("llff/Horns", method="samnerf-distill")
    runs = trained_runs(tmp_path / "runs")
    assert run_of(("horns_center", "horns"), runs) == horns
    assert run_of(("fern",), runs) is None
    assert trained_runs(tmp_path / "runs" / "llff" / "Horns") == runs


def test_of_several_runs_the_newest_is_taken(run_folder, tmp_path):
    old, new = run_folder("fern", "b"), run_folder("fern", "a")
    os.utime(old, (1, 1))
    assert trained_runs(tmp_path / "runs") == {"fern": new}


def test_other_methods_are_no_runs_of_ours(run_folder, tmp_path):
    run_folder("fern", method="nerfacto")
    assert trained_runs(tmp_path / "runs") == {}


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(SamNerfError, match=r"--runs .*nowhere is no folder"):
        trained_runs(tmp_path / "nowhere")
