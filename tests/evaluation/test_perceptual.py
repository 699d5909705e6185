"""LPIPS is measured only where its weights are; nothing is downloaded."""

import numpy as np
import torch

from samnerf.evaluation.perceptual import WEIGHTS, lpips_at_hand, weights_file


def test_without_weights_there_is_no_lpips(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert lpips_at_hand() is None
    assert not list(tmp_path.iterdir())


def test_weights_lie_where_torch_would_keep_them(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert weights_file() == tmp_path / "checkpoints" / WEIGHTS


def test_with_weights_pictures_are_given_as_the_network_takes_them(tmp_path, monkeypatch):
    class Network:
        def __init__(self, net_type, normalize):
            assert (net_type, normalize) == ("alex", True)  # normalize: pictures run from 0 to 1

        def eval(self):
            return self

        def __call__(self, first, second):
            assert first.shape == second.shape == (1, 3, 4, 5)
            assert float(second.max()) == 1
            return (first - second).abs().mean()

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr("torchmetrics.image.lpip.LearnedPerceptualImagePatchSimilarity", Network)
    weights_file().parent.mkdir()
    weights_file().write_bytes(b"")
    distance = lpips_at_hand()
    assert distance is not None
    black, white = np.zeros((4, 5, 3), np.uint8), np.full((4, 5, 3), 255, np.uint8)
    assert distance(black, white) == 1
    assert distance(white, white) == 0
