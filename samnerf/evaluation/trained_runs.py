"""Trained scenes of a data set, found by name: `.../<scene>/samnerf-*/<timestamp>/config.yml` below a folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from samnerf.errors import SamNerfError


def trained_runs(folder: Path) -> dict[str, Path]:
    """The newest config.yml of each scene, by its name in lower case.

    Raises:
        SamNerfError: if there is no such folder.
    """
    if not folder.is_dir():
        raise SamNerfError(f"--runs {folder} is no folder; give the one that ns-train had as --output-dir")
    found: dict[str, Path] = {}
    for config in sorted(folder.resolve().rglob("samnerf-*/*/config.yml"), key=lambda one: (one.stat().st_mtime, one)):
        found[config.parents[2].name.lower()] = config
    return found


def run_of(names: Sequence[str], runs: Mapping[str, Path]) -> Path | None:
    """The run of a scene that may be called by several names; the first that is there."""
    return next((runs[name.lower()] for name in names if name.lower() in runs), None)
