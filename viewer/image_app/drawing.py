"""A desk as a picture: masks in their colours, prompts, and where the words fit."""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image, ImageDraw

from samnerf.export.pictures import Colour, colour_bar, draw_prompts, font, heat_map, overlay
from samnerf.objects.palette import object_colour
from samnerf.prompts import Box, Point, PromptSet
from samnerf.viewer.image_app.desk import Desk

CORNER: Colour = (56, 178, 255)
PLATE: Colour = (24, 24, 26)
OPACITY = 0.45
SCALE_LENGTH = 150
"""Of the colour bar, pixels; of low pictures it takes no more than a third."""


def draw_desk(desk: Desk) -> UInt8[np.ndarray, "rows columns 3"]:
    """The picture as it is shown, with all that is known of it.

    Where the words fit replaces its colours if that was asked for; masks are outlined then, and a scale stands in the
    corner at the bottom right.
    """
    relevancy = desk.answer.relevancy if desk.answer is not None and desk.heat else None
    picture = desk.shown if relevancy is None else heat_map(desk.shown, _resized(relevancy, desk))
    picture = draw_prompts(overlay(picture, _tints(desk), OPACITY if relevancy is None else 0.0), _marks(desk))
    return picture if relevancy is None else _with_scale(picture)


def _tints(desk: Desk) -> list[tuple[Bool[np.ndarray, "rows columns"], Colour]]:
    """Masks with their colours; smaller ones lie above larger ones and hide them, so that each can be seen."""
    tints = []
    hidden = np.zeros(desk.shown.shape[:2], bool)
    for one in sorted(desk.chosen, key=lambda one: one.area):
        mask = _resized_mask(one.mask, desk)
        tints.append((mask & ~hidden, object_colour(one.object_id)))
        hidden |= mask
    return tints


def _marks(desk: Desk) -> list[tuple[PromptSet, Colour]]:
    """What was said, and what words became, in pixels of the shown picture."""
    said = PromptSet(points=desk.said.points, boxes=desk.said.boxes)
    decoded = desk.answer.decoded if desk.answer is not None else ()
    marks = [(said, object_colour(1)), *((prompts, object_colour(object_id)) for object_id, prompts in decoded)]
    if desk.corner is not None:
        marks.append((PromptSet(points=(Point(*desk.corner),)), CORNER))
    across, down = desk.scale
    return [
        (
            replace(
                prompts,
                points=tuple(Point(p.x * across, p.y * down, p.label) for p in prompts.points),
                boxes=tuple(Box(b.x1 * across, b.y1 * down, b.x2 * across, b.y2 * down) for b in prompts.boxes),
            ),
            colour,
        )
        for prompts, colour in marks
    ]


def _with_scale(picture: UInt8[np.ndarray, "rows columns 3"]) -> UInt8[np.ndarray, "rows columns 3"]:
    """The colours of the heat map and what they mean, 0 to 1, on a dark plate."""
    rows, columns = picture.shape[:2]
    length = min(SCALE_LENGTH, rows // 3)
    right, bottom = columns - 12, rows - 12
    canvas = Image.fromarray(picture)
    draw = ImageDraw.Draw(canvas)
    draw.rounded_rectangle([right - 52, bottom - length - 20, right, bottom], 6, fill=PLATE)
    canvas.paste(Image.fromarray(colour_bar(max(1, length), 10)), (right - 42, bottom - length - 10))
    for value, part in (("1", 0.0), ("0.5", 0.5), ("0", 1.0)):
        draw.text((right - 26, bottom - length - 10 + part * length), value, (255, 255, 255), font(12), anchor="lm")
    return np.asarray(canvas)


def _resized(values: Float[np.ndarray, "height width"], desk: Desk) -> Float[np.ndarray, "rows columns"]:
    rows, columns = desk.shown.shape[:2]
    return np.array(Image.fromarray(values).resize((columns, rows), Image.Resampling.BILINEAR))


def _resized_mask(mask: Bool[np.ndarray, "height width"], desk: Desk) -> Bool[np.ndarray, "rows columns"]:
    rows, columns = desk.shown.shape[:2]
    if mask.shape == (rows, columns):
        return mask
    return np.array(Image.fromarray(mask).resize((columns, rows), Image.Resampling.NEAREST), bool)
