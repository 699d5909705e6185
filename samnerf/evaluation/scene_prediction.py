"""What a trained scene answers to the prompts of a data set; it knows nothing of the truth.

Prompts are made in one view and wanted in others. By `prompts` they are carried over: the mask that they give, or that
is itself the prompt, becomes points of the world, and every view is decoded for itself. By `lock` the object is found
in the world once, by the votes of the training views, and rendered.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch.nn import functional

from samnerf.errors import SamNerfError
from samnerf.evaluation.truth_masks import at_size
from samnerf.masks import MaskPrediction
from samnerf.objects.layers import ObjectLayers
from samnerf.objects.lifting import lift
from samnerf.objects.locking import Lock, lock_vote, world_prompts
from samnerf.objects.object_rendering import rendered_alphas
from samnerf.objects.prompt_locking import lock_prompts
from samnerf.objects.support import Support
from samnerf.objects.votes import Vote
from samnerf.prompts import PromptSet
from samnerf.scene import TrainedScene
from samnerf.session import Session
from samnerf.view import View

Method = Literal["prompts", "lock"]
Mask = Bool[np.ndarray, "height width"]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Prediction:
    """Masks by name of the view, None where nothing was found; and why, in words, if nothing was found at all."""

    masks: Mapping[str, Mask | None]
    reason: str | None = None


@runtime_checkable
class Predictor(Protocol):
    """Answers the prompts of a data set in the views of one scene."""

    @property
    def views(self) -> Sequence[str]:
        """Names of all photographs, in their order."""
        ...

    def image_size(self, view: str) -> tuple[int, int]:
        """(H, W) of a view, in whose pixels prompts are given."""
        ...

    def photograph(self, view: str) -> UInt8[np.ndarray, "height width 3"]:
        """The true picture of a view, to be looked at."""
        ...

    def from_prompts(self, prompts: PromptSet, views: Sequence[str]) -> Prediction:
        """An object by clicks in the view that the prompts name, or by words."""
        ...

    def from_mask(self, name: str, view: str, mask: Bool[np.ndarray, "_ _"], views: Sequence[str]) -> Prediction:
        """An object by its mask in a view, of any size."""
        ...

    def fit(self, view: str, phrase: str, size: tuple[int, int]) -> Float[np.ndarray, "height width"]:
        """How well a phrase fits each pixel of a view, 0 to 1, at a size (H, W)."""
        ...


class ScenePredictor:
    """A trained scene as a predictor.

    Args:
        scene: what is asked.
        session: decoders of its teachers.
        method: how an object gets from one view to another.
        progress: called while an object is locked.
    """

    def __init__(
        self, scene: TrainedScene, session: Session, method: Method, progress: Progress = lambda *_: None
    ) -> None:
        self._scene = scene
        self._session = session
        self._method = method
        self._progress = progress
        self._last: View | None = None

    @property
    def views(self) -> tuple[str, ...]:
        """Names of all photographs."""
        return tuple(sorted(self._scene.pictures))

    def image_size(self, view: str) -> tuple[int, int]:
        """(H, W) of a view."""
        return self._scene.camera(view).image_size

    def photograph(self, view: str) -> UInt8[np.ndarray, "height width 3"]:
        """The true picture of a view."""
        return self._scene.image(view)

    def from_prompts(self, prompts: PromptSet, views: Sequence[str]) -> Prediction:
        """See `Predictor`."""
        if self._method == "lock":
            try:
                locks = lock_prompts(self._session, self._support, prompts, self._view, "all", self._progress).locks
            except SamNerfError as error:  # nothing to be found is an answer, and scored as one
                return Prediction(dict.fromkeys(views), str(error))
            return self._rendered(locks, views)
        if prompts.view is None:
            return self._decoded(prompts, views)
        view = self._view(prompts.view)
        answer = self._session.answer(view, prompts)
        if answer.reason is not None:
            return Prediction(dict.fromkeys(views), answer.reason)
        return self._decoded(lift(view, prompts, answer.prediction), views)

    def from_mask(self, name: str, view: str, mask: Bool[np.ndarray, "_ _"], views: Sequence[str]) -> Prediction:
        """See `Predictor`."""
        here = self._view(view)
        inside = torch.from_numpy(at_size(mask, here.image_size))
        if self._method == "prompts":
            given = MaskPrediction(torch.where(inside, 1.0, -1.0)[None], torch.ones(1), torch.zeros(1, 1, 1))
            return self._decoded(lift(here, PromptSet(name), given), views)
        support_view = self._support.of(here)
        vote = Vote(support_view, support_view.on_grid(inside))
        try:
            said = world_prompts(support_view, PromptSet(name), vote.mask)
            found = lock_vote(self._session, self._support, vote, said, self._progress)
        except SamNerfError as error:
            return Prediction(dict.fromkeys(views), str(error))
        return self._rendered((found,), views)

    def fit(self, view: str, phrase: str, size: tuple[int, int]) -> Float[np.ndarray, "height width"]:
        """See `Predictor`."""
        fit = self._session.relevancy(self._view(view), phrase).float().cpu()
        if tuple(fit.shape) != size:
            fit = functional.interpolate(fit[None, None], size, mode="bilinear", align_corners=False)[0, 0]
        return fit.numpy()

    @cached_property
    def _support(self) -> Support:
        views = [self._scene.view(camera, name) for name, camera in self._scene.cameras("train")]
        return Support(views, self._scene.render_samples)

    def _view(self, name: str) -> View:
        """A view; the last one is kept, because several phrases are asked of it in turn."""
        if self._last is None or self._last.name != name:
            self._last = self._scene.view(self._scene.camera(name), name)
        return self._last

    def _decoded(self, prompts: PromptSet, views: Sequence[str]) -> Prediction:
        masks: dict[str, Mask | None] = {}
        reasons = []
        for done, name in enumerate(views, start=1):
            answer = self._session.answer(self._view(name), prompts)
            masks[name] = None if answer.reason is not None else answer.prediction.mask().cpu().numpy()
            reasons += [answer.reason] if answer.reason is not None else []
            self._progress(f"{prompts.name} in {name}", done, len(views))
        return Prediction(masks, reasons[0] if len(reasons) == len(views) else None)

    def _rendered(self, locks: Sequence[Lock], views: Sequence[str]) -> Prediction:
        layers = ObjectLayers()
        for number, one in enumerate(locks, start=1):
            layers = layers.add(one, f"object {number}")
        ids = [one.object_id for one in layers.objects]
        masks = {}
        for done, name in enumerate(views, start=1):
            alphas = rendered_alphas(self._scene.camera(name), self._scene.render_samples, layers.objects)
            shown = alphas.id_map(ids) > 0
            masks[name] = shown if shown.any() else None
            self._progress(f"rendering it in {name}", done, len(views))
        return Prediction(masks)
