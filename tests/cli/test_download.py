"""`samnerf download` lists, fetches and checks."""

import hashlib

import pytest

from samnerf.cli import main as cli
from samnerf.teachers import checkpoints, downloads
from samnerf.teachers.checkpoints import Weights, WeightsFile, all_weights, weights_of

CONTENT = b"weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder for weights, empty."""
    monkeypatch.setenv("SAMNERF_CHECKPOINTS", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


@pytest.fixture
def fetched(folder, monkeypatch):
    """Paths that were asked for, instead of a network."""
    asked = []

    def fetch(file, console=None):
        if not file.path.exists():
            asked.append(file.relative_path)
            file.path.parent.mkdir(parents=True, exist_ok=True)
            file.path.write_bytes(CONTENT)

    monkeypatch.setattr(downloads, "fetch", fetch)
    return asked


@pytest.fixture
def listed(folder, monkeypatch):
    """A list of one set of two files: one of known SHA-256, one of unknown."""
    files = (
        WeightsFile("one/config.json", "https://example.org/config.json", None, None),
        WeightsFile("one/model.safetensors", "https://example.org/model.safetensors", len(CONTENT), SHA256),
    )
    weights = Weights("one", "weights of a test", "none", files)
    monkeypatch.setattr(checkpoints, "all_weights", lambda: {"one": weights})
    (folder / "one").mkdir()
    for file in files:
        file.path.write_bytes(CONTENT)
    return weights


def line_of(output: str, word: str) -> str:
    return next(line for line in output.splitlines() if word in line.split())


def test_without_a_name_everything_is_listed(folder, capsys):
    assert cli.main(["download"]) == 0
    output = capsys.readouterr().out
    for weights in all_weights().values():
        line = line_of(output, weights.teacher)
        assert weights.licence in line and weights.description in line
        assert ("bundled" if weights.bundled else "missing") in line.split()
    assert "2.6 GB" in line_of(output, "sam-vit-h")
    assert str(folder) in output


def test_what_is_there_is_listed_as_present_and_what_stopped_as_incomplete(folder, capsys):
    (folder / "sam_vit_b_01ec64.pth").touch()
    (folder / "sam_vit_l_0b3195.pth.part").touch()
    assert cli.main(["download"]) == 0
    output = capsys.readouterr().out
    assert "present" in line_of(output, "sam-vit-b")
    assert "incomplete" in line_of(output, "sam-vit-l")


def test_names_are_fetched_once_each_with_all_their_files(folder, fetched, capsys):
    assert cli.main(["download", "clipseg-rd64-refined", "sam-vit-b", "clipseg-rd64-refined"]) == 0
    assert fetched == [
        "clipseg-rd64-refined/config.json",
        "clipseg-rd64-refined/model.safetensors",
        "sam_vit_b_01ec64.pth",
    ]
    output = capsys.readouterr().out
    assert f"sam-vit-b: {folder / 'sam_vit_b_01ec64.pth'} (fetched)" in output
    assert "still missing" not in output
    assert cli.main(["download", "sam-vit-b"]) == 0
    assert "(was there)" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["sam-vit-h", "sam2-hiera-small"])
def test_the_other_half_of_a_pair_is_recalled(fetched, capsys, name):
    assert cli.main(["download", name]) == 0
    assert "still missing: samnerf download clipseg-rd64-refined" in capsys.readouterr().out


def test_what_ships_needs_no_download(folder, capsys):
    assert cli.main(["download", "tiny-sam"]) == 0
    assert "(ships with the package)" in capsys.readouterr().out
    assert list(folder.iterdir()) == []


def test_an_unknown_name_stops_before_anything_is_fetched(fetched, capsys):
    assert cli.main(["download", "sam-vit-b", "sam-vit-x"]) == 1
    assert "there are no weights called 'sam-vit-x'; choose from sam-vit-b" in capsys.readouterr().err
    assert fetched == []


def test_check_tells_whole_from_unknown(listed, capsys):
    assert cli.main(["download", "--check"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"unknown    {listed.files[0].path}: no checksum is listed")
    assert lines[1] == f"whole      {listed.files[1].path}"
    listed.files[0].write_record(SHA256, len(CONTENT))
    assert cli.main(["download", "one", "--check"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["whole", "whole"]


def test_check_fails_for_what_is_damaged_and_leaves_it_alone(listed, capsys):
    listed.files[1].path.write_bytes(b"WEIGHTS")
    assert cli.main(["download", "--check"]) == 1
    captured = capsys.readouterr()
    assert f"damaged    {listed.files[1].path}: its SHA-256 is " in captured.out
    assert f"damaged: {listed.files[1].path}; delete what is damaged" in captured.err
    assert listed.files[1].path.read_bytes() == b"WEIGHTS"


def test_check_says_what_is_not_there(folder, capsys):
    assert cli.main(["download", "--check", "sam-vit-h", "tiny-sam"]) == 0
    output = capsys.readouterr().out
    assert output.splitlines() == [f"whole      {weights_of('tiny-sam').place}", "missing    sam-vit-h"]
