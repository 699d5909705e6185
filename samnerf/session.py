"""Prompts and a view in, the mask of one object out.

A session holds the decoders and nothing else, so that it may serve many views and people. What was said of an object
becomes one or several decodings: clicks, boxes and scribbles go to the mask decoder; world points go there after
projection, if they are visible; a phrase goes to the text decoder, and the peaks of its relevancy become points.
Things that stand apart, such as the three cubes of "cube", are decoded one by one and united. In a view with depth
each of their masks is cut where the surface breaks off. The same prompts on the same features give the same mask,
always.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from samnerf.errors import SamNerfError
from samnerf.feature_map import cells_per_pixel
from samnerf.masks import MaskPrediction
from samnerf.objects.relevancy import Blob, cell_means, find_blobs, resize_relevancy
from samnerf.prompts import Box, Phrase, Point, PromptSet, WorldPoint
from samnerf.teachers.contracts import MaskDecoder, TextDecoder
from samnerf.view import View
from samnerf.visible_surface import cut_prediction

DEPTH_TOLERANCE = 0.05
"""A world point is visible if its distance and the rendered one differ by less than this fraction."""
NOTHING = -32.0
"""The logit of a mask that is surely empty."""


@dataclass(frozen=True)
class Answer:
    """A mask and how it came about.

    Attributes:
        prediction: the mask; where there is nothing, an empty one with score 0.
        decoded: the prompt sets that went to the mask decoder, in pixels of the view.
        uncut: the mask as the decoder gave it, before depth had its say.
        reason: why there is nothing, in words; None if there is something.
    """

    prediction: MaskPrediction
    decoded: tuple[PromptSet, ...]
    uncut: MaskPrediction
    reason: str | None = None

    def cut(self, alpha: Float[Tensor, "height width"], candidate: int | None = None) -> Float[Tensor, "height width"]:
        """Alpha made of the same prompts, 0 where depth cut the mask; by default the best candidate's."""
        rank = int(self.prediction.scores.argmax()) if candidate is None else candidate
        away = self.prediction.logits[rank] < self.uncut.logits[rank]
        return alpha.masked_fill(away.to(alpha.device), 0.0)


class Session:
    """Answers prompts on views.

    Args:
        mask_decoder: reads maps of the kind "sam".
        text_decoder: reads maps of the kind "clipseg"; without it phrases are refused.
        refinements: how often the decoder's own answer is fed back to it.
        refine_candidates: whether that is done with three candidates, too; the best of them is fed back.
        by_depth: whether views that have depth cut what the decoder gives (`samnerf.visible_surface`).
    """

    def __init__(
        self,
        mask_decoder: MaskDecoder,
        text_decoder: TextDecoder | None = None,
        refinements: int = 1,
        refine_candidates: bool = False,
        by_depth: bool = True,
    ) -> None:
        self.mask_decoder = mask_decoder
        self.text_decoder = text_decoder
        self.refinements = refinements
        self.refine_candidates = refine_candidates
        self.by_depth = by_depth

    def segment(
        self, view: View, prompts: PromptSet, candidates: bool = False, by_depth: bool = True
    ) -> MaskPrediction:
        """The mask of one object; three candidates on request. See `answer`."""
        return self.answer(view, prompts, candidates, by_depth).prediction

    @torch.no_grad()
    def answer(self, view: View, prompts: PromptSet, candidates: bool = False, by_depth: bool = True) -> Answer:
        """The mask of one object in one view, and how it came about.

        Image prompts that belong to another view are left out (`samnerf.objects.lifting.lift` carries them over).
        If nothing of what was said is visible here, the mask is empty, its score 0, and the reason is given.

        Args:
            view: where it is looked for.
            prompts: what was said.
            candidates: whether the decoder gives three masks.
            by_depth: False leaves masks as the decoder gives them, this once.

        Raises:
            SamNerfError: if nothing was said, if a prompt lies outside the image, if world points meet a view
                without camera, or if a phrase meets a session without text decoder.
        """
        if prompts.empty:
            raise SamNerfError(f"object {prompts.name!r} has no prompts; give points, boxes, scribbles or a phrase")
        here = self._belonging_here(view, prompts)
        if here.empty:
            return no_answer(view, f"its prompts belong to view {prompts.view!r}")
        here.check(view.image_size)
        points = list(here.points)
        for scribble in here.scribbles:
            points += scribble.clicks
        points += visible_points(view, here.world_points)
        groups = group_prompts(points, here.boxes)
        if here.phrase is not None:
            groups = self._with_phrase(view, groups, points, here.phrase)
        if not groups:
            return no_answer(view, _why_nothing(here))
        decoded = tuple(replace(group, name=prompts.name) for group in groups)
        masks = [self._decode(view, group, candidates) for group in decoded]
        uncut = _union(masks)
        surface = view.surface if by_depth and self.by_depth else None
        if surface is None:
            return Answer(uncut, decoded, uncut)
        cut = [cut_prediction(mask, surface, group.points) for mask, group in zip(masks, decoded, strict=True)]
        return Answer(_union(cut), decoded, uncut)

    @torch.no_grad()
    def relevancy(self, view: View, phrase: str) -> Float[Tensor, "height width"]:
        """How well the phrase fits each pixel of the view, 0 to 1.

        Raises:
            SamNerfError: if the phrase is empty or there is no text decoder.
        """
        feature_map = view.feature_map("clipseg")
        return resize_relevancy(self._relevancy(view, phrase), view.image_size, feature_map.layout)

    def _relevancy(self, view: View, phrase: str) -> Float[Tensor, "rows columns"]:
        if self.text_decoder is None:
            raise SamNerfError(f"the phrase {phrase!r} needs a text decoder, and this session has none")
        if not phrase.strip():
            raise SamNerfError('the phrase is empty; expected words such as "red cube"')
        return self.text_decoder.relevancy(view.feature_map("clipseg"), phrase)

    def _belonging_here(self, view: View, prompts: PromptSet) -> PromptSet:
        if prompts.view is None or prompts.view == view.name:
            return prompts
        return replace(prompts, points=(), boxes=(), scribbles=())

    def _with_phrase(self, view: View, groups: list[PromptSet], points: list[Point], phrase: Phrase) -> list[PromptSet]:
        """Words beside clicks and boxes help them, words alone decide; a negative click strikes out what it hits."""
        feature_map = view.feature_map("clipseg")
        means = cell_means(self._relevancy(view, phrase.text), feature_map.side)
        blobs = find_blobs(means, view.image_size, feature_map.layout, phrase.threshold, phrase.top_k, seed=phrase.seed)
        across, down = cells_per_pixel(view.image_size, feature_map.side, feature_map.layout)

        def on(blob: Blob, point: Point) -> bool:
            return (int(point.y * down), int(point.x * across)) in blob.cells

        negative = [point for point in points if point.label == 0]
        if not groups:
            kept = [blob for blob in blobs if not any(on(blob, point) for point in negative)]
            peaks = [tuple(Point(x, y) for x, y in blob.peaks) for blob in kept]
            return [PromptSet(points=blob_peaks + tuple(negative)) for blob_peaks in peaks]
        helped = []
        for group in groups:
            clicks = [point for point in group.points if point.label == 1]
            touched = [blob for blob in blobs if any(on(blob, point) for point in clicks)] if clicks else blobs
            peaks = [Point(x, y) for blob in touched for x, y in blob.peaks]
            peaks = [peak for peak in peaks if all(_inside(peak, box) for box in group.boxes)]
            helped.append(replace(group, points=group.points + tuple(peaks)))
        return helped

    def _decode(self, view: View, prompts: PromptSet, candidates: bool) -> MaskPrediction:
        feature_map = view.feature_map("sam")
        prediction = self.mask_decoder.decode(feature_map, prompts, candidates)
        if not candidates or self.refine_candidates:
            for _ in range(self.refinements):
                previous = prediction.best.low_resolution_logits
                prediction = self.mask_decoder.decode(feature_map, prompts, candidates, previous)
        return prediction


