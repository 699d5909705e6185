"""Maps as a field might render them, for a decoder that is to read rendered maps.

A field knows one feature for a place, whatever the view, and knows it roughly. So borders grow soft, objects drift
towards how they look from elsewhere, what sets an object apart from its likes is partly lost, and whole regions and
single cells are off by a little. The scale of all that is a share of how much features differ anyway.
"""

from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from samnerf.preprocessing.tiny_teachers.sam_augmentation import Batch
from samnerf.preprocessing.tiny_teachers.sam_losses import common_means
from samnerf.teachers.tiny_sam import SIDE

SOFTNESS = 0.8
"""Greatest weight of the mean of a cell's 3 x 3 neighbourhood against the cell itself."""
DRIFT = 1.0
"""Greatest part of the way that an object's mean goes to its mean in the scene's other view."""
MERGING = 0.8
"""Greatest part of the way that an object's mean goes to the middle between it and its nearest like."""
CLOUDS = 0.35
"""Greatest weight of each of the smooth fields that bring in features of other places."""
CLOUD_COUNT = 4
CLOUD_SIDE = 8
"""Cells of the coarse grid on which those fields are drawn."""
GRAIN = 0.3
"""Greatest deviation of independent noise; a channel's own is about 1."""


def worn(
    maps: Float[Tensor, "images channels side side"], batch: Batch, image: int, random: np.random.Generator
) -> Float[Tensor, "1 channels side side"]:
    """The map of one image of a batch, worn at random."""
    features = maps[image : image + 1]
    softer = F.avg_pool2d(F.pad(features, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    result = torch.lerp(features, softer, float(random.uniform(0, SOFTNESS)))
    for other, scene in enumerate(batch.scenes):
        if other != image and scene == batch.scenes[image]:
            result = result + random.uniform(0, DRIFT) * _drift(maps, batch, image, other)
    result = result + random.uniform(0, MERGING) * _merging(maps, batch, image)
    result = result + random.uniform(0, CLOUDS) * _clouds(features, random)
    grain = random.standard_normal(features.shape, dtype=np.float32)
    return result + random.uniform(0, GRAIN) * torch.from_numpy(grain).to(features)


def _drift(
    maps: Float[Tensor, "images channels side side"], batch: Batch, image: int, other: int
) -> Float[Tensor, "1 channels side side"]:
    """What would take every object of an image, and the background, to its mean feature in the other image."""
    shares, here, there = common_means(maps, batch, image, other)
    return torch.einsum("orc,ok->krc", shares, there - here)[None]


def _merging(
    maps: Float[Tensor, "images channels side side"], batch: Batch, image: int
) -> Float[Tensor, "1 channels side side"]:
    """What would take every object to the middle between its mean feature and the nearest one of another object."""
    shares, means, _ = common_means(maps, batch, image, image)
    objects = torch.from_numpy(np.unique(batch.ids[image]) > 0).to(maps.device)  # the background stays as it is
    shares, means = shares[objects], means[objects]
    if len(means) < 2:
        return torch.zeros_like(maps[image : image + 1])
    distances = torch.cdist(means, means) + torch.diag(torch.full((len(means),), torch.inf)).to(means)
    halfway = (means[distances.argmin(dim=1)] - means) / 2
    return torch.einsum("orc,ok->krc", shares, halfway)[None]


def _clouds(
    features: Float[Tensor, "1 channels side side"], random: np.random.Generator
) -> Float[Tensor, "1 channels side side"]:
    """Smooth fields of chance, each with the feature of some cell, less the mean."""
    cells = random.integers(0, SIDE * SIDE, size=CLOUD_COUNT)
    flat = features[0].flatten(1)
    found = cast(Tensor, flat[:, torch.from_numpy(cells)]) - flat.mean(dim=1, keepdim=True)
    coarse = random.standard_normal((1, CLOUD_COUNT, CLOUD_SIDE, CLOUD_SIDE), dtype=np.float32)
    fields = F.interpolate(torch.from_numpy(coarse).to(features), (SIDE, SIDE), mode="bilinear")
    return torch.einsum("ck,krs->crs", found, fields[0])[None]
