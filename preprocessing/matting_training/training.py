"""Training of a matting adapter: L1 between alpha and the sigmoid of the logits at the size of the image.

The decoder is prompted for the pixels whose alpha is above one half, its answer goes to the same decoder with the
adapter on, as `samnerf.matting.matter.Matter` does it, and only the adapter learns.
"""

import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from samnerf.errors import SamNerfError
from samnerf.feature_map import FeatureMap
from samnerf.matting.adapter_files import adapter_of, write_adapter
from samnerf.matting.lora import Ranks, adapter_parameters, mask_network, with_adapter
from samnerf.preprocessing.matting_training.examples import Examples, prompts_for
from samnerf.preprocessing.tiny_teachers.sam_prompts import KIND_CHANCES, KINDS
from samnerf.preprocessing.tiny_teachers.training_runs import AveragedWeights, Run
from samnerf.teachers.contracts import Encoder
from samnerf.teachers.prompted_decoder import PromptedDecoder

RATES = {"tiny-sam": 5e-3}
"""Learning rates of teachers that need another than `RATE`: of 1e-3, 5e-3 and 2e-2 this came furthest in 60 steps."""
RATE = 1e-5
AVERAGE_DECAY = 0.98


@dataclass(frozen=True)
class MattingTraining:
    """How an adapter is trained; equal settings give equal adapters on one machine."""

    rate: float
    """Peak learning rate of AdamW, after a warm-up; from there it falls to zero along a straight line."""
    steps: int = 500
    seed: int = 0
    images: int = 2
    """Of a step."""
    objects: int = 3
    """Of an image, at most."""
    hypernetwork_rank: int = 32
    attention_rank: int = 8
    weight_decay: float = 0.01
    warm_up: int = 30
    save_every: int = 50

    def __post_init__(self) -> None:
        for name in ("steps", "images", "objects", "warm_up", "save_every"):
            if getattr(self, name) < 1:
                raise SamNerfError(f"{name.replace('_', ' ')} is {getattr(self, name)} but must be at least 1")
        if not self.rate > 0:
            raise SamNerfError(f"the learning rate is {self.rate:g} but must be positive")

    def rate_at(self, step: int) -> float:
        """Of a step counted from 0."""
        return self.rate * min((step + 1) / self.warm_up, (self.steps - step) / self.steps, 1.0)


def usual_rate(teacher: str) -> float:
    """The learning rate of a teacher, where none is asked for."""
    return RATES.get(teacher, RATE)


def train_adapter(
    output: Path, encoder: Encoder, decoder: PromptedDecoder, examples: Examples, settings: MattingTraining
) -> Path:
    """Train, or resume, in the folder `output`; the averaged adapter ends up in `output/<teacher>-matting.safetensors`.

    Args:
        output: of the run; also `log.csv` and its plot `log.png`.
        encoder: of the teacher.
        decoder: of the same, without adapter; it is left as it is.
        examples: what is learnt from.
        settings: how.

    Raises:
        SamNerfError: if the decoder takes no adapter, or the folder holds another run.
    """
    about = {"teacher": decoder.teacher, "weights": encoder.weights_hash, "examples": examples.description}
    run = Run(output, asdict(settings) | about)
    ranks = Ranks(settings.hypernetwork_rank, settings.attention_rank)
    learner = with_adapter(decoder, ranks, settings.seed)
    network = mask_network(learner)
    learning = list(adapter_parameters(learner).values())
    optimiser = torch.optim.AdamW(learning, settings.rate, weight_decay=settings.weight_decay)
    average = AveragedWeights(network, AVERAGE_DECAY)
    path = output / f"{decoder.teacher}-matting.safetensors"
    began, losses = time.monotonic(), []
    for step in range(run.resume(network, optimiser, average), settings.steps):
        random = np.random.default_rng((settings.seed, step))
        for group in optimiser.param_groups:
            group["lr"] = settings.rate_at(step)
        optimiser.zero_grad(set_to_none=True)
        losses.append(accumulated_loss(encoder, decoder, learner, examples, settings, random))
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        optimiser.step()
        average.update(network)
        if (step + 1) % settings.save_every == 0 or step + 1 == settings.steps:
            row = {"step": step + 1, "seconds": time.monotonic() - began, "loss": float(np.mean(losses))}
            run.log(row)
            print("  ".join(f"{key} {value:.4g}" for key, value in row.items()), flush=True)
            run.save(network, optimiser, average, step + 1)
            losses = []
    averaged = with_adapter(decoder, ranks)
    mask_network(averaged).load_state_dict(average.state)
    write_adapter(path, adapter_of(averaged, encoder.weights_hash, ranks))
    run.plot(f"matting adapter of {decoder.teacher}")
    return path


def accumulated_loss(
    encoder: Encoder,
    decoder: PromptedDecoder,
    learner: PromptedDecoder,
    examples: Examples,
    settings: MattingTraining,
    random: np.random.Generator,
) -> float:
    """The mean loss of a step, whose gradients are left with the learner."""
    total = 0.0
    for _ in range(settings.images):
        example = examples.drawn(random)
        feature_map = encoder.encode(example.rgb)
        chosen = random.permutation(len(example.alphas))[: settings.objects]
        for index in chosen:
            kind = str(random.choice(KINDS, p=KIND_CHANCES))
            loss = alpha_loss(decoder, learner, feature_map, example.alphas[index], kind, random)
            share = 1 / (settings.images * len(chosen))
            (loss * share).backward()
            total += loss.item() * share
    return total


def alpha_loss(
    decoder: PromptedDecoder,
    learner: PromptedDecoder,
    feature_map: FeatureMap,
    alpha: np.ndarray,
    kind: str,
    random: np.random.Generator,
) -> Float[Tensor, ""]:
    """Mean absolute difference of alpha and what the learner makes of a prompt of a kind."""
    prompts = prompts_for(alpha, kind, random)
    first = decoder.decode(feature_map, prompts).low_resolution_logits
    logits = learner.predict(feature_map, prompts, previous=first).logits[0]
    return (torch.sigmoid(logits) - torch.from_numpy(alpha).to(logits)).abs().mean()
