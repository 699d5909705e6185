"""The notebook runs from top to bottom, and what it shows is true."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "samclip.ipynb"
RUN = """
import sys, nbformat, nbclient
notebook = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3").execute(cwd=".")
nbformat.write(notebook, sys.argv[2])
"""


def code_cells(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_it_is_kept_without_outputs():
    for cell in code_cells(json.loads(NOTEBOOK.read_text(encoding="utf-8"))):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_it_runs_and_its_masks_are_right(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(NOTEBOOK), str(tmp_path / "done.ipynb")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    cells = code_cells(json.loads((tmp_path / "done.ipynb").read_text(encoding="utf-8")))
    outputs = [output for cell in cells for output in cell["outputs"]]
    printed = "".join("".join(output["text"]) for output in outputs if output["output_type"] == "stream")
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 10
    agreements = [float(number) for number in re.findall(r"IoU ([\d.]+)", printed)]
    assert len(agreements) == 3
    assert min(agreements) > 0.85
    assert "nothing reaches the relevancy 0.9 for 'green banana'" in printed
    assert int(re.search(r"(\d+) masks", printed).group(1)) >= 5
    assert "IDs in the map: [0 1 2]" in printed
    assert [path.name for path in tmp_path.iterdir()] == ["done.ipynb"]
