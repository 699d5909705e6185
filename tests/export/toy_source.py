"""The toy world as the source of an export, for processes that know neither pytest nor its fixtures."""

import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from samnerf.export.export_source import ExportedObjects


@dataclass(frozen=True)
class ToySource:
    """Three squares over a floor."""

    def open(self):
        toy = toy_world()
        return toy.scene(), ExportedObjects.chosen(toy.layers())


@cache
def toy_world():
    """The class `Toy` of the tests' conftest.py."""
    spec = importlib.util.spec_from_file_location("toy_world", Path(__file__).resolve().parents[1] / "conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Toy
