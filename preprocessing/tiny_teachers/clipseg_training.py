"""Training of the tiny CLIPSeg in three stages; its backbone goes on from the tiny SAM's, the rest from scratch.

1. *Attributes*: the image half learns to say, by linear heads on its deepest level, which colours, materials and
   shapes a cell shows; the text half learns to pick fitting cells by scaling and shifting that level. Such answers
   in every cell teach shapes and words far faster than the masks of the whole decoder do.
2. *Words*: the decoder joins, for several phrases of each encoded window; the heads stay as a helper.
3. *Whole images*: the same, no longer on windows of a quarter of the grid.

Rendered maps have no class token and are a little wrong, so the decoder learns with the mean cell in the class
token's place half of the time, and with noise on what it reads.
"""

import math
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from samnerf.preprocessing.synthetic.training_images import TrainingImages
from samnerf.preprocessing.tiny_teachers.clipseg_batches import Questions, Windows, drawn_questions, drawn_windows
from samnerf.preprocessing.tiny_teachers.clipseg_phrases import ATTRIBUTES, known_codes
from samnerf.preprocessing.tiny_teachers.clipseg_validation import phrase_scores
from samnerf.preprocessing.tiny_teachers.matrix_optimiser import MatrixOptimiser
from samnerf.preprocessing.tiny_teachers.training_runs import AveragedWeights, Run, half_precision, write_weights
from samnerf.teachers.clipseg import ClipSegEncoder, ClipSegTextDecoder
from samnerf.teachers.tiny_clipseg import NAME, PATCH, REDUCED, SIDE, packed, tiny_clipseg_config, tiny_clipseg_encoder
from samnerf.teachers.weights_files import fill, read_safetensors, weights_hash

WINDOW_SIDE = 16
POSITION_AMPLITUDE = 0.25
LOCALITY = 1.2
"""Gain of the shared query and key projections at birth; attention then starts at like places and like looks."""
BACKGROUND_WEIGHT = 0.15
ATTRIBUTE_WEIGHTS = {"colour": 0.2, "material": 0.2, "shape": 0.6}
"""Of the three answers; shapes are by far the hardest."""
LOSSES = (*ATTRIBUTES, "match", "phrase")


@dataclass(frozen=True)
class ClipSegTraining:
    """How the tiny CLIPSeg is trained; equal settings give equal weights on one machine."""

    steps: int = 4500
    attribute_share: float = 2 / 3
    whole_share: float = 0.03
    seed: int = 0
    windows: int = 8
    whole_images: int = 2
    phrases: int = 6
    matches: int = 10
    """Phrases for each window that only the auxiliary matching loss asks."""
    matrix_rate: float = 0.005
    """Of all matrices; greater ones forget what the backbone knows."""
    other_rate: float = 1.5e-3
    noise: float = 0.25
    encoder_share: float = 0.1
    """Of the decoder's gradient that reaches the image half; whole, a fresh decoder would undo what stage 1 taught."""
    save_every: int = 100
    validate_every: int = 500

    def rate(self, step: int) -> float:
        """Share of the peak rates: a short warm-up, level, and a straight line to zero."""
        left = 1 - step / self.steps
        return min(1.0, (step + 1) / 30, left / 0.62)

    def stage(self, step: int) -> int:
        """1, 2 or 3, for the step counted from 0."""
        if step < self.attribute_share * self.steps:
            return 1
        return 2 if step < (1 - self.whole_share) * self.steps else 3


