"""What the decoders say of a desk's prompts in a frame: a mask, and where words fit."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32

from samnerf.masks import MaskPrediction
from samnerf.matting.matter import Matter
from samnerf.prompts import PromptSet
from samnerf.session import Answer, Session
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
        alpha: how much of each pixel is meant, 0 to 1, by the matting adapter; None if nobody asked for it.
    """

    mask: Bool[np.ndarray, "height width"]
    score: float
    decoded: tuple[PromptSet, ...]
    reason: str | None
    relevancy: Float[np.ndarray, "height width"] | None = None
    alpha: Float32[np.ndarray, "height width"] | None = None

    @property
    def coverage(self) -> Float32[np.ndarray, "height width"]:
        """How much of each pixel is shown as what is meant: the alpha, or else all or nothing by the mask."""
        return self.mask.astype(np.float32) if self.alpha is None else self.alpha


def answer_desk(session: Session, frame: Frame, desk: Desk, matter: Matter | None = None) -> SceneAnswer | None:
    """What a desk's prompts mean in a frame; None if nothing was said.

    Args:
        session: the decoders.
        frame: where they are asked.
        desk: what was said, and how it is taken.
        matter: makes alpha, too.

    Raises:
        SamNerfError: if there is a phrase but no text decoder.
    """
    said = desk.said
    if said.empty:
        return None
    relevancy = None
    if said.phrase is not None:
        relevancy = session.relevancy(frame.view, said.phrase.text).cpu().numpy().astype(np.float32)
    granularity, prompts = desk.settings.granularity, said.prompts(frame.view.name)
    answer = session.answer(frame.view, prompts, granularity != "Automatic", desk.settings.by_depth)
    rank = chosen_rank(answer.prediction, granularity)
    chosen = answer.prediction.candidate(rank)
    mask = chosen.logits[0] > _logit(desk.settings.threshold)
    reason = answer.reason or (None if bool(mask.any()) else "the mask is empty; lower the threshold or add a click")
    alpha = None
    if matter is not None and reason is None:
        alpha = _alpha(session, frame, answer, matter, None if granularity == "Automatic" else rank)
    return SceneAnswer(mask.cpu().numpy(), float(chosen.scores[0]), answer.decoded, reason, relevancy, alpha)


def _alpha(
    session: Session, frame: Frame, answer: Answer, matter: Matter, rank: int | None
) -> Float32[np.ndarray, "height width"]:
    """By the adapter, which is shown the candidates of a rank, or else what the decoder answers first."""
    feature_map, shown = frame.view.feature_map("sam"), None
    if rank is not None:
        candidates = [session.mask_decoder.decode(feature_map, one, candidates=True) for one in answer.decoded]
        shown = [one.candidate(rank).low_resolution_logits for one in candidates]
    alpha = matter.decode(feature_map, answer.decoded, frame.view.rgb, shown)
    return answer.cut(alpha.float(), rank).cpu().numpy()


def chosen_rank(prediction: MaskPrediction, granularity: Granularity) -> int:
    """Which candidate has that size; the best one if there is no choice or it is left to the decoder."""
    if granularity == "Automatic" or len(prediction.scores) == 1:
        return int(prediction.scores.argmax())
    areas = (prediction.logits > 0).flatten(1).sum(dim=1)
    order = torch.argsort(areas, stable=True).tolist()
    place = {"Small": 0, "Medium": len(order) // 2, "Large": len(order) - 1}[granularity]
    return order[place]


def _logit(probability: float) -> float:
    inner = min(max(probability, LEAST_LOGIT_SHARE), 1 - LEAST_LOGIT_SHARE)
    return math.log(inner / (1 - inner))
