"""Training of the tiny SAM, in two stages.

1. *Pixels*: the image encoder, the decoder's upscaling and its hypernetworks learn masks as if the attention
   had already found the click: the feature under the click is handed straight to the mask tokens. A prompt
   costs one small matrix product, so each step sees many. The loss weighs inside and outside alike, or else
   the empty mask would be a comfortable answer.
2. *Prompts*: the whole network learns from clicks, boxes and refinement rounds as in Kirillov et al. 2023,
   section 3 and appendix A (arXiv:2304.02643): every prompt trains the single mask, and the best of the
   three candidates; predicted scores learn the true IoU. The losses lead over from those of the first stage,
   whose mask tokens are hints for those of the second.

In both, a contrastive loss tells the encoder which places belong to one instance (`instance_contrast`).
"""

import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from samnerf.preprocessing.synthetic.training_images import TrainingImages
from samnerf.preprocessing.tiny_teachers.sam_augmentation import Batch, drawn_batch
from samnerf.preprocessing.tiny_teachers.sam_prompts import (
    KIND_CHANCES,
    KINDS,
    PromptBatch,
    corrected,
    drawn_masks,
    drawn_prompts,
)
from samnerf.preprocessing.tiny_teachers.sam_validation import single_click_scores
from samnerf.preprocessing.tiny_teachers.training_runs import (
    AveragedWeights,
    Run,
    half_precision,
    learning_rate,
    write_weights,
)
from samnerf.teachers.tiny_sam import INPUT_SIDE, TinySam, token_to_image_attentions

CONTRASTED = 160
"""Places of an image that the contrastive loss compares."""
CONTRAST_TEMPERATURE = 0.1
CORRECTED_SHARE = 0.6
"""Of the second rounds that bring a correcting click; the others see only their first answer."""
WORN_NOISE = 0.4
"""Greatest deviation that wear adds to a map; a channel's own is 1."""


@dataclass(frozen=True)
class SamTraining:
    """How the tiny SAM is trained; equal settings give equal weights on one machine."""

    steps: int = 7000
    pixel_steps: int = 700
    seed: int = 0
    images: int = 4
    clicks_per_image: int = 8
    prompts_per_image: int = 6
    pixel_rate: float = 1e-3
    peak_rate: float = 7e-4
    refined_share: float = 0.4
    worn_share: float = 0.5
    """Of the images whose maps reach the decoder as if a field had rendered them."""
    contrast_weight: float = 0.3
    """Of the contrastive loss in stage 2; 1 in stage 1."""
    save_every: int = 50
    validate_every: int = 500


def train_sam(
    output: Path,
    pool: TrainingImages,
    validation: TrainingImages,
    settings: SamTraining,
    device: str = "cpu",
) -> Path:
    """Train, or resume, in the folder `output`; the averaged weights end up in `output/tiny_sam.safetensors`."""
    run = Run(output, asdict(settings) | {"pool_seed": pool.seed, "pool_count": pool.count})
    torch.manual_seed(settings.seed)
    network = TinySam()
    network.to(device)
    optimiser, average = _fresh(network)
    done = run.resume(network, optimiser, average)
    began, losses = time.monotonic(), []
    for step in range(done, settings.steps):
        random = np.random.default_rng((settings.seed, step))
        if step == settings.pixel_steps:
            read_alike(network)
            optimiser, average = _fresh(network)
        for group in optimiser.param_groups:
            group["lr"] = _rate(step, settings)
        batch = drawn_batch(pool, settings.images, random)
        if step < settings.pixel_steps:
            loss = pixel_loss(network, batch, settings.clicks_per_image, random)
        else:
            loss = prompt_loss(network, batch, settings, _strictness(step, settings), random)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        average.update(network)
        losses.append(loss.item())
        if (step + 1) % settings.save_every == 0 or step + 1 == settings.steps:
            validate = (step + 1) % settings.validate_every == 0 and step >= settings.pixel_steps
            scores = single_click_scores(average.state, validation) if validate else {}
            row = {"step": step + 1, "seconds": time.monotonic() - began, "loss": float(np.mean(losses))}
            row |= {key: scores.get(key, float("nan")) for key in ("single_mask_iou", "best_of_three_iou", "box_iou")}
            run.log(row)
            print("  ".join(f"{key} {value:.4g}" for key, value in row.items()), flush=True)
            run.save(network, optimiser, average, step + 1)
            losses = []
    weights = output / "tiny_sam.safetensors"
    write_weights(weights, average.state)
    run.plot("tiny SAM")
    return weights