class TinyClipSegTraining(nn.Module):
    """Both halves, and the heads that are thrown away afterwards."""

    def __init__(self, backbone: Path) -> None:
        """Random weights but for the backbone's, which are taken from a tiny SAM's file.

        Raises:
            SamNerfError: if `backbone` is missing or of something else.
        """
        super().__init__()
        config = tiny_clipseg_config()
        self.encoder = tiny_clipseg_encoder()
        self.decoder = ClipSegTextDecoder(config, NAME)
        self.heads = nn.ModuleDict({name: nn.Linear(REDUCED, len(words) + 1) for name, words in ATTRIBUTES.items()})
        self.match_head = nn.Linear(REDUCED, 1)
        self._begin()
        embedding: Any = self.encoder.vision_model.embeddings.patch_embedding
        fill(embedding.backbone, read_safetensors(backbone, "image_encoder."), backbone)
        self.train()

    def tokens(self, windows: Windows) -> Float[Tensor, "windows tokens channels"]:
        """Reduced activations of windows, class token first."""
        embeddings = self.encoder.vision_model.embeddings
        device = embeddings.class_embedding.device
        positions = embeddings.position_embedding(windows.positions.to(device) + 1)
        token = embeddings.class_embedding + embeddings.position_embedding.weight[0]
        with half_precision(device):
            patches = embeddings.patch_embedding(windows.pixels.to(device)).flatten(2).transpose(1, 2)
            tokens = torch.cat([token.expand(len(patches), 1, -1), patches + positions], dim=1)
            return self.encoder.reduced_activations(tokens).float()

    def attribute_losses(self, tokens: Float[Tensor, "windows tokens channels"], windows: Windows) -> dict[str, Tensor]:
        """Cross entropy of each cell's shares of colours, materials and shapes."""
        deepest = tokens[:, 1:, :REDUCED]
        losses = {}
        for attribute, head in self.heads.items():
            shares = windows.attribute_shares(attribute).flatten(2).transpose(1, 2).to(deepest)
            entropy = -(shares * F.log_softmax(head(deepest), dim=-1)).sum(dim=-1)
            weights = 1 - (1 - BACKGROUND_WEIGHT) * shares[..., 0]
            losses[attribute] = (entropy * weights).sum() / weights.sum()
        return losses

    def match_loss(self, tokens: Float[Tensor, "windows tokens channels"], questions: Questions) -> Tensor:
        """Cross entropy of cells that fit a phrase, read linearly where the decoder lets the phrase in.

        The phrase scales and shifts the deepest level (FiLM, Perez et al. 2018, arXiv:1709.07871); that the
        outcome already tells fitting cells apart costs no attention, so each step asks many phrases.
        """
        decoder = self.decoder.decoder
        distinct, which = np.unique(questions.phrases, return_inverse=True)
        embeddings = self.decoder.embed(distinct.tolist())[torch.from_numpy(which).to(tokens.device)]
        cells = tokens[questions.windows.to(tokens.device), 1:, :REDUCED]
        conditioned = decoder.film_mul(embeddings)[:, None] * cells + decoder.film_add(embeddings)[:, None]
        logits = self.match_head(conditioned)[..., 0]
        return F.binary_cross_entropy_with_logits(logits, questions.masks.flatten(1).to(logits))

    def phrase_loss(
        self,
        tokens: Float[Tensor, "windows tokens channels"],
        questions: Questions,
        noise: float,
        generator: torch.Generator,
    ) -> Tensor:
        """Cross entropy and dice loss (Milletari et al. 2016, arXiv:1606.04797) of the answers."""
        read = _as_rendered(tokens, noise, generator)
        embeddings = self.decoder.embed(questions.phrases)
        logits = self.decoder(read[questions.windows.to(tokens.device)], embeddings)
        masks = questions.masks.to(logits)
        entropy = F.binary_cross_entropy_with_logits(logits, masks)
        probabilities = torch.sigmoid(logits)
        overlap = (probabilities * masks).sum(dim=(1, 2))
        dice = 1 - (2 * overlap + 1) / (probabilities.sum(dim=(1, 2)) + masks.sum(dim=(1, 2)) + 1)
        asked = masks.sum(dim=(1, 2)) > 0  # where nothing fits, dice would only say: answer nothing, to whatever phrase
        return 4 * entropy + (dice * asked).sum() / asked.sum().clamp_min(1)

    def _begin(self) -> None:
        """Weights that know where things are before anything is learned, and only words that will be taught."""
        embeddings = self.encoder.vision_model.embeddings
        with torch.no_grad():
            embeddings.position_embedding.weight[1:] = POSITION_AMPLITUDE * plane_waves(
                SIDE, embeddings.position_embedding.weight.shape[1]
            )
            for layer in self.encoder.vision_model.encoder.layers:
                attention: Any = layer.self_attn
                nn.init.normal_(attention.q_proj.weight, std=LOCALITY * attention.embed_dim**-0.5)
                attention.k_proj.weight.copy_(attention.q_proj.weight)
            # transformers draws the decoder's weights with a spread of 1, from which nothing is learned.
            decoder: Any = self.decoder.decoder
            for module in decoder.modules():
                if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
                    module.reset_parameters()
            nn.init.ones_(decoder.film_mul.bias)
            nn.init.constant_(decoder.transposed_convolution[-1].bias, -3.0)
            words = self.decoder.text_model.embeddings.token_embedding.weight
            taught = torch.zeros(len(words), 1)
            taught[known_codes()] = 1
            words.normal_(std=0.3).mul_(taught)
        words.register_hook(lambda gradient: gradient * taught.to(gradient))


