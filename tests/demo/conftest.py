"""Teachers that see colours and nothing else, in the shape of the tiny pair; they need no weights."""

import importlib

import numpy as np
import pytest
import torch

from samnerf.feature_map import FeatureMap, content_size
from samnerf.masks import MaskPrediction
from samnerf.preprocessing.synthetic.scene import COLOURS
from samnerf.teachers.pairs import feature_specs

SPECS = feature_specs("tiny")


def colour_features(colours, channels):
    """Smooth random features of colours (..., 3), 0 to 1."""
    projection = torch.randn(3, channels, generator=torch.Generator().manual_seed(channels)) * 2
    return torch.sin((colours.float() - 0.5) @ projection)


class ColourEncoder:
    def __init__(self, kind):
        spec = SPECS[kind]
        self.name, self.channels, self.side, self.layout = spec.teacher, spec.channels, spec.side, spec.layout
        self.weights_hash = "c0" * 32

    def encode(self, image, layout=None):
        layout = layout or self.layout
        rows, columns = content_size(image.shape[:2], self.side, layout)
        pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None] / 255
        small = torch.nn.functional.interpolate(pixels, (rows, columns), mode="area")[0].permute(1, 2, 0)
        values = torch.zeros(self.side, self.side, self.channels)
        values[:rows, :columns] = colour_features(small, self.channels)
        summary = torch.zeros(self.channels) if self.name == "tiny-clipseg" else None
        return FeatureMap(values.permute(2, 0, 1).contiguous(), image.shape[:2], layout, self.name, summary)


def likeness(feature_map, feature):
    return torch.cosine_similarity(feature_map.values, feature[:, None, None], dim=0)


class ColourMaskDecoder:
    teacher = "tiny-sam"

    def decode(self, feature_map, prompts, candidates=False, previous=None):
        pixels = [(p.x, p.y, p.label) for p in prompts.points]
        pixels += [((b.x1 + b.x2) / 2, (b.y1 + b.y2) / 2, 1) for b in prompts.boxes]
        alike = {0: [torch.full((32, 32), -1.0)], 1: []}
        for x, y, label in pixels:
            cell = feature_map.to_cells(torch.tensor([x, y])).long().clamp(0, 31)
            alike[label].append(likeness(feature_map, feature_map.values[:, cell[1], cell[0]]))
        low = torch.stack(alike[1]).amax(0) - torch.stack(alike[0]).amax(0).clamp_min(0.6)
        logits = torch.nn.functional.interpolate(low[None, None], feature_map.image_size, mode="bilinear")[0]
        count = 3 if candidates else 1
        return MaskPrediction(logits.repeat(count, 1, 1), torch.full((count,), 0.7), low.repeat(count, 1, 1))


class ColourTextDecoder:
    teacher = "tiny-clipseg"

    def relevancy(self, feature_map, phrase):
        named = [COLOURS[word] for word in phrase.split() if word in COLOURS]
        if not named:
            return torch.zeros(64, 64)
        fits = likeness(feature_map, colour_features(torch.tensor(named[0]), 96)).clamp(0, 1)
        return fits.repeat_interleave(2, 0).repeat_interleave(2, 1)


LOADERS = {
    "load_encoder": lambda pair, kind, device="cpu": ColourEncoder(kind),
    "load_mask_decoder": lambda pair, device="cpu": ColourMaskDecoder(),
    "load_text_decoder": lambda pair, device="cpu": ColourTextDecoder(),
    "installed_weights_hash": lambda pair, kind: ColourEncoder(kind).weights_hash,
}


@pytest.fixture(scope="module")
def colour_teachers():
    """Puts them in the place of the tiny pair."""
    names = ("teachers.pairs", "preprocessing.extraction", "distill.datamanager", "demo.run")
    modules = [importlib.import_module(f"samnerf.{name}") for name in names]
    with pytest.MonkeyPatch.context() as patch:
        for module in modules:
            for name, loader in LOADERS.items():
                if hasattr(module, name):
                    patch.setattr(module, name, loader)
        yield