@torch.no_grad()
def read_alike(network: TinySam) -> None:
    """Between the stages: what the final attention learned to read of the image, every layer reads."""
    *layers, final = token_to_image_attentions(network.mask_decoder)
    for attention in layers:
        attention.v_proj.load_state_dict(final.v_proj.state_dict())
        attention.out_proj.load_state_dict(final.out_proj.state_dict())


def pixel_loss(network: TinySam, batch: Batch, clicks: int, random: np.random.Generator) -> Tensor:
    """Stage 1: masks from the feature under the click, through upscaling and hypernetworks alone."""
    features = encoded(network, batch)
    decoder = network.mask_decoder
    upscaled = decoder.output_upscaling(features)
    total = features.new_zeros(())
    for i, (ids, content) in enumerate(zip(batch.ids, batch.contents, strict=True)):
        masks = drawn_masks(ids, content, clicks, random)
        prompts = drawn_prompts(masks, "click", random)
        assert prompts.points is not None
        under_click = features_at(features[i : i + 1], prompts.points[:, 0].to(features))
        tokens = tokens_of(network, under_click)
        weights = torch.stack([mlp(tokens[:, k]) for k, mlp in enumerate(decoder.output_hypernetworks_mlps)], dim=1)
        logits = torch.einsum("okc,chw->okhw", weights, upscaled[i])
        total = total + balanced_losses(logits, _targets(masks, logits)).mean()
    return total / len(batch.ids) + instance_contrast(features, batch, random)


def prompt_loss(
    network: TinySam, batch: Batch, settings: SamTraining, strictness: float, random: np.random.Generator
) -> Tensor:
    """Stage 2: the whole network on drawn prompts, some images with a second, corrected round.

    `strictness` leads from the balanced losses of stage 1 (0) to SAM's own (1).
    """
    features = encoded(network, batch)
    total = features.new_zeros(())
    rounds = 0
    for i, (ids, content) in enumerate(zip(batch.ids, batch.contents, strict=True)):
        image = features[i : i + 1]
        if random.random() < settings.worn_share:
            image = worn(image, random)
        masks = drawn_masks(ids, content, settings.prompts_per_image, random)
        kind = str(random.choice(KINDS, p=KIND_CHANCES))
        prompts = drawn_prompts(masks, kind, random)
        previous = None
        for _ in range(1 + int(random.random() < settings.refined_share)):
            if previous is not None and random.random() < CORRECTED_SHARE:
                answers = F.interpolate(previous, masks.shape[1:], mode="bilinear")[:, 0].cpu().numpy() > 0
                prompts = corrected(prompts, masks, answers, random)
            answer = decoded(network, image, prompts, previous)
            targets = _targets(masks, answer.logits)
            hint = hint_loss(network, image, answer.tokens, targets)
            total = total + answer_loss(answer, targets, strictness) + (1 - 0.9 * strictness) * hint
            previous, rounds = answer.logits[:, :1].detach(), rounds + 1
    return total / rounds + settings.contrast_weight * instance_contrast(features, batch, random)


def encoded(network: TinySam, batch: Batch) -> Float[Tensor, "images channels side side"]:
    """The batch's maps."""
    with half_precision(_device(network)):
        return network.image_encoder(batch.pixels.to(_device(network))).float()


