"""What encoders said of the last pictures, by what is in them: who moves a point does not wait for an encoder again."""

import hashlib
import threading
from collections import OrderedDict

import numpy as np
from jaxtyping import UInt8

from samnerf.feature_map import FeatureMap
from samnerf.images.segmentation import ImageSegmenter
from samnerf.teachers.pairs import Kind
from samnerf.view import Encode, ImageView

MOST_MAPS = 32


class RememberedMaps:
    """Encodes pictures, those that it knows at once; for any number of threads.

    Args:
        encode: runs the encoder of a kind.
        most: maps that are kept; the one that was longest not asked for goes first.
    """

    def __init__(self, encode: Encode, most: int = MOST_MAPS) -> None:
        self._run = encode
        self._most = most
        self._maps: OrderedDict[tuple[Kind, tuple[int, ...], bytes], FeatureMap] = OrderedDict()
        self._lock = threading.Lock()

    @staticmethod
    def of(segmenter: ImageSegmenter, most: int = MOST_MAPS) -> "RememberedMaps":
        """With the encoders of a segmenter."""
        return RememberedMaps(lambda kind, image: segmenter.encoder(kind).encode(image), most)

    def __len__(self) -> int:
        return len(self._maps)

    def view(self, image: UInt8[np.ndarray, "height width 3"], name: str = "image") -> ImageView:
        """A picture that can be prompted."""
        return ImageView(name, image, self.encode)

    def encode(self, kind: Kind, image: UInt8[np.ndarray, "height width 3"]) -> FeatureMap:
        """What the encoder of a kind says of an sRGB image."""
        key = kind, image.shape, hashlib.sha256(image.tobytes()).digest()
        with self._lock:
            if key not in self._maps:
                self._maps[key] = self._run(kind, image)
                if len(self._maps) > self._most:
                    self._maps.popitem(last=False)
            self._maps.move_to_end(key)
            return self._maps[key]
