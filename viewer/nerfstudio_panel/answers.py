"""From what nerfstudio's viewer shows, and what was said, to the pictures `objects` and `relevancy`."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, UInt8
from nerfstudio.cameras.cameras import CameraType
from torch import Tensor

from samnerf.camera import Camera
from samnerf.distill.cameras import from_nerfstudio, to_nerfstudio
from samnerf.distill.colour_model import ColourModel, Shown
from samnerf.errors import SamNerfError
from samnerf.export.pictures import draw_prompts, heat_map, overlay
from samnerf.feature_map import FeatureMap
from samnerf.objects.lifting import DEPTH_WINDOW, lift_point
from samnerf.objects.palette import object_colour
from samnerf.prompts import Point, PromptSet, WorldPoint
from samnerf.session import Session
from samnerf.teachers.pairs import Kind
from samnerf.view import ImageView
from samnerf.viewer.nerfstudio_panel.shared_prompts import ClickedRay

OBJECTS, RELEVANCY = "objects", "relevancy"
PIXELS_PER_LENGTH = 500.0
"""Focal length, in pixels, of the small picture that finds out where a click ends; about that of the viewer."""

Picture = Float[Tensor, "height width 3"]
Bytes = UInt8[np.ndarray, "height width 3"]


@dataclass(frozen=True, eq=False)
class ViewerAnswer:
    """An answer.

    Attributes:
        pictures: by the names of outputs, 0 to 1, on the CPU; only those that were asked for.
        words: how it went, for a person; Markdown without anything that came from outside.
        reason: why there is no mask, in words; None if there is one, or none was asked for.
    """

    pictures: dict[str, Picture] = field(default_factory=dict)
    words: str = ""
    reason: str | None = None


def view_of(shown: Shown, encode: Callable[[Kind, Bytes], FeatureMap]) -> ImageView:
    """What the viewer shows as a view that can be prompted; nothing is rendered again.

    Args:
        shown: colours, depth, and features if they were distilled.
        encode: runs the encoder of a kind, for a scene without distillation.

    Raises:
        SamNerfError: if its camera is not a perspective one.
    """
    camera_type = int(shown.camera.camera_type.flatten()[0])
    if camera_type != CameraType.PERSPECTIVE.value:
        name = CameraType(camera_type).name.lower()
        raise SamNerfError(f"the preview's camera is {name}, and prompts need a perspective one; choose Perspective")

    def feature_map(kind: Kind, image: Bytes) -> FeatureMap:
        return shown.maps[kind] if shown.maps else encode(kind, image)

    depth = shown.outputs["depth"][..., 0].float().cpu()
    return ImageView("viewer", _bytes(shown.outputs["rgb"]), feature_map, from_nerfstudio(shown.camera), depth)


def answer(
    session: Session, view: ImageView, said: PromptSet, ground: Picture, wanted: Collection[str]
) -> ViewerAnswer:
    """The pictures that are wanted, `objects` and `relevancy`, of what was said.

    Args:
        session: the decoders.
        view: what the viewer shows.
        said: world points and perhaps a phrase.
        ground: what masks are laid over, 0 to 1.
        wanted: names of outputs.

    Raises:
        SamNerfError: if there is a phrase but no text decoder.
    """
    pictures: dict[str, Picture] = {}
    words, reason = [], None
    if RELEVANCY in wanted and said.phrase is not None:
        relevancy = session.relevancy(view, said.phrase.text).float().cpu()
        pictures[RELEVANCY] = _floats(heat_map(view.rgb, relevancy.numpy()))
        words.append(f"The words fit up to **{float(relevancy.max()):.2f}**.")
    if OBJECTS in wanted and not said.empty:
        found = session.answer(view, said)
        mask = found.prediction.mask().cpu().numpy()
        reason = found.reason or (None if mask.any() else "the mask is empty; add a click")
        colour = object_colour(1)
        picture = overlay(_bytes(ground), [(mask, colour)])
        pictures[OBJECTS] = _floats(draw_prompts(picture, [(one, colour) for one in found.decoded]))
        if reason is None:
            score = float(found.prediction.best.scores[0])
            words.append(f"**Score {score:.2f}**, {100 * float(mask.mean()):.1f} % of the picture.")
    return ViewerAnswer(pictures, " ".join(words), reason)


def met_by(model: ColourModel, ray: ClickedRay, shown: Shown) -> WorldPoint:
    """Where the ray of a click meets the scene, within the crop that is shown."""
    side = 2 * DEPTH_WINDOW + 1
    camera = _looking_along(ray, side)
    rays = to_nerfstudio(camera).generate_rays(camera_indices=0, keep_shape=True, obb_box=shown.crop)
    depth = model.get_outputs_for_camera_ray_bundle(rays)["depth"][..., 0].cpu()
    return lift_point(camera, depth, Point(side / 2, side / 2, ray.label))


def _looking_along(ray: ClickedRay, side: int) -> Camera:
    """A camera of `side` x `side` pixels in whose middle is what a ray meets."""
    origin, direction = torch.tensor(ray.origin), torch.tensor(ray.direction)
    backwards = -direction / direction.norm()
    # Any axis that is not along the ray gives the picture a side.
    across = torch.linalg.cross(torch.eye(3)[int(backwards.abs().argmin())], backwards)
    across = across / across.norm()
    pose = torch.stack([across, torch.linalg.cross(backwards, across), backwards, origin], dim=1)
    return Camera(pose, PIXELS_PER_LENGTH, PIXELS_PER_LENGTH, side / 2, side / 2, side, side)


def _bytes(picture: Picture) -> Bytes:
    return (picture.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()


def _floats(picture: Bytes) -> Picture:
    return torch.from_numpy(picture).float() / 255
