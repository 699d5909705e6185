"""What the decoders say of a desk's prompts in a frame: a mask, and where words fit."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float

from samnerf.masks import MaskPrediction
from samnerf.prompts import PromptSet
from samnerf.session import Session
from samnerf.viewer.scene_app.desk import Desk, Granularity
from samnerf.viewer.scene_app.frames import Frame

LEAST_LOGIT_SHARE = 1e-4


@dataclass(frozen=True, eq=False)
class SceneAnswer:
    """An answer.

    Attributes:
        mask: of what is meant.
        score: predicted IoU, 0 to 1; 0 if there is nothing.
        decoded: what went to the mask decoder, one for each thing that stands apart.
        reason: why there is nothing, in words; None if there is something.
        relevancy: where the words fit, 0 to 1; None if there are none.
    """

    mask: Bool[np.ndarray, "height width"]
    score: float
    decoded: tuple[PromptSet, ...]
    reason: str | None
    relevancy: Float[np.ndarray, "height width"] | None = None


def answer_desk(session: Session, frame: Frame, desk: Desk) -> SceneAnswer | None:
    """What a desk's prompts mean in a frame; None if nothing was said.

    Raises:
        SamNerfError: if there is a phrase but no text decoder.
    """
    said = desk.said
    if said.empty:
        return None
    relevancy = None
    if said.phrase is not None:
        relevancy = session.relevancy(frame.view, said.phrase.text).cpu().numpy().astype(np.float32)
    granularity = desk.settings.granularity
    answer = session.answer(frame.view, said.prompts(frame.view.name), granularity != "Automatic")
    chosen = chosen_candidate(answer.prediction, granularity)
    mask = chosen.logits[0] > _logit(desk.settings.threshold)
    reason = answer.reason or (None if bool(mask.any()) else "the mask is empty; lower the threshold or add a click")
    return SceneAnswer(mask.cpu().numpy(), float(chosen.scores[0]), answer.decoded, reason, relevancy)


def chosen_candidate(prediction: MaskPrediction, granularity: Granularity) -> MaskPrediction:
    """The candidate of that size; the best one if there is no choice or it is left to the decoder."""
    if granularity == "Automatic" or len(prediction.scores) == 1:
        return prediction.best
    areas = (prediction.logits > 0).flatten(1).sum(dim=1)
    order = torch.argsort(areas, stable=True).tolist()
    place = {"Small": 0, "Medium": len(order) // 2, "Large": len(order) - 1}[granularity]
    return prediction.candidate(order[place])


def _logit(probability: float) -> float:
    inner = min(max(probability, LEAST_LOGIT_SHARE), 1 - LEAST_LOGIT_SHARE)
    return math.log(inner / (1 - inner))
