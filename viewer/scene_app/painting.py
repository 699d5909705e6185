"""A frame as a person sees it: objects in their colours, what is prompted now, heat, features, depth.

Pictures are 8-bit sRGB. Only what is laid over changes with prompts and sliders; colour is rendered once.
"""

from dataclasses import dataclass
from functools import lru_cache

import matplotlib
import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional

from samnerf.export.pictures import colour_bar, font, heat_map
from samnerf.objects.compositing import OUTLINE_SHARE, outlined, over, tinted
from samnerf.objects.layers import ObjectLayers
from samnerf.objects.palette import object_colour
from samnerf.objects.scene_object import Colour
from samnerf.viewer.scene_app.answers import SceneAnswer
from samnerf.viewer.scene_app.desk import Desk
from samnerf.viewer.scene_app.frames import Frame

BACKDROP: Colour = (24, 25, 29)
"""Behind isolated objects."""
PLATE: Colour = (24, 24, 26)
FAR_PART = 0.98
"""Part of the pixels that the scale of depth reaches; the rest is sky."""

Picture = UInt8[np.ndarray, "height width 3"]


def paint(frame: Frame, desk: Desk, layers: ObjectLayers, answer: SceneAnswer | None = None) -> Picture:
    """What a desk shows of a frame.

    Args:
        frame: rendered without what the desk removes.
        desk: says how.
        layers: the objects.
        answer: to the desk's prompts, in this frame.
    """
    shown = [
        (index, one) for index, one in enumerate(layers.objects) if one.visible and one.object_id not in desk.removed
    ]
    isolated = [index for index, one in shown if one.object_id in desk.isolated]
    picture, scale = _ground(frame, desk, answer)
    colour = torch.from_numpy(picture.astype(np.float32) / 255)
    if desk.mode in ("Masks", "Outlines"):
        alphas = frame.alphas(layers)
        marked = [(alphas.alpha(index), one.colour) for index, one in shown]
        if answer is not None and answer.mask.any():
            marked.append((torch.from_numpy(answer.coverage), object_colour(layers.next_id)))
        colour = _marked(colour, marked, desk)
    elif answer is not None and answer.mask.any() and desk.mode == "Relevancy":
        width = max(1.0, OUTLINE_SHARE * min(answer.mask.shape))
        colour = outlined(colour, torch.from_numpy(answer.coverage), (255, 255, 255), width)
    if isolated:
        alphas = frame.alphas(layers)
        alone = torch.stack([alphas.alpha(index) for index in isolated]).sum(dim=0).clamp(0, 1)
        colour = over(colour, alone, BACKDROP)
    picture = (colour.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    return picture if scale is None else with_scale(picture, scale)


def _marked(
    colour: Float[Tensor, "height width 3"], marked: list[tuple[Float[Tensor, "height width"], Colour]], desk: Desk
) -> Float[Tensor, "height width 3"]:
    width = max(1.0, OUTLINE_SHARE * min(colour.shape[:2]) * (1 if desk.mode == "Masks" else 2))
    if desk.mode == "Masks":
        for alpha, tone in marked:
            colour = tinted(colour, alpha, tone, desk.settings.opacity)
    for alpha, tone in marked:
        colour = outlined(colour, alpha, tone, width)
    return colour


@dataclass(frozen=True)
class Scale:
    """A bar of colours and what its ends mean.

    Attributes:
        colours: from the top down.
        top, bottom: words at its ends.
    """

    colours: UInt8[np.ndarray, "length 3"]
    top: str
    bottom: str


def _ground(frame: Frame, desk: Desk, answer: SceneAnswer | None) -> tuple[Picture, Scale | None]:
    if desk.mode == "Relevancy" and answer is not None and answer.relevancy is not None:
        return heat_map(frame.view.rgb, answer.relevancy), Scale(colour_bar(256, 1)[:, 0], "1", "0")
    if desk.mode == "Features":
        return feature_picture(frame), None
    if desk.mode == "Depth":
        return _depth_picture(frame)
    return frame.view.rgb, None


def _depth_picture(frame: Frame) -> tuple[Picture, Scale]:
    """Near is bright; the scale is even in the inverse of depth, as what one sees is."""
    depth = frame.rendering.depth.clamp_min(1e-6)
    near, far = float(depth.min()), float(torch.quantile(depth.flatten(), FAR_PART))
    even = (1 / depth - 1 / far) / max(1 / near - 1 / far, 1e-9)
    colours = _depth_colours()
    picture = colours[(even.clamp(0, 1) * 255).round().long().numpy()]
    return picture, Scale(colours[::-1], f"{near:.2g}", f"{far:.2g}")


@lru_cache(maxsize=1)
def _depth_colours() -> UInt8[np.ndarray, "256 3"]:
    return (matplotlib.colormaps["viridis"](np.linspace(0, 1, 256))[:, :3] * 255).round().astype(np.uint8)


def feature_picture(frame: Frame) -> Picture:
    """The three principal directions of SAM's features in the frame as red, green and blue, at its size."""
    feature_map = frame.view.feature_map("sam")
    values = feature_map.values.cpu().float()
    covered = feature_map.covered
    cells = values[:, covered].T
    mean = cells.mean(dim=0)
    directions = torch.linalg.eigh((cells - mean).T @ (cells - mean)).eigenvectors[:, -3:].flip(-1)
    # An eigenvector may point either way; its largest part decides, so that colours do not flip from view to view.
    largest = directions.abs().argmax(dim=0)
    directions = directions * directions[largest, torch.arange(3)].sign()
    projected = (values.flatten(1).T - mean) @ directions
    spread = ((cells - mean) @ directions).std(dim=0, correction=0).clamp_min(1e-9)
    grid = (projected / (4 * spread) + 0.5).clamp(0, 1).T.reshape(1, 3, feature_map.side, feature_map.side)
    height, width = frame.view.image_size
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    places = feature_map.to_cells(torch.stack([x, y], dim=-1)) / feature_map.side * 2 - 1
    picture = functional.grid_sample(grid, places[None], padding_mode="border", align_corners=False)[0]
    return (picture.permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()


def with_scale(picture: Picture, scale: Scale) -> Picture:
    """A picture with a bar of colours on a dark plate, at the bottom left."""
    height = picture.shape[0]
    unit = max(1, height // 160)
    length = max(1, min(height // 3, 64 * unit))
    left, bottom = 5 * unit, height - 5 * unit
    canvas = Image.fromarray(picture)
    draw = ImageDraw.Draw(canvas)
    plate = [left, bottom - length - 8 * unit, left + 30 * unit, bottom]
    draw.rounded_rectangle(plate, 3 * unit, fill=PLATE)
    bar = Image.fromarray(np.ascontiguousarray(scale.colours)[:, None]).resize((5 * unit, length))
    canvas.paste(bar, (left + 4 * unit, bottom - length - 4 * unit))
    for words, y in ((scale.top, bottom - length - 4 * unit), (scale.bottom, bottom - 4 * unit)):
        draw.text((left + 12 * unit, y), words, (255, 255, 255), font(max(7, 6 * unit)), anchor="lm")
    return np.asarray(canvas)
