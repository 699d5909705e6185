"""Pictures for people: masks laid over a view, prompts drawn on it, heat maps, and sheets of many views.

Pictures are 8-bit sRGB arrays. Drawing is done at a multiple of the size and reduced, so that thin lines are smooth.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from samnerf.masks import mask_window
from samnerf.prompts import PromptSet

Colour = tuple[int, int, int]
INK: Colour = (28, 31, 38)
QUIET: Colour = (112, 118, 130)
PAPER: Colour = (250, 250, 248)
POSITIVE: Colour = (64, 214, 130)
NEGATIVE: Colour = (240, 62, 62)
SMOOTHING = 4
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)


def overlay(
    rgb: UInt8[np.ndarray, "height width 3"],
    masks: Iterable[tuple[Bool[np.ndarray, "height width"], Colour]],
    opacity: float = 0.45,
    dimmed: float = 0.0,
) -> UInt8[np.ndarray, "height width 3"]:
    """Masks as translucent colours with outlines; later ones lie above earlier ones.

    Args:
        rgb: the view.
        masks: each with its object's colour; looked at one by one.
        opacity: of the fill, 0 to 1.
        dimmed: how much of colour and light is taken from the view, 0 to 1, so that masks stand out.
    """
    picture = rgb.astype(np.float32)
    grey = (picture @ LUMINANCE)[..., None]
    picture = (1 - 0.35 * dimmed) * ((1 - dimmed) * picture + dimmed * grey)
    rims = []
    for mask, colour in masks:
        tone = np.array(colour, np.float32)
        window = mask_window(mask, 1)
        inside = mask[window]
        picture[window][inside] += opacity * (tone - picture[window][inside])
        # The rim is drawn inside the mask, so that neighbours keep theirs; the image's own border is no rim.
        inner = ndimage.binary_erosion(inside, iterations=max(1, min(rgb.shape[:2]) // 200), border_value=1)
        rows, columns = np.nonzero(inside & ~np.asarray(inner, bool))
        rims.append((rows + window[0].start, columns + window[1].start, 0.8 * tone + 0.2 * 255))
    for rows, columns, tone in rims:
        picture[rows, columns] = tone
    return picture.round().clip(0, 255).astype(np.uint8)


def heat_map(
    rgb: UInt8[np.ndarray, "height width 3"], relevancy: Float[np.ndarray, "height width"]
) -> UInt8[np.ndarray, "height width 3"]:
    """Relevancy, 0 to 1, as colours of the map "inferno" over the view in grey, which shows where little fits."""
    grey = (rgb.astype(np.float32) @ LUMINANCE)[..., None]
    colours = _colour_map()[(relevancy.clip(0, 1) * 255).round().astype(int)].astype(np.float32)
    share = 0.35 + 0.5 * relevancy.clip(0, 1)[..., None]
    return ((1 - share) * grey + share * colours).round().clip(0, 255).astype(np.uint8)


def colour_bar(height: int, width: int = 14) -> UInt8[np.ndarray, "height width 3"]:
    """The colours of `heat_map`, 1 at the top and 0 at the bottom."""
    ramp = _colour_map()[np.linspace(255, 0, height).round().astype(int)]
    return np.repeat(ramp[:, None], width, axis=1)


def with_bar(picture: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "height wider 3"]:
    """A heat map with its scale, 0 to 1, at the right."""
    height = picture.shape[0]
    size = max(10, height // 20)
    canvas = Image.new("RGB", (picture.shape[1] + 14 + 3 * size, height), PAPER)
    canvas.paste(Image.fromarray(picture), (0, 0))
    left = picture.shape[1] + size // 2
    canvas.paste(Image.fromarray(colour_bar(height)), (left, 0))
    draw = ImageDraw.Draw(canvas)
    for value, y, anchor in (("1", 0, "lt"), ("0.5", height / 2, "lm"), ("0", height - 1, "lb")):
        draw.text((left + 14 + size // 3, y), value, INK, font(size), anchor=anchor)
    return np.asarray(canvas)


def draw_prompts(
    rgb: UInt8[np.ndarray, "height width 3"], prompt_sets: Sequence[tuple[PromptSet, Colour]]
) -> UInt8[np.ndarray, "height width 3"]:
    """Clicks, boxes and scribbles on the view they belong to; a plus adds, a minus takes away."""
    unit = max(1.0, min(rgb.shape[:2]) / 256)
    region = _marked_region(rgb.shape[:2], prompt_sets, margin=round(8 * unit))
    if region is None:
        return rgb
    left, top, right, bottom = region
    scale = SMOOTHING
    size = ((right - left) * scale, (bottom - top) * scale)
    part = Image.fromarray(rgb[top:bottom, left:right])
    canvas = part.resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(canvas)

    def at(x: float, y: float) -> tuple[float, float]:
        return (x - left) * scale, (y - top) * scale

    for prompts, colour in prompt_sets:
        for box in prompts.boxes:
            corners = [*at(box.x1, box.y1), *at(box.x2, box.y2)]
            draw.rectangle(corners, outline=(255, 255, 255), width=round(3.2 * unit * scale))
            draw.rectangle(corners, outline=colour, width=round(1.6 * unit * scale))
        for scribble in prompts.scribbles:
            path = [at(x, y) for x, y in scribble.path]
            draw.line(path, (255, 255, 255), round(4.5 * unit * scale), joint="curve")
            draw.line(path, colour if scribble.label else NEGATIVE, round(2.5 * unit * scale), joint="curve")
        for point in prompts.points:
            _marker(draw, *at(point.x, point.y), unit * scale, colour if point.label else NEGATIVE, point.label)
    picture = rgb.copy()
    picture[top:bottom, left:right] = np.asarray(canvas.resize(part.size, Image.Resampling.LANCZOS))
    return picture


def _marked_region(
    image_size: tuple[int, int], prompt_sets: Sequence[tuple[PromptSet, Colour]], margin: int
) -> tuple[int, int, int, int] | None:
    """(left, top, right, bottom) of what prompts can touch, pixels; None where there are none inside the picture."""
    places: list[tuple[float, float]] = []
    for prompts, _ in prompt_sets:
        places += [(point.x, point.y) for point in prompts.points]
        places += [corner for box in prompts.boxes for corner in ((box.x1, box.y1), (box.x2, box.y2))]
        places += [place for scribble in prompts.scribbles for place in scribble.path]
    if not places:
        return None
    x, y = np.array(places).T
    height, width = image_size
    left, top = max(0, int(x.min()) - margin), max(0, int(y.min()) - margin)
    right, bottom = min(width, int(x.max()) + margin + 1), min(height, int(y.max()) + margin + 1)
    return (left, top, right, bottom) if left < right and top < bottom else None


def _marker(draw: ImageDraw.ImageDraw, x: float, y: float, unit: float, colour: Colour, label: int) -> None:
    for radius, fill in ((6.2, INK), (5.6, (255, 255, 255)), (4.4, colour)):
        r = radius * unit
        draw.ellipse([x - r, y - r, x + r, y + r], fill=fill)
    arm, thick = 2.6 * unit, 0.65 * unit
    draw.rectangle([x - arm, y - thick, x + arm, y + thick], fill=(255, 255, 255))
    if label:
        draw.rectangle([x - thick, y - arm, x + thick, y + arm], fill=(255, 255, 255))


@dataclass(frozen=True)
class Sheet:
    """A grid of pictures with words around them.

    Attributes:
        title, subtitle: above everything.
        columns: a heading for each column.
        rows: a label and one picture per column, each with a caption (may be empty).
        scale_at: the column of heat maps, whose scale is drawn beside its heading.
        legend: names and colours, below.
        footer: last line.
    """

    title: str
    subtitle: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[tuple[UInt8[np.ndarray, "_ _ 3"], str]]]]
    scale_at: int | None = None
    legend: Sequence[tuple[str, Colour]] = field(default=())
    footer: str = ""


def draw_sheet(sheet: Sheet, tile: int = 320) -> Image.Image:
    """The sheet with pictures `tile` pixels wide.

    Raises:
        ValueError: if a row has not one picture per column.
    """
    for label, pictures in sheet.rows:
        if len(pictures) != len(sheet.columns):
            raise ValueError(f"row {label!r} has {len(pictures)} pictures for {len(sheet.columns)} columns")
    margin, gap, caption = 48, 16, 30
    heights = [max(tile * p.shape[0] // p.shape[1] for p, _ in pictures) for _, pictures in sheet.rows]
    width = 2 * margin + len(sheet.columns) * tile + (len(sheet.columns) - 1) * gap
    legend_lines = _legend_lines(sheet.legend, width - 2 * margin)
    top = margin + 84
    height = top + 34 + sum(h + caption + gap for h in heights) + 26 * len(legend_lines) + 34 + margin // 2
    canvas = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(canvas)
    draw.text((margin, margin), sheet.title, INK, font(30, bold=True), anchor="lt")
    draw.text((margin, margin + 44), sheet.subtitle, QUIET, font(15), anchor="lt")
    for i, heading in enumerate(sheet.columns):
        draw.text((margin + i * (tile + gap), top + 8), heading, INK, font(15, bold=True), anchor="lt")
        if i == sheet.scale_at:
            _scale(canvas, margin + i * (tile + gap) + tile, top + 8)
    y = top + 34
    for (label, pictures), row_height in zip(sheet.rows, heights, strict=True):
        for i, (picture, words) in enumerate(pictures):
            x = margin + i * (tile + gap)
            size = (tile, tile * picture.shape[0] // picture.shape[1])
            canvas.paste(_rounded(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS)), (x, y))
            text = words if i or not label else f"{label}   {words}".strip()
            draw.text((x, y + row_height + 7), _fitted(text, tile, 13), QUIET, font(13), anchor="lt")
        y += row_height + caption + gap
    for line in legend_lines:
        x = margin
        for name, colour in line:
            draw.rounded_rectangle([x, y + 2, x + 14, y + 16], 4, fill=colour)
            draw.text((x + 21, y + 9), name, INK, font(13), anchor="lm")
            x += _legend_width(name)
        y += 26
    draw.text((margin, y + 12), _fitted(sheet.footer, width - 2 * margin, 12), QUIET, font(12), anchor="lt")
    return canvas


def _scale(canvas: Image.Image, right: int, top: int, length: int = 72) -> None:
    draw = ImageDraw.Draw(canvas)
    bar = Image.fromarray(np.ascontiguousarray(colour_bar(length, 12)[::-1].transpose(1, 0, 2)))
    draw.text((right, top), "1", QUIET, font(13), anchor="rt")
    canvas.paste(_rounded(bar, 3), (right - 14 - length, top + 1))
    draw.text((right - 20 - length, top), "0", QUIET, font(13), anchor="rt")


def _rounded(picture: Image.Image, radius: int = 6) -> Image.Image:
    mask = Image.new("L", (picture.width * 2, picture.height * 2), 0)
    ImageDraw.Draw(mask).rounded_rectangle([0, 0, mask.width - 1, mask.height - 1], radius * 2, fill=255)
    paper = Image.new("RGB", picture.size, PAPER)
    return Image.composite(picture, paper, mask.resize(picture.size, Image.Resampling.LANCZOS))


def _legend_width(name: str) -> int:
    return 21 + round(font(13).getlength(name)) + 26


def _legend_lines(legend: Sequence[tuple[str, Colour]], width: int) -> list[list[tuple[str, Colour]]]:
    lines: list[list[tuple[str, Colour]]] = []
    used = width + 1
    for name, colour in legend:
        needed = _legend_width(name)
        if used + needed > width:
            lines.append([])
            used = 0
        lines[-1].append((name, colour))
        used += needed
    return lines


def _fitted(text: str, width: int, size: int) -> str:
    """The text, cut with an ellipsis where it would be wider than `width` pixels."""
    if font(size).getlength(text) <= width:
        return text
    while text and font(size).getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"


@lru_cache(maxsize=32)
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib; `size` in pixels."""
    from matplotlib import get_data_path

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(get_data_path()) / "fonts" / "ttf" / name), size)


@lru_cache(maxsize=1)
def _colour_map() -> UInt8[np.ndarray, "256 3"]:
    from matplotlib import colormaps

    return (colormaps["inferno"](np.linspace(0, 1, 256))[:, :3] * 255).round().astype(np.uint8)
