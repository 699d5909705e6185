"""A picture, or a view of a trained scene, and what is said of it -> masks with scores.

    from samnerf.images.prompts import ImagePrompts
    from samnerf.images.segmentation import segment_image

    cube = segment_image("photo.jpg", ImagePrompts(points=[[120, 80], [30, 40]], labels=[1, 0]))
    everything = segment_image("photo.jpg")
    named = segment_image(scene.view(camera, "left"), ImagePrompts(text="striped red cube"), teachers=scene.pair)

Any point, box or phrase means prompt mode; none means automatic masks. `ImageSegmenter` loads the teachers once for
many pictures.
"""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped, UInt8
from PIL import Image

from samnerf.errors import SamNerfError
from samnerf.feature_map import FeatureMap
from samnerf.images.automatic_masks import automatic_masks
from samnerf.images.prompts import ImagePrompts
from samnerf.images.result import ImageMask, ImageSegmentation
from samnerf.images.settings import ImageSettings
from samnerf.mask_cleaning import clean_mask
from samnerf.matting.matter import Matter, load_matter
from samnerf.preprocessing.images import read_picture, rgb_pixels
from samnerf.prompts import Box, Point, PromptSet
from samnerf.session import Session
from samnerf.teachers.contracts import Encoder, TextDecoder
from samnerf.teachers.pairs import Kind, feature_specs, load_encoder, load_mask_decoder, load_text_decoder
from samnerf.view import ImageView, View

Picture = View | Path | str | Shaped[np.ndarray, "..."]
"""A view, an image file, or pixels (see `samnerf.preprocessing.images.rgb_pixels`)."""
SPRINKLE_CELLS = 8
"""Area of the holes and islands that post-processing removes, in cells of SPRINKLE_GRID; SAM 2's fill_hole_area."""
SPRINKLE_GRID = 256
"""Cells along the longer side of the picture, those of SAM's low-resolution masks."""


class ImageSegmenter:
    """One pair of teachers for many pictures; each network is loaded when it is first needed, and kept.

    Args:
        teachers: name of the pair; for a view of a scene, that of the scene.
        device: where to compute, e.g. cpu or cuda.

    Raises:
        SamNerfError: if there is no such pair; later, if its weights are missing.
    """

    def __init__(self, teachers: str = "tiny", device: str = "cpu") -> None:
        feature_specs(teachers)
        self.teachers = teachers
        self.device = device
        self.encoder = cache(self._load_encoder)
        self.text_decoder = cache(self._load_text_decoder)
        self.mask_decoder = load_mask_decoder(teachers, device)
        self.matter = cache(self._load_matter)

    def segment(
        self,
        picture: Picture,
        prompts: ImagePrompts = ImagePrompts(),  # noqa: B008  (frozen)
        settings: ImageSettings = ImageSettings(),  # noqa: B008
    ) -> ImageSegmentation:
        """The masks of one picture. See `segment_image`."""
        return segment_view(self.view(picture), self.session(prompts), prompts, settings)

    def view(self, picture: Picture, name: str = "image") -> View:
        """A picture as something that can be prompted; a view is one already."""
        if isinstance(picture, View):
            return picture
        pixels = rgb_pixels(picture) if isinstance(picture, np.ndarray) else read_picture(Path(picture))
        return ImageView(name, pixels, self._encode)

    def session(self, prompts: ImagePrompts) -> Session:
        """Decoders for what was said; the text decoder only if there are words."""
        return Session(self.mask_decoder, self.text_decoder() if prompts.text else None)

    def _encode(self, kind: Kind, image: UInt8[np.ndarray, "height width 3"]) -> FeatureMap:
        return self.encoder(kind).encode(image)

    def _load_encoder(self, kind: Kind) -> Encoder:
        return load_encoder(self.teachers, kind, self.device)

    def _load_matter(self) -> Matter:
        return load_matter(self.mask_decoder)

    def _load_text_decoder(self) -> TextDecoder:
        return load_text_decoder(self.teachers, self.device)


def segment_image(
    picture: Picture,
    prompts: ImagePrompts = ImagePrompts(),  # noqa: B008  (frozen)
    settings: ImageSettings = ImageSettings(),  # noqa: B008
    teachers: str = "tiny",
    device: str = "cpu",
) -> ImageSegmentation:
    """The masks of what was said, or of everything if nothing was said.

    Args:
        picture: an image file, which is turned upright, pixels, or a view of a scene.
        prompts: in pixels of the upright picture.
        settings: how.
        teachers: name of the pair; for a view of a scene, that of the scene.
        device: where to compute, e.g. cpu or cuda.

    Raises:
        SamNerfError: if the picture cannot be read, a prompt lies outside of it, or weights are missing.
    """
    return ImageSegmenter(teachers, device).segment(picture, prompts, settings)


