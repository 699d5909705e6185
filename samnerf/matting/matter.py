"""Where a mask becomes alpha: the one place, for files, servers and Nuke alike."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from samnerf.errors import SamNerfError
from samnerf.feature_map import FeatureMap
from samnerf.masks import MaskPrediction
from samnerf.matting.adapter_files import Adapter, checked_adapter, installed_adapter
from samnerf.prompts import PromptSet
from samnerf.teachers.contracts import MaskDecoder
from samnerf.teachers.prompted_decoder import PromptedDecoder


class Matter:
    """Alpha of what a mask decoder was told.

    With an adapter the prompts are decoded once as they are, and once more by the decoder with the adapter on, which is
    shown the first answer, as a refined mask is made; alpha is the sigmoid of its logits at the size of the image.
    Without one, alpha is the sigmoid of the mask's own logits.

    Args:
        decoder: without adapter; it is left as it is.
        adapter: of the decoder's teacher, or None.
        refine: whether alpha then follows the edges of the image, where the image is given.

    Raises:
        SamNerfError: if the adapter belongs to another decoder.
    """

    def __init__(self, decoder: MaskDecoder, adapter: Adapter | None = None, refine: bool = False) -> None:
        self._decoder = decoder
        self.refine = refine
        self.adapter = adapter
        self._adapted: MaskDecoder | None = None
        if adapter is not None:
            if not isinstance(decoder, PromptedDecoder):
                raise SamNerfError(f"the mask decoder of {decoder.teacher!r} takes no matting adapter")
            self._adapted = adapter.worn_by(decoder)

    @property
    def key(self) -> str:
        """What alpha depends on besides picture and prompts, for files that are made once."""
        trained = "none" if self.adapter is None else self.adapter.fingerprint
        return f"adapter {trained} refine {self.refine}"

    @torch.no_grad()
    def alpha(
        self,
        prediction: MaskPrediction,
        feature_map: FeatureMap,
        decoded: Sequence[PromptSet],
        image: UInt8[np.ndarray, "height width 3"] | None = None,
    ) -> Float[Tensor, "height width"]:
        """Alpha of an object, 0 to 1.

        Args:
            prediction: the mask that was found.
            feature_map: on which it was decoded.
            decoded: the prompt sets that went to the mask decoder; where there are several, what any of them covers.
                None for an object that is not there.
            image: sRGB; needed to refine.
        """
        if not decoded:
            return prediction.alpha()
        if self._adapted is None:
            return self._followed(prediction.alpha(), image)
        return self.decode(feature_map, decoded, image)

    @torch.no_grad()
    def decode(
        self,
        feature_map: FeatureMap,
        decoded: Sequence[PromptSet],
        image: UInt8[np.ndarray, "height width 3"] | None = None,
        shown: Sequence[Float[Tensor, "1 rows columns"]] | None = None,
    ) -> Float[Tensor, "height width"]:
        """Alpha of what at least one prompt set says of a map, without a mask that was found before.

        Args:
            feature_map: what is decoded.
            decoded: at least one.
            image: sRGB; needed to refine.
            shown: logits of a mask for each prompt set, on the decoder's own grid, that the adapter begins with; by
                default the decoder's first answer.
        """
        second = self._adapted or self._decoder
        if shown is None:
            shown = [self._decoder.decode(feature_map, one).best.low_resolution_logits for one in decoded]
        alphas = [
            second.decode(feature_map, prompts, previous=mask).alpha()
            for prompts, mask in zip(decoded, shown, strict=True)
        ]
        return self._followed(torch.stack(alphas).amax(0), image)

    def _followed(
        self, alpha: Float[Tensor, "height width"], image: UInt8[np.ndarray, "height width 3"] | None
    ) -> Float[Tensor, "height width"]:
        """An alpha that follows the edges of the image, if that is asked for."""
        if not self.refine or image is None:
            return alpha
        from samnerf.matting.refinement import refined

        return refined(alpha, image)


def load_matter(decoder: MaskDecoder, adapter: Path | None = None, refine: bool = False) -> Matter:
    """With the adapter of a file, or else with that of the decoder's teacher if there is one on this machine.

    Raises:
        SamNerfError: if the adapter is damaged, or belongs to another teacher or to other weights of it.
    """
    found = installed_adapter(decoder.teacher) if adapter is None else checked_adapter(adapter)
    return Matter(decoder, found, refine)


def load_adapted_matter(decoder: MaskDecoder, adapter: Path | None = None, refine: bool = False) -> Matter:
    """As `load_matter`, for those who asked for an adapter.

    Raises:
        SamNerfError: if there is none for the decoder's teacher, too.
    """
    matter = load_matter(decoder, adapter, refine)
    if matter.adapter is None:
        raise SamNerfError(
            f"there is no matting adapter for {decoder.teacher!r} on this machine; samnerf matting train makes one"
        )
    return matter
