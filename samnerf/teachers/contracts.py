"""What encoders and decoders promise; the rest of the program knows only this."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from samnerf.feature_map import FeatureMap, Layout
from samnerf.masks import BatchPrediction, MaskPrediction
from samnerf.prompts import PromptSet


@runtime_checkable
class Encoder(Protocol):
    """Looks at images. `name` is written into every map, `weights_hash` into every feature store."""

    name: str
    weights_hash: str
    channels: int
    side: int
    layout: Layout
    """The layout it was trained with; `encode` takes another on request."""

    def encode(self, image: UInt8[np.ndarray, "height width 3"], layout: Layout | None = None) -> FeatureMap:
        """Features of an sRGB image of any size."""
        ...


@runtime_checkable
class BatchEncoder(Encoder, Protocol):
    """An encoder that also looks at several images at once."""

    batch_size: int
    """How many it takes best; it may shrink as memory turns out to be short."""

    def encode_batch(
        self, images: Sequence[UInt8[np.ndarray, "_ _ 3"]], layout: Layout | None = None
    ) -> list[FeatureMap]:
        """What `encode` says of each image; any number of images, of any sizes."""
        ...

    def compile(self) -> None:
        """Let torch compile the network when it runs next."""
        ...


@runtime_checkable
class MaskDecoder(Protocol):
    """Answers points, boxes and scribbles on a feature map. Phrases and world points are not its business."""

    teacher: str
    """Name of the encoder whose maps it reads; others are refused with a ValueError."""

    def decode(
        self,
        feature_map: FeatureMap,
        prompts: PromptSet,
        candidates: bool = False,
        previous: Float[Tensor, "1 rows columns"] | None = None,
    ) -> MaskPrediction:
        """The mask of one object at the full size of the image.

        Args:
            feature_map: encoded or rendered.
            prompts: image points, at most one box, scribbles; pixels of the map's image.
            candidates: three candidates instead of one.
            previous: `low_resolution_logits` of an earlier answer, to be refined.
        """
        ...


@runtime_checkable
class BatchMaskDecoder(MaskDecoder, Protocol):
    """A mask decoder that also answers many objects in one call; automatic masks need one."""

    def decode_batch(
        self,
        feature_map: FeatureMap,
        points: Float[Tensor, "objects points 2"],
        labels: Int[Tensor, "objects points"],
        candidates: bool = True,
    ) -> BatchPrediction:
        """Masks of many objects that know nothing of each other.

        Args:
            feature_map: encoded or rendered.
            points: clicks (x, y) of each object, pixels of the map's image.
            labels: 1 adds, 0 takes away.
            candidates: three candidates each instead of one.
        """
        ...

    def full_size(
        self, low_resolution: Float[Tensor, "objects candidates rows columns"], feature_map: FeatureMap
    ) -> Float[Tensor, "objects candidates height width"]:
        """Logits of `decode_batch` at the full size of the map's image."""
        ...


@runtime_checkable
class TextDecoder(Protocol):
    """Answers phrases on a feature map."""

    teacher: str

    def relevancy(self, feature_map: FeatureMap, phrase: str) -> Float[Tensor, "rows columns"]:
        """How well the phrase fits, 0 to 1, on the decoder's own grid, which lies on the image like the map."""
        ...
