"""Weights are read whole, in halves, or refused by name."""

import pytest
import safetensors.torch
import torch
from torch import nn

from samnerf.errors import SamNerfError
from samnerf.teachers import meta_sam, pairs
from samnerf.teachers.weights_files import fill, read_checkpoint, read_safetensors, weights_hash

STATE = {"a.weight": torch.ones(2, 3, dtype=torch.float16), "b.count": torch.tensor(4)}


def test_a_half_comes_without_its_prefix_in_float32(tmp_path):
    safetensors.torch.save_file(STATE, tmp_path / "w.safetensors")
    half = read_safetensors(tmp_path / "w.safetensors", "a.")
    assert list(half) == ["weight"] and half["weight"].dtype == torch.float32


def test_truncated_weights_are_named(tmp_path):
    whole = tmp_path / "w.safetensors"
    safetensors.torch.save_file(STATE, whole)
    whole.write_bytes(whole.read_bytes()[:-5])
    with pytest.raises(SamNerfError, match="w.safetensors are truncated"):
        read_safetensors(whole)


def test_a_truncated_checkpoint_is_named(tmp_path):
    whole = tmp_path / "w.pth"
    torch.save(STATE, whole)
    whole.write_bytes(whole.read_bytes()[:-50])
    with pytest.raises(SamNerfError, match="w.pth are truncated"):
        read_checkpoint(whole, "a.")


def test_a_checkpoint_that_runs_code_is_refused(tmp_path):
    torch.save({"a.weight": nn.Linear(2, 2)}, tmp_path / "w.pth")
    with pytest.raises(SamNerfError, match="no checkpoint of plain tensors"):
        read_checkpoint(tmp_path / "w.pth", "a.")


def test_weights_of_another_network_are_refused_by_tensor(tmp_path):
    with pytest.raises(SamNerfError, match="lack bias"):
        fill(nn.Linear(3, 2), {"weight": torch.ones(2, 3)}, tmp_path)
    with pytest.raises(SamNerfError, match=r"weight has shape \(2, 3\) but \(5, 3\) is expected"):
        fill(nn.Linear(3, 5), {"weight": torch.ones(2, 3), "bias": torch.ones(5)}, tmp_path)
    with pytest.raises(SamNerfError, match="hold extra, which this network does not have"):
        fill(nn.Linear(3, 2, bias=False), {"weight": torch.ones(2, 3), "extra": torch.ones(1)}, tmp_path)


def test_equal_bytes_have_equal_hashes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert weights_hash(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_metas_decoder_loads_from_a_checkpoint_in_the_official_form_without_the_encoder(tmp_path):
    state = {f"prompt_encoder.{k}": v for k, v in meta_sam.build_prompt_encoder().state_dict().items()}
    state |= {f"mask_decoder.{k}": v for k, v in meta_sam.build_mask_decoder().state_dict().items()}
    torch.save(state, tmp_path / "sam_vit_b.pth")
    decoder = meta_sam.load_mask_decoder("sam-vit-b", tmp_path / "sam_vit_b.pth", torch.device("cpu"))
    torch.testing.assert_close(decoder.mask_decoder.iou_token.weight, state["mask_decoder.iou_token.weight"])


def test_missing_weights_say_where_they_belong(tmp_path, monkeypatch):
    monkeypatch.setenv("SAMNERF_CHECKPOINTS", str(tmp_path))
    with pytest.raises(SamNerfError, match="sam-vit-h are not at .*sam_vit_h_4b8939.pth; put them there"):
        pairs.load_encoder("sam-vit-h", "sam")


def test_an_unknown_pair_lists_the_known_ones():
    with pytest.raises(SamNerfError, match="choose one of tiny, sam-vit-b"):
        pairs.feature_specs("huge")
