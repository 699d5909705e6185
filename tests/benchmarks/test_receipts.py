"""Every receipt says where it comes from, and every benchmark is described."""

import json
import re
from pathlib import Path

from receipts import on_device, write_receipt

ROOT = Path(__file__).parents[2]


def test_a_receipt_says_on_what_it_was_measured(tmp_path):
    path = write_receipt(on_device("speed", "cpu"), "cpu", {"seconds": 1.5}, tmp_path)
    found = json.loads(path.read_text())
    assert path == tmp_path / "speed.json"
    assert found["seconds"] == 1.5
    assert found["circumstances"]["cores"] >= 1
    assert found["circumstances"]["gpu"] is None
    assert "torch" in found["circumstances"]["versions"]


def test_receipts_of_a_gpu_lie_beside_those_of_a_cpu():
    assert on_device("speed", "cuda:0") == "speed_cuda"


def test_every_receipt_is_described_with_the_command_that_makes_it():
    page = (ROOT / "docs/benchmarks.md").read_text(encoding="utf-8")
    described = set(re.findall(r"`python benchmarks/(\w+)\.py`.*?→ `(\w+)\.json`", page))
    assert all(script == receipt and (ROOT / f"benchmarks/{script}.py").is_file() for script, receipt in described)
    kept = {path.stem.removesuffix("_cuda") for path in (ROOT / "benchmarks/results").glob("*.json")}
    assert kept <= {receipt for _, receipt in described}
