"""Meta's checkpoints load by name, in halves, or are refused by what they hold."""

import pytest
import torch
from segment_anything import build_sam_vit_b

from samnerf.errors import SamNerfError
from samnerf.feature_map import FeatureMap
from samnerf.prompts import Point, PromptSet
from samnerf.teachers import meta_sam, pairs


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """A folder with a checkpoint in the official form: that of the package's own SAM ViT-B, with random values."""
    folder = tmp_path_factory.mktemp("checkpoints")
    torch.manual_seed(0)
    torch.save(build_sam_vit_b().state_dict(), folder / "sam_vit_b_01ec64.pth")
    return folder


@pytest.fixture
def state(checkpoints, monkeypatch):
    """What the checkpoint holds; its folder is where weights are looked for."""
    monkeypatch.setenv("SAMNERF_CHECKPOINTS", str(checkpoints))
    return torch.load(checkpoints / "sam_vit_b_01ec64.pth", weights_only=True, mmap=True)


def test_the_official_form_loads_into_the_encoder_whole(state):
    encoder = pairs.load_encoder("sam-vit-b", "sam")
    loaded = encoder.network.state_dict()
    assert {f"image_encoder.{name}" for name in loaded} == {name for name in state if name.startswith("image_encoder.")}
    assert all(torch.equal(tensor, state[f"image_encoder.{name}"]) for name, tensor in loaded.items())
    assert encoder.weights_hash == pairs.installed_weights_hash("sam-vit-b", "sam")
    assert not encoder.network.training and not any(p.requires_grad for p in encoder.network.parameters())


def test_the_official_form_loads_into_the_decoder_whole_and_it_answers(state):
    decoder = pairs.load_mask_decoder("sam-vit-b")
    for part, network in (("prompt_encoder", decoder.prompt_encoder), ("mask_decoder", decoder.mask_decoder)):
        assert all(torch.equal(value, state[f"{part}.{name}"]) for name, value in network.state_dict().items())
    features = FeatureMap(torch.randn(256, 64, 64), (60, 90), "letterbox", "sam-vit-b")
    answer = decoder.decode(features, PromptSet(points=(Point(20.0, 30.0),)), candidates=True)
    assert answer.logits.shape == (3, 60, 90) and answer.logits.isfinite().all()


@pytest.mark.parametrize("name", ["sam-vit-l", "sam-vit-h"])
@pytest.mark.parametrize("load", [meta_sam.load_encoder, meta_sam.load_mask_decoder])
def test_a_checkpoint_under_the_name_of_another_size_is_named(checkpoints, load, name):
    with pytest.raises(
        SamNerfError, match=rf"sam_vit_b_01ec64.pth: holds a SAM of width 768 \(sam-vit-b\), expected {name}"
    ):
        load(name, checkpoints / "sam_vit_b_01ec64.pth", torch.device("cpu"))


def test_a_checkpoint_of_something_else_is_named(tmp_path):
    torch.save({"model": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(SamNerfError, match=r"have no tensor called image_encoder\.\*; they belong to another network"):
        meta_sam.load_encoder("sam-vit-b", tmp_path / "other.pth", torch.device("cpu"))
    torch.save({"image_encoder.patch_embed.proj.weight": torch.zeros(8, 3, 16, 16)}, tmp_path / "other.pth")
    with pytest.raises(SamNerfError, match="holds a SAM of width 8, expected sam-vit-b"):
        meta_sam.load_mask_decoder("sam-vit-b", tmp_path / "other.pth", torch.device("cpu"))