def visible_points(view: View, world_points: tuple[WorldPoint, ...], tolerance: float = DEPTH_TOLERANCE) -> list[Point]:
    """World points as image points of the view: those in front of it, inside, and not hidden.

    A point is hidden if its distance agrees with the rendered depth of none of the 3 x 3 pixels around it. A view
    without depth hides nothing.

    Raises:
        SamNerfError: if there are points but the view has no camera.
    """
    if not world_points:
        return []
    if view.camera is None:
        raise SamNerfError(f"view {view.name!r} has no camera, so points of the world cannot be shown in it")
    positions = torch.tensor([[point.x, point.y, point.z] for point in world_points])
    pixels, distances, inside = view.camera.project(positions.to(view.camera.camera_to_world))
    depth = view.depth if bool(inside.any()) else None
    visible = []
    for point, (x, y), distance, in_image in zip(
        world_points, pixels.tolist(), distances.tolist(), inside.tolist(), strict=True
    ):
        if not in_image:
            continue
        if depth is not None:
            row, column = int(y), int(x)
            around = depth[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
            if float((around - distance).abs().min()) > tolerance * distance:
                continue
        visible.append(Point(x, y, point.label))
    return visible


def _inside(point: Point, box: Box) -> bool:
    return box.x1 <= point.x <= box.x2 and box.y1 <= point.y <= box.y2


def group_prompts(points: Sequence[Point], boxes: tuple[Box, ...]) -> list[PromptSet]:
    """Prompt sets for one decoding each; none without a positive point or a box.

    Points with at most one box speak of one thing. Of several boxes each is decoded for itself, with the positive
    points inside it; positive points outside all boxes form a group of their own. Negative points hold everywhere.
    """
    positive = [point for point in points if point.label == 1]
    negative = tuple(point for point in points if point.label == 0)
    if len(boxes) == 1:
        return [PromptSet(points=tuple(points), boxes=boxes)]
    groups = [
        PromptSet(points=tuple(point for point in positive if _inside(point, box)) + negative, boxes=(box,))
        for box in boxes
    ]
    if alone := tuple(point for point in positive if not any(_inside(point, box) for box in boxes)):
        groups.append(PromptSet(points=alone + negative))
    return groups


def _union(predictions: list[MaskPrediction]) -> MaskPrediction:
    """What any of the decodings covers; its score is their mean. Candidates unite rank by rank."""
    if len(predictions) == 1:
        return predictions[0]
    return MaskPrediction(
        torch.stack([p.logits for p in predictions]).amax(0),
        torch.stack([p.scores for p in predictions]).mean(0),
        torch.stack([p.low_resolution_logits for p in predictions]).amax(0),
    )


def no_answer(view: View, reason: str) -> Answer:
    """An empty mask with score 0, and why."""
    empty = MaskPrediction(torch.full((1, *view.image_size), NOTHING), torch.zeros(1), torch.full((1, 1, 1), NOTHING))
    return Answer(empty, (), empty, reason)


def _why_nothing(prompts: PromptSet) -> str:
    if prompts.phrase is not None:
        if prompts.phrase.top_k == 0:
            return f"top_k is 0, so no place that fits {prompts.phrase.text!r} becomes a point"
        return f"nothing reaches the relevancy {prompts.phrase.threshold:g} for {prompts.phrase.text!r}"
    if prompts.world_points:
        return "none of its positive points is visible"
    return "it has no positive prompt"
