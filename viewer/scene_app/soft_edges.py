"""The matting adapter of a scene's teacher, for all who look at it: loaded once, when somebody first asks for alpha."""

import threading

from samnerf.matting.adapter_files import adapter_place
from samnerf.matting.matter import Matter, load_adapted_matter
from samnerf.teachers.contracts import MaskDecoder


class SoftEdges:
    """What makes alpha of what is prompted.

    Args:
        decoder: of the scene's teacher; it is left as it is.
    """

    def __init__(self, decoder: MaskDecoder) -> None:
        self._decoder = decoder
        self._lock = threading.Lock()
        self._matter: Matter | None = None

    @property
    def available(self) -> bool:
        """Whether the teacher has an adapter on this machine; nobody has read it yet, so it may be damaged."""
        return adapter_place(self._decoder.teacher).is_file()

    def matter(self) -> Matter:
        """With the adapter; whoever asks first waits until it is loaded.

        Raises:
            SamNerfError: if there is no adapter, or it is damaged or belongs to other weights.
        """
        with self._lock:
            if self._matter is None:
                self._matter = load_adapted_matter(self._decoder)
            return self._matter
