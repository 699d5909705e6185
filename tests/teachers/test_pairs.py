"""Every pair can be loaded by name, in halves; the tiny one from what ships with the package."""

import hashlib

import numpy as np
import pytest
import torch
from transformers import CLIPSegConfig, CLIPSegForImageSegmentation

from samnerf.errors import SamNerfError
from samnerf.prompts import Point, PromptSet
from samnerf.teachers import pairs
from samnerf.teachers.released_clipseg import load_encoder, load_text_decoder
from samnerf.teachers.weights_files import BUNDLED

IMAGE = np.random.default_rng(0).integers(0, 256, (90, 60, 3), dtype=np.uint8)
SMALL = {
    "vision_config": {
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "patch_size": 16,
    },
    "text_config": {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2},
    "projection_dim": 32,
    "extract_layers": [0, 1, 2],
    "reduce_dim": 16,
}


@pytest.mark.parametrize("kind", pairs.KINDS)
def test_the_tiny_encoders_maps_are_what_the_specs_say(kind):
    encoder, spec = pairs.load_encoder("tiny", kind), pairs.feature_specs("tiny")[kind]
    assert (encoder.name, encoder.channels, encoder.side, encoder.layout) == (
        spec.teacher,
        spec.channels,
        spec.side,
        spec.layout,
    )
    feature_map = encoder.encode(IMAGE)
    assert feature_map.values.shape == (spec.channels, spec.side, spec.side)
    assert feature_map.image_size == (90, 60)


def test_the_tiny_decoders_read_the_tiny_encoders_maps():
    maps = {kind: pairs.load_encoder("tiny", kind).encode(IMAGE) for kind in pairs.KINDS}
    mask = pairs.load_mask_decoder("tiny").decode(maps["sam"], PromptSet(points=(Point(10.0, 20.0),)))
    relevancy = pairs.load_text_decoder("tiny").relevancy(maps["clipseg"], "striped red cube")
    assert mask.logits.shape == (1, 90, 60)
    assert relevancy.min() >= 0 and relevancy.max() <= 1


def test_the_tiny_weights_are_small():
    total = sum(path.stat().st_size for path in BUNDLED.glob("*.safetensors"))
    assert total < 16 * 2**20


def test_a_folder_in_transformers_form_answers_as_transformers_does(tmp_path):
    torch.manual_seed(0)
    model = CLIPSegForImageSegmentation(CLIPSegConfig(**SMALL)).eval()
    model.save_pretrained(tmp_path)
    encoder = load_encoder("clipseg-rd64-refined", tmp_path, torch.device("cpu"))
    decoder = load_text_decoder("clipseg-rd64-refined", tmp_path, torch.device("cpu"))
    relevancy = decoder.relevancy(encoder.encode(IMAGE), "a fox")
    assert encoder.side == 22 and relevancy.shape == (352, 352)


def test_a_folder_without_weights_says_what_it_lacks(tmp_path):
    with pytest.raises(SamNerfError, match="neither model.safetensors nor pytorch_model.bin"):
        load_encoder("clipseg-rd64-refined", tmp_path, torch.device("cpu"))


def test_the_hash_of_weights_is_known_where_they_are(tmp_path, monkeypatch):
    monkeypatch.setenv("SAMNERF_CHECKPOINTS", str(tmp_path))
    for kind in pairs.KINDS:
        assert pairs.installed_weights_hash("tiny", kind) == pairs.load_encoder("tiny", kind).weights_hash
        assert pairs.installed_weights_hash("sam-vit-b", kind) is None
    (tmp_path / "sam_vit_b_01ec64.pth").write_bytes(b"weights")
    assert pairs.installed_weights_hash("sam-vit-b", "sam") == hashlib.sha256(b"weights").hexdigest()


def test_scenes_learn_from_every_pair_but_those_of_sam_2():
    for name, specs in pairs.PAIRS.items():
        if name.startswith("sam2-"):
            assert (specs["sam"].teacher, specs["sam"].layout) == (name, "stretch")
            assert pairs.distillable_specs(name, ("clipseg",)) == specs
            with pytest.raises(SamNerfError, match=rf"no scene can be distilled from {name}: .*; distil from sam"):
                pairs.distillable_specs(name)
        else:
            assert pairs.distillable_specs(name) == specs
