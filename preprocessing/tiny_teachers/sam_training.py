"""Training of the tiny SAM, in four stages.

1. *Contrast*: the image encoder alone learns which places belong to one instance (`instance_contrast`).
2. *Decoder*: born for these maps (`initialise_decoder`), prompt encoder and mask decoder learn masks from clicks
   and boxes, while the image encoder rests.
3. *All*: everything learns together, from clicks, boxes and refinement rounds as in Kirillov et al. 2023, section 3
   and appendix A (arXiv:2304.02643): every prompt trains the single mask, and the best of the three candidates;
   predicted scores learn the true IoU. The contrast goes on beside it, and two views of a scene learn to agree.
4. *Decoder again*: the image encoder, which agrees with itself by now, rests, and the rates rise once more.

The losses lead over from balanced ones, in which the empty mask is no comfortable answer, to SAM's own. A linear
probe, thrown away afterwards, tells early layers what the cells should know. Most prompts see a window of the map of a
quarter of its cells, which costs a quarter of the time; some see the whole.
"""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from samnerf.errors import SamNerfError
from samnerf.preprocessing.synthetic.training_images import TrainingImages
from samnerf.preprocessing.tiny_teachers.matrix_optimiser import MatrixOptimiser
from samnerf.preprocessing.tiny_teachers.sam_augmentation import Batch, drawn_batch
from samnerf.preprocessing.tiny_teachers.sam_initialisation import initialise_decoder, standardise_maps
from samnerf.preprocessing.tiny_teachers.sam_losses import (
    Decoded,
    answer_loss,
    instance_contrast,
    probe_loss,
    view_drift,
)
from samnerf.preprocessing.tiny_teachers.sam_prompts import (
    KIND_CHANCES,
    KINDS,
    PromptBatch,
    Window,
    corrected,
    drawn_masks,
    drawn_prompts,
    drawn_window,
)
from samnerf.preprocessing.tiny_teachers.sam_validation import single_click_scores
from samnerf.preprocessing.tiny_teachers.sam_wear import worn
from samnerf.preprocessing.tiny_teachers.training_runs import AveragedWeights, Run, half_precision, write_weights
from samnerf.teachers.tiny_sam import CHANNELS, TinySam

AVERAGE_DECAY = 0.995
FITTED_IMAGES = 64
"""To whose maps the decoder is fitted at birth."""
CORRECTED_SHARE = 0.6
"""Of the second rounds that bring a correcting click; the others see only their first answer."""


@dataclass(frozen=True)
class SamTraining:
    """How the tiny SAM is trained; equal settings give equal weights on one machine."""

    steps: int = 11000
    contrast_steps: int = 1500
    decoder_steps: int = 500
    last_steps: int = 1500
    """Of stage 4."""
    seed: int = 0
    images: int = 4
    extra_images: int = 4
    """That only contrast and drift see, in stage 3."""
    prompts_per_image: int = 6
    contrast_rate: float = 0.02
    """Of the encoder's matrices in stage 1; `matrix_rate` is that of all matrices afterwards."""
    matrix_rate: float = 0.004
    other_rate: float = 1.5e-3
    refined_share: float = 0.4
    worn_share: float = 0.5
    """Of the images whose maps reach the decoder as if a field had rendered them."""
    whole_share: float = 0.15
    """Of the images whose prompts see the whole map, before the last fifth of stages 1 to 3."""
    late_whole_share: float = 0.6
    """The same afterwards: only there are boxes of large objects seen whole."""
    contrast_weight: float = 2.0
    """Of the contrastive loss in stage 3."""
    drift_weight: float = 2.0
    """Of what views of a scene disagree in, in stage 3."""
    save_every: int = 50
    validate_every: int = 500

    def __post_init__(self) -> None:
        others = self.contrast_steps + self.decoder_steps + self.last_steps
        if self.steps <= others:
            raise SamNerfError(f"the tiny SAM is to be trained for {self.steps} steps but needs more than {others}")

    @property
    def _encoder_done(self) -> int:
        """The step with which stage 4 begins."""
        return self.steps - self.last_steps

    def stage(self, step: int) -> Literal[1, 2, 3, 4]:
        """Of a step counted from 0."""
        if step < self.contrast_steps:
            return 1
        if step < self.contrast_steps + self.decoder_steps:
            return 2
        return 3 if step < self._encoder_done else 4

    def rate(self, step: int) -> float:
        """Share of the peak rates: a short warm-up whenever the optimiser is new, and a straight line to zero.

        Stage 4 rises to one half and has a line of its own.
        """
        if self.stage(step) == 4:
            return 0.5 * min(1.0, (step - self._encoder_done + 1) / 30, (self.steps - step) / self.last_steps)
        since = step if step < self.contrast_steps else step - self.contrast_steps
        return min(1.0, (since + 1) / 30, (1 - step / self._encoder_done) / 0.6)

    def strictness(self, step: int) -> float:
        """0 in stage 2, rising to 1 in the first half of stage 3."""
        begin = self.contrast_steps + self.decoder_steps
        return min(1.0, max(0.0, 2 * (step - begin) / max(1, self._encoder_done - begin)))

    def seen_whole(self, step: int) -> float:
        """Share of the images whose prompts see the whole map."""
        return self.whole_share if step < 0.8 * self._encoder_done else self.late_whole_share


