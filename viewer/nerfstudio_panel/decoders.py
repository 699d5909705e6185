"""The scene's decoders, loaded in a thread of their own: neither training nor the viewer's pictures wait for them."""

import threading
from collections.abc import Callable, Collection
from typing import Any

from samnerf.errors import SamNerfError
from samnerf.scene import TrainedScene
from samnerf.session import Session
from samnerf.teachers.pairs import Kind, load_mask_decoder, load_text_decoder


class Decoders:
    """Loads what is wanted, once; after a failure, when it is wanted again.

    Args:
        scene: whose teachers' decoders are meant; without distillation their encoders are loaded, too.
        told: called when something has been loaded, or could not be.
    """

    def __init__(self, scene: TrainedScene, told: Callable[[], None]) -> None:
        self._scene, self._told = scene, told
        self._lock = threading.Lock()
        self._there: dict[Kind, Any] = {}
        self._coming: set[Kind] = set()
        self._failures: dict[Kind, Exception] = {}

    def want(self, kinds: Collection[Kind]) -> None:
        """Load the decoders of these kinds ("sam", "clipseg"), if they are neither there nor on their way."""
        with self._lock:
            missing: list[Kind] = [kind for kind in kinds if kind not in self._there and kind not in self._coming]
            self._coming.update(missing)
            for kind in missing:
                self._failures.pop(kind, None)
        if missing:
            threading.Thread(target=self._load, args=(missing,), name="samnerf-decoders", daemon=True).start()

    def session(self, kinds: Collection[Kind]) -> Session | None:
        """A session of decoders of these kinds; None while they are being loaded.

        Raises:
            SamNerfError: if one could not be loaded.
        """
        with self._lock:
            for kind in kinds:
                if kind in self._failures:
                    error = self._failures[kind]
                    raise SamNerfError(f"the decoder of {kind} cannot be loaded: {error}") from error
            if not self._there.keys() >= set(kinds):
                return None
            return Session(self._there["sam"], self._there.get("clipseg"))

    def _load(self, kinds: list[Kind]) -> None:
        scene = self._scene
        for kind in kinds:
            try:
                scene.check_weights("this scene")
                load = load_mask_decoder if kind == "sam" else load_text_decoder
                decoder = load(scene.pair, scene.device)
                if not scene.distilled:
                    scene.encoder(kind)
                with self._lock:
                    self._there[kind] = decoder
            # Whatever it is, people read it in the panel.
            except Exception as error:
                with self._lock:
                    self._failures[kind] = error
            finally:
                with self._lock:
                    self._coming.discard(kind)
        self._told()