@torch.no_grad()
def segment_view(view: View, session: Session, prompts: ImagePrompts, settings: ImageSettings) -> ImageSegmentation:
    """As `segment_image`, with decoders that are there already; of the session only these are used.

    Raises:
        SamNerfError: if a prompt lies outside of the view, or the settings ask to encode a view that is rendered.
    """
    seen = _resized(view, settings.input_size_percent)
    if prompts.empty:
        found = automatic_masks(seen, session.mask_decoder, settings)
        reason = None if found else _why_none(settings)
        return ImageSegmentation(view.image_size, "automatic", _finished(found, seen, view, settings), reason=reason)
    decoders = Session(
        session.mask_decoder,
        session.text_decoder,
        int(settings.use_m2m),
        refine_candidates=True,
        by_depth=session.by_depth,
    )
    found, decoded, reasons = [], [], []
    for object_id, said in enumerate(prompts.objects, start=1):
        said.check(view.image_size)
        answer = decoders.answer(seen, _moved(said, view.image_size, seen.image_size), settings.multimask_output)
        decoded += [(object_id, _moved(one, seen.image_size, view.image_size)) for one in answer.decoded]
        if answer.reason is not None:
            reasons.append(answer.reason)
            continue
        masks = (answer.prediction.logits > settings.mask_threshold).cpu().numpy()
        scores = answer.prediction.scores.tolist()
        for rank in sorted(range(len(scores)), key=lambda i: -scores[i]):
            found.append(ImageMask(object_id, masks[rank], scores[rank]))
    return ImageSegmentation(
        view.image_size,
        "prompt",
        _finished(found, seen, view, settings),
        tuple(decoded),
        _relevancy(decoders, seen, view, prompts.text.strip()) if prompts.text else None,
        None if found else "; ".join(reasons),
    )


def _resized(view: View, percent: float) -> View:
    """The view as the encoders see it."""
    if percent == 100:
        return view
    if view.encode is None:
        raise SamNerfError(
            f"the features of view {view.name!r} are rendered, so no picture of another size can be encoded; "
            "set input_size_percent to 100"
        )
    height, width = (max(1, round(side * percent / 100)) for side in view.image_size)
    smaller = Image.fromarray(view.rgb).resize((width, height), Image.Resampling.BILINEAR)
    return ImageView(view.name, np.array(smaller), view.encode)


def _moved(prompts: PromptSet, here: tuple[int, int], there: tuple[int, int]) -> PromptSet:
    """Points and boxes of a picture of size (H, W) in the same picture at another size."""

    def x(value: float) -> float:
        return value * there[1] / here[1]

    def y(value: float) -> float:
        return value * there[0] / here[0]

    points = tuple(Point(x(point.x), y(point.y), point.label) for point in prompts.points)
    boxes = tuple(Box(x(box.x1), y(box.y1), x(box.x2), y(box.y2)) for box in prompts.boxes)
    return replace(prompts, points=points, boxes=boxes)


def _finished(
    found: tuple[ImageMask, ...] | list[ImageMask], seen: View, view: View, settings: ImageSettings
) -> tuple[ImageMask, ...]:
    """Masks at the size of the picture, cleaned if that was asked for."""
    (height, width), (rows, columns) = view.image_size, seen.image_size
    sprinkle = round(SPRINKLE_CELLS * (max(height, width) / SPRINKLE_GRID) ** 2) if settings.apply_postprocessing else 0
    finished = []
    for one in found:
        point = one.point and (one.point[0] * width / columns, one.point[1] * height / rows)
        mask = clean_mask(_restored(one.mask, view.image_size), sprinkle, sprinkle)
        finished.append(replace(one, mask=mask, point=point))
    return tuple(finished)


def _restored(mask: Bool[np.ndarray, "rows columns"], image_size: tuple[int, int]) -> Bool[np.ndarray, "height width"]:
    """The mask at the size of the picture; each pixel takes the nearest one."""
    if mask.shape == image_size:
        return mask
    height, width = image_size
    return np.array(Image.fromarray(mask.astype(np.uint8)).resize((width, height), Image.Resampling.NEAREST), bool)


def _relevancy(session: Session, seen: View, view: View, phrase: str) -> Float[np.ndarray, "height width"]:
    relevancy = session.relevancy(seen, phrase).cpu().numpy().astype(np.float32)
    if seen is view:
        return relevancy
    height, width = view.image_size
    return np.array(Image.fromarray(relevancy).resize((width, height), Image.Resampling.BILINEAR))


def _why_none(settings: ImageSettings) -> str:
    return (
        f"no point of the grid gave a mask with a predicted quality above {settings.iou_thres:g} (iou_thres) "
        f"and a stability of at least {settings.stability_score_thresh:g} (stability_score_thresh); lower these two"
    )
