"""The list of weights is well formed, knows every teacher, and tells a whole file from a damaged one."""

import hashlib
import importlib.resources
import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from samnerf.errors import SamNerfError
from samnerf.teachers import checkpoints
from samnerf.teachers.checkpoints import LIST, WeightsFile, all_weights, parsed, weights_of
from samnerf.teachers.pairs import PAIRS, load_encoder, load_mask_decoder, load_text_decoder

FILES = [file for weights in all_weights().values() for file in weights.files]
CONTENT = b"weights" * 100
SHA256 = hashlib.sha256(CONTENT).hexdigest()
ENTRY = """
[one]
description = "weights of a test"
licence = "none"
[[one.files]]
path = "one/model.safetensors"
address = "https://example.org/model.safetensors"
size = 700
sha256 = "{sha256}"
""".format(sha256="0" * 64)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder for weights, empty."""
    monkeypatch.setenv("SAMNERF_CHECKPOINTS", str(tmp_path))
    return tmp_path


def test_every_teacher_of_every_pair_has_weights_in_the_list():
    teachers = {spec.teacher for pair in PAIRS.values() for spec in pair.values()}
    assert teachers <= set(all_weights())


@pytest.mark.parametrize("weights", all_weights().values(), ids=lambda weights: weights.teacher)
def test_every_entry_says_what_it_is_in_one_line(weights):
    for words in (weights.description, weights.licence):
        assert words.strip() == words and words and "\n" not in words
    if weights.bundled:
        assert weights.state() == "present"
    else:
        assert all(file.address for file in weights.files)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_path)
def test_every_file_has_a_safe_place_and_an_address_that_ends_like_it(file):
    assert file.path.is_relative_to(checkpoints.bundled_folder() if file.bundled else checkpoints.checkpoint_folder())
    if not file.bundled:
        address = urlsplit(file.address)
        assert address.scheme == "https" and address.hostname and address.fragment == ""
        assert file.address.endswith(file.path.name)
        if address.hostname == "huggingface.co":
            assert "/resolve/main/" not in file.address, "name a commit: what a branch holds may change"


def test_addresses_and_checksums_differ():
    addresses = [file.address for file in FILES if file.address]
    sums = [file.sha256 for file in FILES if file.sha256]
    assert len(set(addresses)) == len(addresses)
    assert len(set(sums)) == len(sums)


@pytest.mark.parametrize("file", [file for file in FILES if file.bundled], ids=lambda file: file.relative_path)
def test_what_ships_is_what_the_list_says(file):
    assert file.flaw() is None, f"{file.relative_path} was trained anew: write its size and sha256 into {LIST}"


def test_large_files_are_never_fetched_unchecked():
    assert [file.relative_path for file in FILES if file.sha256 is None and not file.path.name.endswith(".json")] == []


def test_the_list_is_part_of_the_package_and_loads_nothing_heavy():
    assert importlib.resources.files("samnerf").joinpath("configs", "checkpoints.toml").is_file()
    program = (
        "import sys, samnerf.teachers.checkpoints as checkpoints; checkpoints.all_weights(); "
        "print(*{'torch', 'nerfstudio', 'rich', 'samnerf.configs'} & set(sys.modules))"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == []


def test_the_place_is_the_file_or_the_folder(folder):
    assert weights_of("sam-vit-h").place == folder / "sam_vit_h_4b8939.pth"
    assert weights_of("clipseg-rd64-refined").place == folder / "clipseg-rd64-refined"
    assert weights_of("sam2-hiera-tiny").place == folder / "sam2-hiera-tiny"
    assert weights_of("tiny-sam").place.parent == checkpoints.bundled_folder()


@pytest.mark.parametrize(
    ("load", "pair", "teacher"),
    [
        (lambda pair: load_encoder(pair, "sam"), "sam-vit-l", "sam-vit-l"),
        (load_mask_decoder, "sam2-hiera-tiny", "sam2-hiera-tiny"),
        (load_text_decoder, "sam-vit-l", "clipseg-rd64-refined"),
    ],
)
def test_missing_weights_say_how_to_get_them(folder, load, pair, teacher):
    with pytest.raises(SamNerfError) as caught:
        load(pair)
    assert f"the weights of {teacher} are not at {weights_of(teacher).place}" in str(caught.value)
    assert f"samnerf download {teacher}" in str(caught.value)


def test_the_state_follows_the_files(folder):
    weights = weights_of("clipseg-rd64-refined")
    assert weights.state() == "missing"
    weights.place.mkdir()
    assert weights.state() == "missing"
    weights.files[1].part.touch()
    assert weights.state() == "incomplete"
    weights.files[0].path.touch()
    assert weights.state() == "incomplete"
    weights.files[1].path.touch()
    assert weights.state() == "present"


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(SamNerfError, match="no weights called 'sam-vit-x'; choose from sam-vit-b, sam-vit-l"):
        weights_of("sam-vit-x")


def test_a_file_is_whole_or_its_flaw_is_named(folder):
    file = WeightsFile("w.pth", "https://example.org/w.pth", len(CONTENT), SHA256)
    file.path.write_bytes(CONTENT)
    assert file.flaw() is None
    file.path.write_bytes(CONTENT[:-1])
    assert file.flaw() == "it has 699 bytes instead of 700"
    file.path.write_bytes(b"W" + CONTENT[1:])
    assert f"instead of {SHA256}" in file.flaw()
    file.path.unlink()
    with pytest.raises(SamNerfError, match="w.pth cannot be read: No such file"):
        file.flaw()


def test_without_a_published_checksum_the_record_decides(folder):
    file = WeightsFile("w.pth", "https://example.org/w.pth", None, None)
    file.path.write_bytes(CONTENT)
    assert file.expected_sha256() is None and file.flaw() is None
    file.write_record(SHA256, len(CONTENT))
    assert file.expected_sha256() == SHA256 and file.flaw() is None
    subprocess.run(["sha256sum", "--check", "--strict", file.record.name], cwd=folder, check=True, capture_output=True)
    file.path.write_bytes(CONTENT[1:])
    assert "w.pth.sha256 remembers" in file.flaw()


@pytest.mark.parametrize("record", ["", "abc  w.pth\n", f"{SHA256}\n", f"{SHA256}  w.pth\n" * 2])
def test_a_damaged_record_is_named(folder, record):
    file = WeightsFile("w.pth", "https://example.org/w.pth", None, None)
    file.record.write_text(record)
    with pytest.raises(SamNerfError, match=r"w.pth.sha256 is damaged: expected one line '<SHA-256>  w.pth'"):
        file.expected_sha256()


def test_an_entry_is_read_as_it_stands():
    weights = parsed(ENTRY)["one"]
    assert (weights.teacher, weights.description, weights.licence) == ("one", "weights of a test", "none")
    assert weights.files == (
        WeightsFile("one/model.safetensors", "https://example.org/model.safetensors", 700, "0" * 64),
    )


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ("[one]", "[one", "is not TOML"),
        ('licence = "none"', "", "one lacks 'licence'"),
        ('licence = "none"', "licence = 3", "one.licence is 3 but must be of type str"),
        ('licence = "none"', 'license = "none"', "one has an unknown key 'license'"),
        ("size = 700", 'size = "700"', r"one.files\[0\].size is '700' but must be of type int"),
        ("size = 700", "size = true", r"one.files\[0\].size is True but must be of type int"),
        ("size = 700", "size = 0", "size is 0 but must be positive"),
        ("0" * 64, "0" * 63, "must be 64 digits"),
        ("0" * 64, "A" * 64, "must be 64 digits"),
        ("https://", "http://", "must begin with https://"),
        ("one/model", "/one/model", "must lie below the folder for weights"),
        ("one/model", "one/../../model", "must lie below the folder for weights"),
        ("[[one.files]]", "bundled = true\n[[one.files]]", "what ships is not fetched"),
        ('address = "https://example.org/model.safetensors"', "", r"one.files\[0\] lacks 'address'"),
        ("[[one.files]]", '[[one.files]]\npath = "two/a"\naddress = "https://a"\n[[one.files]]', "lie in one folder"),
        ("[one]", "two = 2\n[one]", "two is 2 but must be a table"),
    ],
)
def test_a_malformed_entry_is_named(right, wrong, words):
    assert right in ENTRY
    with pytest.raises(SamNerfError, match=words):
        parsed(ENTRY.replace(right, wrong, 1))
