"""What ends nerfstudio's programs is readable."""

import sys

import pytest

from samnerf.distill import compatibility
from samnerf.errors import SamNerfError


def test_an_error_of_the_outside_is_one_line(monkeypatch, capsys):
    monkeypatch.delenv("SAMNERF_DEBUG", raising=False)
    monkeypatch.setattr(sys, "argv", ["bin/ns-train", "samnerf-tiny"])
    compatibility.one_line(SamNerfError, SamNerfError("there are no features;\nrun samnerf extract"), None)
    assert capsys.readouterr().err == "ns-train: there are no features; run samnerf extract\n"


@pytest.mark.parametrize(("error", "debug"), [(ValueError("a mistake"), ""), (SamNerfError("no features"), "1")])
def test_everything_else_keeps_its_traceback(monkeypatch, capsys, error, debug):
    monkeypatch.setenv("SAMNERF_DEBUG", debug)
    shown = []
    monkeypatch.setattr(compatibility, "_usual_excepthook", lambda *arguments: shown.append(arguments))
    compatibility.one_line(type(error), error, None)
    assert shown == [(type(error), error, None)]
    assert not capsys.readouterr().err
