"""Models that look at the frame they are sent: SAM by points, a box or nothing, CLIPSeg by words, and soft mattes.

All take linear light and turn it into sRGB for the encoders, unless it is sRGB already. Coordinates are pixels from the
bottom left, as Nuke counts them. Where nothing is said, or nothing found, the answer is black.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from samnerf.errors import SamNerfError
from samnerf.images.prompts import MOST_CELLS, ImagePrompts
from samnerf.images.segmentation import ImageSegmenter, segment_view
from samnerf.images.settings import automatic_settings
from samnerf.nuke.frames import Frame
from samnerf.nuke.models import FrameModel
from samnerf.nuke.options import option
from samnerf.nuke.points import points_from_frame, points_from_text, without_points
from samnerf.objects.palette import object_colour
from samnerf.prompts import Box, Phrase, PromptSet
from samnerf.server.remembered_maps import RememberedMaps
from samnerf.session import Session
from samnerf.view import ImageView

FARTHEST = 1e6


@dataclass(frozen=True)
class FrameOptions:
    """Of every model that looks at frames."""

    bypass_srgb: bool = option(False)
    """Frames are sRGB already, not linear light."""


@dataclass(frozen=True)
class PointOptions(FrameOptions):
    """Clicks: in a knob, in the lowest row of the frame, or both."""

    points: str = option("")
    """See `samnerf.nuke.points.points_from_text`."""
    points_row: bool = option(False)
    """Take the 16 points in the lowest row of the frame, too."""


class _LookingModel:
    """A model that looks at its one frame; what a whole server has of it is shared, and nothing of a request kept."""

    inputs: tuple[str, ...] = ("source",)

    def __init__(self, segmenter: ImageSegmenter, maps: RememberedMaps) -> None:
        self._segmenter = segmenter
        self._maps = maps

    def _view(self, frames: Sequence[Frame], options: FrameOptions) -> ImageView:
        row = isinstance(options, PointOptions) and options.points_row
        return self._maps.view((without_points(frames[0]) if row else frames[0]).srgb(options.bypass_srgb))

    def _session(self, words: bool = False) -> Session:
        return Session(self._segmenter.mask_decoder, self._segmenter.text_decoder() if words else None)

    def _mask(self, view: ImageView, prompts: PromptSet) -> Frame:
        """Black where nothing was said."""
        if prompts.empty:
            return Frame.grey(np.zeros(view.image_size, np.float32))
        answer = self._session(prompts.phrase is not None).answer(view, prompts)
        return Frame.grey(answer.prediction.mask().float().cpu().numpy())


class PointsModel(_LookingModel):
    """The mask of what up to 16 additive and subtractive points say."""

    name, label, options = "sam_points", "SAM points", PointOptions

    def infer(self, frames: Sequence[Frame], options: PointOptions) -> Frame:
        """The mask, 0 or 1."""
        return self._mask(self._view(frames, options), clicked(frames[0], options))


def clicked(frame: Frame, options: PointOptions) -> PromptSet:
    """What the points of a request say."""
    points = points_from_text(options.points, frame.size)
    if options.points_row:
        points += points_from_frame(frame)
    return PromptSet(points=points)


@dataclass(frozen=True)
class BoxOptions(FrameOptions):
    """A rectangle: left, bottom, right, top; a knob of four numbers, one by one."""

    box_x: float = option(0.0, -FARTHEST, FARTHEST)
    box_y: float = option(0.0, -FARTHEST, FARTHEST)
    box_r: float = option(0.0, -FARTHEST, FARTHEST)
    box_t: float = option(0.0, -FARTHEST, FARTHEST)


class BoxModel(_LookingModel):
    """The mask of what fills a box; black for a box without area or outside of the frame."""

    name, label, options = "sam_box", "SAM box", BoxOptions

    def infer(self, frames: Sequence[Frame], options: BoxOptions) -> Frame:
        """The mask, 0 or 1."""
        height, width = frames[0].size
        box = Box(
            max(options.box_x, 0.0),
            max(height - options.box_t, 0.0),
            min(options.box_r, float(width)),
            min(height - options.box_y, float(height)),
        )
        some = box.x1 < box.x2 and box.y1 < box.y2
        return self._mask(self._view(frames, options), PromptSet(boxes=(box,) if some else ()))


@dataclass(frozen=True)
class EverythingOptions(FrameOptions):
    """How closely is looked, and what is shown; -1 means what suits the teachers."""

    points_per_side: int = option(-1, -1, 64)
    quality: float = option(-1.0, -1.0, 1.0)
    """Predicted quality that a mask must exceed."""
    stability: float = option(-1.0, -1.0, 1.0)
    output: str = option("colours", choices=("colours", "ids"))
    """Each object in its colour, or its number in all channels."""


class EverythingModel(_LookingModel):
    """All objects of a frame, unasked."""

    name, label, options = "sam_everything", "SAM everything", EverythingOptions

    def infer(self, frames: Sequence[Frame], options: EverythingOptions) -> Frame:
        """Colours of the objects, or their numbers from 1; 0 is none."""
        suitable = automatic_settings(self._segmenter.teachers)
        if options.points_per_side == 0:
            raise SamNerfError("the option 'points_per_side' is 0 but must be 1 to 64, or -1 for what suits")
        changes = {
            "points_per_side": options.points_per_side,
            "iou_thres": options.quality,
            "stability_score_thresh": options.stability,
        }
        settings = replace(suitable, **{name: value for name, value in changes.items() if value >= 0})
        view = self._view(frames, options)
        ids = segment_view(view, self._session(), ImagePrompts(), settings).id_map
        if options.output == "ids":
            return Frame.grey(ids.astype(np.float32))
        colours = np.array([object_colour(i) for i in range(int(ids.max()) + 1)], np.float32)
        return Frame.from_srgb(colours[ids] / 255, options.bypass_srgb)


@dataclass(frozen=True)
class TextOptions(FrameOptions):
    """Words, and what is shown of them."""

    phrase: str = option("")
    output: str = option("relevancy", choices=("relevancy", "mask"))
    threshold: float = option(Phrase.threshold, 0.0, 1.0)
    """Relevancy that a place must reach to become a point of the mask."""
    top_k: int = option(Phrase.top_k, -MOST_CELLS, MOST_CELLS)
    """How many of these places become points; below 0 at random."""


class TextModel(_LookingModel):
    """Where words fit: how well, or the mask of what they mean."""

    name, label, options = "clipseg_text", "CLIPSeg text", TextOptions

    def infer(self, frames: Sequence[Frame], options: TextOptions) -> Frame:
        """Relevancy, 0 to 1, or a mask, 0 or 1."""
        view = self._view(frames, options)
        phrase = options.phrase.strip()
        if not phrase:
            return Frame.grey(np.zeros(view.image_size, np.float32))
        if options.output == "relevancy":
            return Frame.grey(self._session(words=True).relevancy(view, phrase).cpu().numpy())
        return self._mask(view, PromptSet(phrase=Phrase(phrase, options.threshold, options.top_k)))


@dataclass(frozen=True)
class MatteOptions(PointOptions):
    """Points, words, or both."""

    phrase: str = option("")


class MatteModel(_LookingModel):
    """Soft alpha instead of a mask: of the teacher's matting adapter, or else the sigmoid of the decoder's logits."""

    name, label, options = "matte", "Matte", MatteOptions

    def infer(self, frames: Sequence[Frame], options: MatteOptions) -> Frame:
        """Alpha, 0 to 1."""
        view = self._view(frames, options)
        phrase = Phrase(options.phrase.strip()) if options.phrase.strip() else None
        prompts = replace(clicked(frames[0], options), phrase=phrase)
        if prompts.empty:
            return Frame.grey(np.zeros(view.image_size, np.float32))
        answer = self._session(phrase is not None).answer(view, prompts)
        if answer.reason is not None:
            return Frame.grey(np.zeros(view.image_size, np.float32))
        matter = self._segmenter.matter()
        alpha = answer.cut(matter.alpha(answer.prediction, view.feature_map("sam"), answer.decoded, view.rgb))
        return Frame.grey(alpha.cpu().numpy())


def image_models(segmenter: ImageSegmenter) -> tuple[FrameModel, ...]:
    """All of them, with the same teachers and the same memory of pictures."""
    maps = RememberedMaps.of(segmenter)
    kinds = (PointsModel, BoxModel, EverythingModel, TextModel, MatteModel)
    return tuple(kind(segmenter, maps) for kind in kinds)
