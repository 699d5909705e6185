"""How good the tiny CLIPSeg is: full names asked of images it never saw, and names that fit nothing there."""

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F

from samnerf.preprocessing.synthetic.training_images import TrainingImages
from samnerf.preprocessing.tiny_teachers.clipseg_phrases import full_name, near_miss
from samnerf.teachers.clipseg import ClipSegEncoder, ClipSegTextDecoder

SMALLEST_SHARE = 0.005


def phrase_scores(
    encoder: ClipSegEncoder, decoder: ClipSegTextDecoder, images: TrainingImages, seed: int = 0
) -> dict[str, float]:
    """Scores over every object that covers 0.5% of its image, asked for by its full name.

    Returns:
        `localisation` (share of objects on which the greatest relevancy lies), `mean_iou` (of relevancy above
        one half), `false_alarms` (share of names with one wrong attribute that reach one half anywhere).
    """
    random = np.random.default_rng(seed)
    hits, ious, alarms = [], [], []
    for index in range(images.count):
        image = images[index]
        features = encoder.encode(image.rgb)
        if index % 2 == 1:
            features = replace(features, summary=None)  # as a rendered map is
        for thing in image.objects:
            truth = torch.from_numpy(image.ids == thing.id)
            if truth.float().mean() < SMALLEST_SHARE:
                continue
            relevancy = decoder.relevancy(features, thing.name)
            full = F.interpolate(relevancy[None, None], truth.shape, mode="bilinear", align_corners=False)[0, 0]
            hits.append(bool(truth.flatten()[full.argmax()]))
            found = full > 0.5
            ious.append(float((found & truth).sum() / (found | truth).sum()))
            wrong = near_miss(full_name(thing), image.objects, random)
            answer = decoder.relevancy(features, f"{wrong.material} {wrong.colour} {wrong.shape}")
            alarms.append(bool(answer.max() > 0.5))
    return {
        "localisation": float(np.mean(hits)),
        "mean_iou": float(np.mean(ious)),
        "false_alarms": float(np.mean(alarms)),
    }
