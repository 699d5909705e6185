"""How good the tiny SAM is: masks from one click and from one box on images it never saw."""

import numpy as np
import torch
from torch import Tensor

from samnerf.preprocessing.synthetic.training_images import TrainingImages
from samnerf.prompts import Box, Point, PromptSet
from samnerf.teachers.sam import SamEncoder, SamMaskDecoder
from samnerf.teachers.tiny_sam import CHANNELS, INPUT_SIDE, NAME, SIDE, TinySam

SMALLEST_SHARE = 0.005


def single_click_scores(state: dict[str, Tensor], images: TrainingImages, seed: int = 0) -> dict[str, float]:
    """Mean IoU over every object that covers 0.5% of its image: one random click inside, and its bounding box.

    Returns:
        `single_mask_iou` (the single mask of a click), `best_of_three_iou` (the candidate with the highest
        predicted score), `box_iou`.
    """
    network = TinySam()
    network.load_state_dict({key: value.cpu() for key, value in state.items()})
    encoder = SamEncoder(network.image_encoder, NAME, "", CHANNELS, SIDE, INPUT_SIDE, torch.device("cpu"))
    decoder = SamMaskDecoder(network.prompt_encoder, network.mask_decoder, NAME, torch.device("cpu"))
    random = np.random.default_rng(seed)
    ious: dict[str, list[float]] = {"single_mask_iou": [], "best_of_three_iou": [], "box_iou": []}
    for index in range(images.count):
        image = images[index]
        features = encoder.encode(image.rgb)
        for number in np.unique(image.ids):
            truth = image.ids == number
            if number == 0 or truth.mean() < SMALLEST_SHARE:
                continue
            rows, columns = np.nonzero(truth)
            pick = random.integers(len(rows))
            click = PromptSet(points=(Point(float(columns[pick]) + 0.5, float(rows[pick]) + 0.5),))
            box = Box(float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1))
            ious["single_mask_iou"].append(_iou(decoder.decode(features, click).mask(), truth))
            ious["best_of_three_iou"].append(_iou(decoder.decode(features, click, candidates=True).mask(), truth))
            ious["box_iou"].append(_iou(decoder.decode(features, PromptSet(boxes=(box,))).mask(), truth))
    return {key: float(np.mean(values)) for key, values in ious.items()}


def _iou(found: Tensor, truth: np.ndarray) -> float:
    mask = found.numpy()
    return float((mask & truth).sum() / max(1, (mask | truth).sum()))