def train_clipseg(
    output: Path,
    pool: TrainingImages,
    validation: TrainingImages,
    settings: ClipSegTraining,
    backbone: Path,
    device: str = "cpu",
) -> Path:
    """Train, or resume, in the folder `output`; the averaged weights end up in `output/tiny_clipseg.safetensors`.

    Args:
        output: folder of the run.
        pool: images to learn from.
        validation: images to measure on.
        settings: of the training.
        backbone: weights of the tiny SAM whose backbone is taken over.
        device: where to train.

    Raises:
        SamNerfError: if the folder holds another run, or `backbone` no tiny SAM.
    """
    start = {"pool_seed": pool.seed, "pool_count": pool.count, "backbone": weights_hash(backbone)}
    run = Run(output, asdict(settings) | start)
    torch.manual_seed(settings.seed)
    network = TinyClipSegTraining(backbone)
    network.to(device)
    optimiser = fresh_optimiser(network, settings)
    average = AveragedWeights(network)
    done = run.resume(network, optimiser, average)
    weights = output / "tiny_clipseg.safetensors"
    began, losses = time.monotonic(), []
    for step in range(done, settings.steps):
        optimiser.set_scale(settings.rate(step))
        optimiser.zero_grad(set_to_none=True)
        loss, parts = step_loss(network, pool, settings, step)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        average.update(network)
        losses.append(parts)
        last = step + 1 == settings.steps
        if (step + 1) % settings.save_every == 0 or last:
            row: dict[str, float] = {"step": float(step + 1), "seconds": time.monotonic() - began}
            row |= {f"{key}_loss": _mean(parts[key] for parts in losses if key in parts) for key in LOSSES}
            validated = settings.stage(step) > 1 and ((step + 1) % settings.validate_every == 0 or last)
            encoder, decoder = averaged_halves(average)
            scores = phrase_scores(encoder, decoder, validation) if validated else {}
            row |= {key: scores.get(key, math.nan) for key in ("localisation", "mean_iou", "false_alarms")}
            run.log(row)
            print("  ".join(f"{key} {value:.4g}" for key, value in row.items()), flush=True)
            run.save(network, optimiser, average, step + 1)
            write_weights(weights, packed(encoder, decoder))
            losses = []
    run.plot("tiny CLIPSeg")
    return weights


