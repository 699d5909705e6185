"""What the tiny SAM is told of its maps and its answers."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from samnerf.preprocessing.tiny_teachers.sam_augmentation import Batch
from samnerf.teachers.tiny_sam import INPUT_SIDE

CONTRASTED = 160
"""Places in each image that the contrastive loss compares."""
CONTRAST_TEMPERATURE = 0.1


@dataclass(frozen=True)
class Decoded:
    """What the decoder says of several objects of one image: first the single mask, then the three candidates."""

    logits: Float[Tensor, "objects 4 rows columns"]
    scores: Float[Tensor, "objects 4"]
    cells: Float[Tensor, "objects 1 cell_rows cell_columns"]
    """Logits of the object that a linear probe reads off the image's cells after they have met the tokens."""


def answer_loss(answer: Decoded, targets: Float[Tensor, "objects 1 rows columns"], strictness: float) -> Tensor:
    """Single mask, best of three, a little of the other candidates, and the scores against the true IoU."""
    losses = strictness * mask_losses(answer.logits, targets)
    if strictness < 1:
        losses = losses + (1 - strictness) * balanced_losses(answer.logits, targets)
    candidates = losses[:, 1:]
    with torch.no_grad():
        found, true = answer.logits > 0, targets > 0.5
        union = (found | true).sum((2, 3)).clamp_min(1)
        ious = (found & true).sum((2, 3)) / union
    return (
        losses[:, 0].mean()
        + candidates.min(dim=1).values.mean()
        + 0.1 * candidates.mean()
        + F.mse_loss(answer.scores, ious)
    )


def mask_losses(
    logits: Float[Tensor, "objects masks rows columns"], targets: Float[Tensor, "objects 1 rows columns"]
) -> Float[Tensor, "objects masks"]:
    """Focal loss (Lin et al. 2017, arXiv:1708.02002; gamma 2) times 20, plus dice loss."""
    targets = targets.expand_as(logits)
    probabilities = torch.sigmoid(logits)
    entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    focal = ((probabilities - targets) ** 2 * entropy).mean((2, 3))
    return 20 * focal + dice_losses(probabilities, targets)


def balanced_losses(
    logits: Float[Tensor, "objects masks rows columns"], targets: Float[Tensor, "objects 1 rows columns"]
) -> Float[Tensor, "objects masks"]:
    """Cross entropy inside plus cross entropy outside, each a mean over its own pixels, plus dice loss."""
    targets = targets.expand_as(logits)
    entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    inside = (entropy * targets).sum((2, 3)) / targets.sum((2, 3)).clamp_min(1)
    outside = (entropy * (1 - targets)).sum((2, 3)) / (1 - targets).sum((2, 3)).clamp_min(1)
    return inside + outside + dice_losses(torch.sigmoid(logits), targets)


def dice_losses(
    probabilities: Float[Tensor, "objects masks rows columns"], targets: Float[Tensor, "objects masks rows columns"]
) -> Float[Tensor, "objects masks"]:
    """One minus twice the overlap over the sum of areas (Milletari et al. 2016, arXiv:1606.04797)."""
    overlap = (probabilities * targets).sum((2, 3))
    return 1 - (2 * overlap + 1) / (probabilities.sum((2, 3)) + targets.sum((2, 3)) + 1)


def instance_contrast(
    features: Float[Tensor, "images channels side side"], batch: Batch, random: np.random.Generator
) -> Tensor:
    """Supervised contrastive loss (Khosla et al. 2020, arXiv:2004.11362) between random places of a scene's images.

    Every instance, and the background, gives equally many places, so that small ones count. That places in two views
    are compared makes an instance look alike from everywhere, as it must for features that are distilled.
    """
    losses = []
    for scene in sorted(set(batch.scenes)):
        directions, labels = [], []
        for i in (i for i, other in enumerate(batch.scenes) if other == scene):
            rows, columns = batch.contents[i]
            instances = batch.ids[i][:rows, :columns]
            present = np.unique(instances)
            each = max(8, CONTRASTED // len(present))
            shown = [np.argwhere(instances == number) for number in present]
            places = [pixels[random.integers(0, len(pixels), each)] for pixels in shown]
            points = torch.from_numpy(np.concatenate(places)[:, ::-1] + 0.5).to(features)
            directions.append(F.normalize(features_at(features[i : i + 1], points), dim=1))
            labels.append(torch.from_numpy(np.repeat(present, each)).to(features.device))
        losses.append(_contrast(torch.cat(directions), torch.cat(labels)))
    return torch.stack(losses).mean()


def _contrast(directions: Float[Tensor, "places channels"], labels: Int64[Tensor, " places"]) -> Tensor:
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    likeness = (directions @ directions.T / CONTRAST_TEMPERATURE).masked_fill(itself, -1e9).log_softmax(dim=1)
    partners = (labels[:, None] == labels[None]) & ~itself
    return -((likeness * partners).sum(1) / partners.sum(1)).mean()


def view_drift(maps: Float[Tensor, "images channels side side"], batch: Batch) -> Tensor:
    """Mean square by which objects, and the background, differ in the mean between two views of a scene.

    A field can render but one feature for both, so what is between them is lost to whoever reads rendered maps. Zero
    where no two images show one scene.
    """
    pairs = [(i, j) for j, scene in enumerate(batch.scenes) for i in range(j) if batch.scenes[i] == scene]
    drifts = [maps.new_zeros(())]
    for i, j in pairs:
        _, here, there = common_means(maps, batch, i, j)
        drifts.append((here - there).square().mean())
    return torch.stack(drifts).sum() / max(1, len(pairs))


def common_means(
    maps: Float[Tensor, "images channels side side"], batch: Batch, image: int, other: int
) -> tuple[Float[Tensor, "objects side side"], Float[Tensor, "objects channels"], Float[Tensor, "objects channels"]]:
    """Of what two images show both: shares of the first one's cells, and mean features in the first and the other."""
    present = np.intersect1d(batch.ids[image], batch.ids[other])
    shares, means = [], []
    for i in (image, other):
        masks = torch.from_numpy(batch.ids[i][None] == present[:, None, None]).to(maps)
        share = F.adaptive_avg_pool2d(masks, maps.shape[-2:])
        shares.append(share)
        means.append(torch.einsum("orc,krc->ok", share, maps[i]) / share.sum((1, 2))[:, None].clamp_min(1e-6))
    return shares[0], means[0], means[1]


def features_at(
    features: Float[Tensor, "1 channels side side"], points: Float[Tensor, "points 2"]
) -> Float[Tensor, "points channels"]:
    """Features at points (x, y) of the input frame, in its pixels; bilinear."""
    where = points[None, :, None] / (INPUT_SIDE / 2) - 1
    return F.grid_sample(features, where, align_corners=False)[0, :, :, 0].T


def probe_loss(answer: Decoded, masks: Float[Tensor, "objects 1 height width"]) -> Tensor:
    """Balanced losses of what the probe reads off the cells."""
    return balanced_losses(answer.cells, F.adaptive_avg_pool2d(masks, answer.cells.shape[-2:])).mean()