def worn(
    features: Float[Tensor, "1 channels side side"], random: np.random.Generator
) -> Float[Tensor, "1 channels side side"]:
    """The map as a field might render it: softer, and wrong by a little, here and there over wider places."""
    softness = float(random.uniform(0, 0.5))
    softer = F.avg_pool2d(F.pad(features, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    fine, wide = random.uniform(0, WORN_NOISE, size=2)
    _, channels, side, _ = features.shape
    grain = torch.from_numpy(random.standard_normal(features.shape, dtype=np.float32)).to(features)
    patches = random.standard_normal((1, channels, side // 4, side // 4), dtype=np.float32)
    clouds = F.interpolate(torch.from_numpy(patches).to(features), (side, side), mode="bilinear")
    return torch.lerp(features, softer, softness) + fine * grain + wide * clouds


@dataclass(frozen=True)
class Decoded:
    """What the decoder says of several objects of one image: first the single mask, then the three candidates."""

    logits: Float[Tensor, "objects 4 rows columns"]
    scores: Float[Tensor, "objects 4"]
    tokens: Float[Tensor, "objects 4 channels"]
    """The mask tokens that the hypernetworks read."""


def decoded(
    network: TinySam,
    features: Float[Tensor, "1 channels side side"],
    prompts: PromptBatch,
    previous: Float[Tensor, "objects 1 rows columns"] | None,
) -> Decoded:
    """Run the prompt encoder and the mask decoder."""
    points = prompts.as_points
    if points is not None:
        points = (points[0].to(features), points[1].to(features))
    boxes = None if prompts.boxes is None else prompts.boxes.to(features)
    sparse, dense = network.prompt_encoder(points=points, boxes=boxes, masks=previous)
    seen: list[Tensor] = []
    hook = network.mask_decoder.transformer.register_forward_hook(lambda _, __, output: seen.append(output[0]))
    with half_precision(_device(network)):
        logits, scores = network.mask_decoder.predict_masks(
            image_embeddings=features,
            image_pe=network.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
        )
    hook.remove()
    return Decoded(logits.float(), scores.float(), seen[0][:, 1:5].float())


def hint_loss(
    network: TinySam,
    features: Float[Tensor, "1 channels side side"],
    tokens: Float[Tensor, "objects 4 channels"],
    targets: Float[Tensor, "objects 1 rows columns"],
) -> Tensor:
    """How far the mask tokens are from what stage 1 would have handed over: the mean feature of the object."""
    with torch.no_grad():
        shares = F.adaptive_avg_pool2d(targets, features.shape[-2:])[:, 0]
        means = torch.einsum("ohw,chw->oc", shares, features[0]) / shares.sum((1, 2))[:, None].clamp_min(1e-6)
        wanted = tokens_of(network, means)
    return F.mse_loss(tokens, wanted)


def tokens_of(network: TinySam, read: Float[Tensor, "objects channels"]) -> Float[Tensor, "objects 4 channels"]:
    """Mask tokens that have read this of the image and nothing else."""
    transformer = network.mask_decoder.transformer
    reader = transformer.final_attn_token_to_image
    tokens = reader.out_proj(reader.v_proj(read))[:, None] + network.mask_decoder.mask_tokens.weight
    return transformer.norm_final_attn(tokens)


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
    """Supervised contrastive loss (Khosla et al. 2020, arXiv:2004.11362) between random places of one image.

    Every instance, and the background, gives equally many places, so that small ones count.
    """
    total = features.new_zeros(())
    for i, (ids, (rows, columns)) in enumerate(zip(batch.ids, batch.contents, strict=True)):
        instances = ids[:rows, :columns]
        present = np.unique(instances)
        each = max(8, CONTRASTED // len(present))
        shown = [np.argwhere(instances == number) for number in present]
        places = [pixels[random.integers(0, len(pixels), each)] for pixels in shown]
        points = torch.from_numpy(np.concatenate(places)[:, ::-1] + 0.5).to(features)
        labels = torch.arange(len(present), device=features.device).repeat_interleave(each)
        directions = F.normalize(features_at(features[i : i + 1], points), dim=1)
        itself = torch.eye(len(labels), dtype=torch.bool, device=features.device)
        likeness = (directions @ directions.T / CONTRAST_TEMPERATURE).masked_fill(itself, -1e9).log_softmax(dim=1)
        partners = (labels[:, None] == labels[None]) & ~itself
        total = total - ((likeness * partners).sum(1) / partners.sum(1)).mean()
    return total / len(batch.ids)


def features_at(
    features: Float[Tensor, "1 channels side side"], points: Float[Tensor, "points 2"]
) -> Float[Tensor, "points channels"]:
    """Features at points (x, y) of the input frame, in its pixels; bilinear."""
    where = points[None, :, None] / (INPUT_SIDE / 2) - 1
    return F.grid_sample(features, where, align_corners=False)[0, :, :, 0].T


def _targets(masks: np.ndarray, logits: Tensor) -> Float[Tensor, "objects 1 rows columns"]:
    full = torch.from_numpy(masks)[:, None].to(logits)
    return F.adaptive_avg_pool2d(full, logits.shape[-2:])


def _strictness(step: int, settings: SamTraining) -> float:
    """0 in the first fifth of stage 2, 1 in its second half."""
    progress = (step - settings.pixel_steps) / max(1, settings.steps - settings.pixel_steps)
    return min(1.0, max(0.0, (progress - 0.2) / 0.3))


def _fresh(network: TinySam) -> tuple[torch.optim.Optimizer, AveragedWeights]:
    return torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.01), AveragedWeights(network)


def _rate(step: int, settings: SamTraining) -> float:
    if step < settings.pixel_steps:
        return min(1.0, (step + 1) / 30) * settings.pixel_rate
    return learning_rate(step - settings.pixel_steps, settings.steps - settings.pixel_steps, settings.peak_rate, 50)


def _device(network: TinySam) -> torch.device:
    return next(network.parameters()).device
