"""How long a view takes: features rendered and decoded, against colour rendered, encoded and decoded.

Masks are those of the decoder, in both ways: cutting them by depth asks for the depth, which comes with colour.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import torch

from samnerf.camera import Camera
from samnerf.prompts import PromptSet
from samnerf.scene import TrainedScene
from samnerf.session import Session
from samnerf.view import View


@dataclass(frozen=True)
class ViewTimes:
    """Medians over several views, seconds.

    Attributes:
        render_features: all maps of a view.
        decode_rendered: prompts on rendered maps.
        render_colour: at full size.
        encode: all encoders on the rendered colours.
        decode_encoded: prompts on encoded maps.
    """

    render_features: float
    decode_rendered: float
    render_colour: float
    encode: float
    decode_encoded: float

    @property
    def speedup(self) -> float:
        """How many times faster the first way is, decoding included in both."""
        slow = self.render_colour + self.encode + self.decode_encoded
        return slow / (self.render_features + self.decode_rendered)


def time_views(
    scene: TrainedScene, session: Session, cameras: Sequence[tuple[str, Camera]], prompts: Sequence[PromptSet]
) -> ViewTimes:
    """Measure both ways on the same views, in turns; encoders and decoders are warm.

    Args:
        scene: with distilled features.
        session: decoders of its teachers.
        cameras: names and cameras of the views.
        prompts: asked of each view; image prompts must lie inside of every view.
    """
    rows = []
    for place, (name, camera) in enumerate([cameras[0], *cameras]):
        distilled, rendered = scene.view(camera, name), scene.rendered_view(camera, name)
        row = (
            _seconds(lambda view=distilled: _features(view)),
            _seconds(lambda view=distilled: _decode(session, view, prompts)),
            _seconds(lambda view=rendered: view.rgb),
            _seconds(lambda view=rendered: _features(view)),
            _seconds(lambda view=rendered: _decode(session, view, prompts)),
        )
        if place:  # the first turn only warms up
            rows.append(row)
    return ViewTimes(*(median(column) for column in zip(*rows, strict=True)))


def _features(view: View) -> None:
    for kind in ("sam", "clipseg"):
        view.feature_map(kind)


def _decode(session: Session, view: View, prompts: Sequence[PromptSet]) -> None:
    for said in prompts:
        session.segment(view, said, by_depth=False)


def _seconds(work: Callable[[], object]) -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start