def step_loss(
    network: TinyClipSegTraining, pool: TrainingImages, settings: ClipSegTraining, step: int
) -> tuple[Tensor, dict[str, float]]:
    """The loss of one step, and its parts; everything random comes from the seed and the step."""
    random = np.random.default_rng((settings.seed, step))
    stage = settings.stage(step)
    if stage == 3:
        windows = drawn_windows(pool, settings.whole_images, SIDE, random)
    else:
        windows = drawn_windows(pool, settings.windows, WINDOW_SIDE, random)
    tokens = network.tokens(windows)
    losses = network.attribute_losses(tokens, windows)
    attributes = torch.stack([ATTRIBUTE_WEIGHTS[name] * loss for name, loss in losses.items()]).sum()
    parts = {attribute: loss.item() for attribute, loss in losses.items()}
    questions = drawn_questions(windows, settings.matches, random, stride=PATCH)
    match = network.match_loss(tokens, questions)
    total, parts = 2 * attributes + 4 * match, parts | {"match": match.item()}
    if stage > 1:
        questions = drawn_questions(windows, settings.phrases, random)
        generator = torch.Generator().manual_seed(int(random.integers(2**62)))
        read = torch.lerp(tokens.detach(), tokens, settings.encoder_share)
        phrase = network.phrase_loss(read, questions, settings.noise, generator)
        total, parts = phrase + total, parts | {"phrase": phrase.item()}
    return total, parts


def averaged_halves(average: AveragedWeights) -> tuple[ClipSegEncoder, ClipSegTextDecoder]:
    """Both halves with the averaged weights, on the CPU, for use."""
    encoder, decoder = tiny_clipseg_encoder(), ClipSegTextDecoder(tiny_clipseg_config(), NAME)
    for half, prefix in ((encoder, "encoder."), (decoder, "decoder.")):
        half.load_state_dict(
            {key.removeprefix(prefix): value for key, value in average.state.items() if key.startswith(prefix)}
        )
    return encoder, decoder


def plane_waves(side: int, width: int) -> Float[Tensor, "cells width"]:
    """Sines and cosines over rows and columns, wavelengths of 4 to 4 x `side` cells: nearby cells are alike."""
    frequencies = 2 * math.pi / torch.logspace(math.log10(4), math.log10(4 * side), width // 4)
    phases = torch.arange(side)[:, None] * frequencies
    waves = torch.cat([phases.sin(), phases.cos()], dim=1)
    rows = waves[:, None].expand(side, side, -1)
    columns = waves[None].expand(side, side, -1)
    return torch.cat([rows, columns], dim=-1).reshape(side * side, width)


def _as_rendered(
    tokens: Float[Tensor, "windows tokens channels"], noise: float, generator: torch.Generator
) -> Float[Tensor, "windows tokens channels"]:
    """Noise of up to `noise` of each channel's spread, and often the mean cell in place of the class token."""
    count = len(tokens)
    cells = tokens[:, 1:]
    stands_in = (torch.rand(count, 1, 1, generator=generator) < 0.5).to(tokens.device)
    summary = torch.where(stands_in, cells.mean(dim=1, keepdim=True), tokens[:, :1])
    strength = noise * torch.rand(count, 1, 1, generator=generator).to(tokens.device)
    spread = cells.detach().std(dim=(0, 1), keepdim=True)
    disturbance = torch.randn(cells.shape, generator=generator).to(tokens.device)
    return torch.cat([summary, cells + strength * spread * disturbance], dim=1)


def fresh_optimiser(network: TinyClipSegTraining, settings: ClipSegTraining) -> MatrixOptimiser:
    """Orthogonal steps for the matrices of both halves, Adam for the embeddings of words and places, heads, norms."""
    apart = ("token_embedding", "position_embedding", "head", "transposed_convolution")
    matrices = {
        name: weight
        for name, weight in network.named_parameters()
        if weight.ndim in (2, 4) and not any(word in name for word in apart)
    }
    others = [weight for name, weight in network.named_parameters() if name not in matrices]
    return MatrixOptimiser(list(matrices.values()), others, settings.matrix_rate, settings.other_rate)


def _mean(values: Iterable[float]) -> float:
    seen = list(values)
    return sum(seen) / len(seen) if seen else math.nan