class SamInTraining(TinySam):
    """The tiny SAM, and a probe that is thrown away afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.probe = nn.Linear(CHANNELS, 1)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.probe.weight.device


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
    network = SamInTraining()
    network.to(device)
    optimiser = fresh_optimiser(network, settings.contrast_rate, settings.other_rate)
    average = AveragedWeights(network, AVERAGE_DECAY)
    done = run.resume(network, optimiser, average)
    weights = output / "tiny_sam.safetensors"
    began, losses = time.monotonic(), []
    for step in range(done, settings.steps):
        random = np.random.default_rng((settings.seed, step))
        if step == settings.contrast_steps:
            network.load_state_dict(average.state)
            give_birth_to_decoder(network, pool, settings.seed)
            optimiser = fresh_optimiser(network, settings.matrix_rate, settings.other_rate)
            average = AveragedWeights(network, AVERAGE_DECAY)
        optimiser.set_scale(settings.rate(step))
        images = settings.images + (settings.extra_images if settings.stage(step) == 3 else 0)
        loss = step_loss(network, drawn_batch(pool, images, random), settings, step, random)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        average.update(network)
        losses.append(loss.item())
        if (step + 1) % settings.save_every == 0 or step + 1 == settings.steps:
            validate = (step + 1) % settings.validate_every == 0 and settings.stage(step) > 1
            scores = single_click_scores(usable(average), validation) if validate else {}
            row = {"step": step + 1, "seconds": time.monotonic() - began, "loss": float(np.mean(losses))}
            row |= {key: scores.get(key, float("nan")) for key in ("single_mask_iou", "best_of_three_iou", "box_iou")}
            run.log(row)
            print("  ".join(f"{key} {value:.4g}" for key, value in row.items()), flush=True)
            run.save(network, optimiser, average, step + 1)
            write_weights(weights, usable(average))
            losses = []
    run.plot("tiny SAM")
    return weights


def usable(average: AveragedWeights) -> dict[str, Tensor]:
    """The averaged weights of the tiny SAM itself."""
    return {key: value for key, value in average.state.items() if not key.startswith("probe.")}


def fresh_optimiser(network: SamInTraining, matrix_rate: float, other_rate: float) -> MatrixOptimiser:
    """Orthogonal steps for the matrices, Adam for labels, tokens, norms, and the layers next to pixels and masks."""
    apart = ("_embed", "iou_token", "mask_tokens", "output_upscaling", "mask_downscaling", "probe")
    matrices = {
        name: weight
        for name, weight in network.named_parameters()
        if weight.ndim in (2, 4) and not any(word in name for word in apart)
    }
    others = [weight for name, weight in network.named_parameters() if name not in matrices]
    return MatrixOptimiser(list(matrices.values()), others, matrix_rate, other_rate)


def give_birth_to_decoder(network: SamInTraining, pool: TrainingImages, seed: int) -> None:
    """Between stages 1 and 2: standardise the encoder's maps, and fit the decoder's first weights to them."""
    batch = drawn_batch(pool, FITTED_IMAGES, np.random.default_rng((seed, 0)))
    with torch.no_grad():
        standardise_maps(network, encoded(network, batch))
        maps = encoded(network, batch)
    device = network.device
    network.to("cpu")
    initialise_decoder(network, maps.cpu(), torch.Generator().manual_seed(seed))
    network.to(device)


def step_loss(
    network: SamInTraining, batch: Batch, settings: SamTraining, step: int, random: np.random.Generator
) -> Tensor:
    """The loss of one step, as its stage wants it."""
    stage = settings.stage(step)
    with torch.set_grad_enabled(stage in (1, 3)):
        maps = encoded(network, batch)
    if stage == 1:
        return instance_contrast(maps, batch, random)
    losses = []
    for i in range(settings.images):
        is_worn = random.random() < settings.worn_share
        read = worn(maps, batch, i, random) if is_worn else maps[i : i + 1]
        losses.append(image_loss(network, read, batch.ids[i], batch.contents[i], settings, step, random))
    loss = torch.stack(losses).mean()
    if stage != 3:
        return loss
    contrast, drift = instance_contrast(maps, batch, random), view_drift(maps, batch)
    return loss + settings.contrast_weight * contrast + settings.drift_weight * drift


def image_loss(
    network: SamInTraining,
    maps: Float[Tensor, "1 channels side side"],
    ids: np.ndarray,
    content: tuple[int, int],
    settings: SamTraining,
    step: int,
    random: np.random.Generator,
) -> Tensor:
    """Loss of drawn prompts on one image; some have a second round with the first answer and perhaps another click."""
    strictness = settings.strictness(step)
    window = drawn_window(ids, content, random.random() < settings.seen_whole(step), random)
    masks = drawn_masks(window.of_pixels(ids), settings.prompts_per_image, random)
    prompts = drawn_prompts(masks, str(random.choice(KINDS, p=KIND_CHANCES)), random)
    previous, losses = None, []
    for _ in range(1 + int(random.random() < settings.refined_share)):
        if previous is not None and random.random() < CORRECTED_SHARE:
            answers = F.interpolate(previous, masks.shape[1:], mode="bilinear")[:, 0].cpu().numpy() > 0
            prompts = corrected(prompts, masks, answers, random)
        answer = decoded(network, maps, window, prompts, previous)
        full = torch.from_numpy(masks)[:, None].to(answer.logits)
        targets = F.adaptive_avg_pool2d(full, answer.logits.shape[-2:])
        losses.append(answer_loss(answer, targets, strictness) + (1 - strictness) * probe_loss(answer, full))
        previous = answer.logits[:, :1].detach()
    return torch.stack(losses).mean()


def encoded(network: SamInTraining, batch: Batch) -> Float[Tensor, "images channels side side"]:
    """The batch's maps."""
    with half_precision(network.device):
        return network.image_encoder(batch.pixels.to(network.device)).float()


def decoded(
    network: SamInTraining,
    maps: Float[Tensor, "1 channels side side"],
    window: Window,
    prompts: PromptBatch,
    previous: Float[Tensor, "objects 1 rows columns"] | None,
) -> Decoded:
    """Run the prompt encoder and the mask decoder on a window; prompts are in the window's own pixels."""
    moved = prompts.moved(window.left, window.top)
    points = moved.as_points
    if points is not None:
        points = (points[0].to(maps), points[1].to(maps))
    boxes = None if moved.boxes is None else moved.boxes.to(maps)
    sparse, dense = network.prompt_encoder(points=points, boxes=boxes, masks=previous)
    if previous is None:
        dense = window.of_cells(dense)
    seen: list[Tensor] = []
    hook = network.mask_decoder.transformer.register_forward_hook(lambda _, __, output: seen.append(output[1]))
    with half_precision(network.device):
        logits, scores = network.mask_decoder.predict_masks(
            image_embeddings=window.of_cells(maps),
            image_pe=window.of_cells(network.prompt_encoder.get_dense_pe()),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
        )
    hook.remove()
    cells = network.probe(seen[0].float())[..., 0].unflatten(1, (window.rows, window.columns))
    return Decoded(logits.float(), scores.float(), cells[:, None])
