"""Adapters on disk say whose they are, and are refused by others."""

import pytest
import safetensors.torch
import torch

from samnerf.errors import SamNerfError
from samnerf.matting import adapter_files
from samnerf.matting.adapter_files import (
    adapter_of,
    adapter_place,
    checked_adapter,
    installed_adapter,
    read_adapter,
    teacher_weights_hash,
    write_adapter,
)
from samnerf.matting.lora import Ranks, adapter_parameters

HASH = "ab" * 32


@pytest.fixture
def file(tmp_path, decoder, kit):
    path = tmp_path / "adapter.safetensors"
    write_adapter(path, adapter_of(kit.loud(decoder), HASH, Ranks()))
    return path


def test_what_is_written_is_read(file, decoder, kit):
    adapter = read_adapter(file)
    assert (adapter.teacher, adapter.weights_sha256, adapter.ranks) == ("tiny-sam", HASH, Ranks(32, 8))
    expected = adapter_parameters(kit.loud(decoder))
    assert adapter.state.keys() == expected.keys()
    for name, value in adapter_parameters(adapter.worn_by(decoder)).items():
        torch.testing.assert_close(value, expected[name], atol=2e-4, rtol=0)
    assert file.stat().st_size < 300_000


def test_it_is_refused_by_another_teacher_and_for_other_weights(file, decoder):
    adapter = read_adapter(file)
    other = type(decoder)(decoder.prompt_encoder, decoder.mask_decoder, "sam-vit-b", decoder.device)
    with pytest.raises(SamNerfError, match="belongs to 'tiny-sam', not to 'sam-vit-b'"):
        adapter.worn_by(other)
    with pytest.raises(SamNerfError, match="was trained on the weights abababababab of tiny-sam, but those on this"):
        checked_adapter(file)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({}, "is no matting adapter"),
        ({"format": adapter_files.FORMAT, "version": "2"}, "version '2'; this program reads version 1"),
        ({"format": adapter_files.FORMAT, "version": "1"}, "does not say its teacher"),
        (
            {
                "format": adapter_files.FORMAT,
                "version": "1",
                "teacher": "tiny-sam",
                "weights_sha256": HASH,
                "hypernetwork_rank": "many",
                "attention_rank": "8",
            },
            "no whole numbers",
        ),
    ],
)
def test_a_file_that_says_something_else_is_refused(tmp_path, metadata, message):
    path = tmp_path / "other.safetensors"
    safetensors.torch.save_file({"a": torch.zeros(1)}, path, metadata)
    with pytest.raises(SamNerfError, match=message):
        read_adapter(path)


def test_missing_and_truncated_files_are_named(tmp_path, file):
    with pytest.raises(SamNerfError, match=r"nowhere\.safetensors does not exist"):
        read_adapter(tmp_path / "nowhere.safetensors")
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(SamNerfError, match="truncated"):
        read_adapter(file)


def test_where_adapters_are_looked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("SAMNERF_CHECKPOINTS", str(tmp_path))
    assert adapter_place("sam-vit-h") == tmp_path / "sam-vit-h-matting.safetensors"
    assert installed_adapter("sam-vit-h") is None
    assert teacher_weights_hash("toy-sam") is None


def test_the_bundled_adapter_belongs_to_the_bundled_weights(decoder):
    adapter = installed_adapter("tiny-sam")
    assert adapter is not None
    assert adapter.worn_by(decoder).teacher == "tiny-sam"
    assert adapter.weights_sha256 == teacher_weights_hash("tiny-sam")
