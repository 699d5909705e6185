"""What the mask decoders of SAM and SAM 2 do alike, around the networks in which they differ."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float, Int
from torch import Tensor

from samnerf.feature_map import FeatureMap
from samnerf.masks import BatchPrediction, MaskPrediction
from samnerf.prompts import PromptSet
from samnerf.teachers.input_frame import check_decodable, check_map, framed_prompts, full_size, input_scale

Embedded = tuple[Tensor, Tensor]
"""Sparse and dense embeddings, as the prompt encoder at hand gives them."""


class PromptedDecoder(ABC):
    """A `BatchMaskDecoder` but for its networks.

    Attributes:
        teacher: name of the encoder whose maps it reads.
    """

    teacher: str

    @property
    @abstractmethod
    def input_side(self) -> int:
        """Side of the square that the encoder saw, pixels; the frame in which prompts are embedded."""

    @property
    @abstractmethod
    def map_shape(self) -> tuple[int, int, int]:
        """[channels, side, side] of the maps that it reads."""

    @abstractmethod
    def _embed(
        self,
        clicks: Float[Tensor, "objects clicks 2"],
        labels: Float[Tensor, "objects clicks"],
        box: Float[Tensor, " 4"] | None,
        previous: Float[Tensor, "1 rows columns"] | None,
    ) -> Embedded:
        """Embed prompts in the frame of the input square; there may be no clicks."""

    @abstractmethod
    def _decode(self, feature_map: FeatureMap, embedded: Embedded, candidates: bool) -> BatchPrediction:
        """Masks of all objects that were embedded."""

    @torch.no_grad()
    def decode(
        self,
        feature_map: FeatureMap,
        prompts: PromptSet,
        candidates: bool = False,
        previous: Float[Tensor, "1 rows columns"] | None = None,
    ) -> MaskPrediction:
        """The mask of one object at the full size of the image. See `MaskDecoder`.

        Raises:
            ValueError: if the map is of another teacher, has another size or lacks finer levels that are needed, or
                there is nothing to decode.
            SamNerfError: if a prompt lies outside the image, or there are several boxes.
        """
        return self.predict(feature_map, prompts, candidates, previous)

    def predict(
        self,
        feature_map: FeatureMap,
        prompts: PromptSet,
        candidates: bool = False,
        previous: Float[Tensor, "1 rows columns"] | None = None,
    ) -> MaskPrediction:
        """As `decode`, but gradients flow to whatever learns in the networks."""
        check_decodable(feature_map, prompts, previous, self.teacher, self.map_shape)
        framed = framed_prompts(feature_map, prompts, self.input_side)
        embedded = self._embed(framed.clicks[None], framed.labels[None], framed.box, previous)
        answer = self._decode(feature_map, embedded, candidates)
        logits = self.full_size(answer.low_resolution_logits, feature_map)
        return MaskPrediction(logits[0].cpu(), answer.scores[0].cpu(), answer.low_resolution_logits[0].cpu())

    @torch.no_grad()
    def decode_batch(
        self,
        feature_map: FeatureMap,
        points: Float[Tensor, "objects points 2"],
        labels: Int[Tensor, "objects points"],
        candidates: bool = True,
    ) -> BatchPrediction:
        """Masks of many objects that know nothing of each other. See `BatchMaskDecoder`.

        Raises:
            ValueError: if the map is of another teacher, has another size or lacks finer levels that are needed.
        """
        check_map(feature_map, self.teacher, self.map_shape)
        clicks = points.float() * input_scale(feature_map, self.input_side).to(points.device)
        return self._decode(feature_map, self._embed(clicks, labels.float(), None, None), candidates)

    def full_size(
        self, low_resolution: Float[Tensor, "objects candidates rows columns"], feature_map: FeatureMap
    ) -> Float[Tensor, "objects candidates height width"]:
        """Logits at the full size of the map's image."""
        return full_size(low_resolution, feature_map, self.input_side)
