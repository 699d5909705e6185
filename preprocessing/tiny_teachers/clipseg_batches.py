"""Batches for the tiny CLIPSeg: windows of varied images, and what phrases and cells should answer there.

A window is a square part of the encoder's grid. Attention costs the square of the number of cells, so most of
the training looks at windows of 16 x 16 cells, with the position embeddings of a random place of the grid; the
last part looks at whole images.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from samnerf.preprocessing.synthetic.scene import NamedObject
from samnerf.preprocessing.synthetic.training_images import TrainingImage, TrainingImages
from samnerf.preprocessing.tiny_teachers.clipseg_phrases import ATTRIBUTES, KIND_CHANCES, Description, drawn_description
from samnerf.teachers.clipseg import IMAGENET_MEAN, IMAGENET_STD
from samnerf.teachers.tiny_clipseg import IMAGE_SIDE, PATCH, SIDE

SMALLEST_VISIBLE = 40
"""Pixels of a window that an object must fill before a phrase is about it."""
OUTPUT_STRIDE = 2
"""Pixels per cell of the decoder's output grid: its two transposed convolutions enlarge a patch of 8 fourfold."""


@dataclass(frozen=True)
class Windows:
    """A batch of windows.

    Attributes:
        pixels: normalised; the side in pixels is `PATCH` times the side in cells.
        ids: instance IDs, 0 for the background.
        positions: of each cell in the encoder's grid, row by row, counted from 0.
        objects: of each window's image; object i has the ID i + 1.
    """

    pixels: Float[Tensor, "windows 3 rows columns"]
    ids: Int64[Tensor, "windows rows columns"]
    positions: Int64[Tensor, "windows cells"]
    objects: tuple[tuple[NamedObject, ...], ...]

    def attribute_shares(self, attribute: str) -> Float[Tensor, "windows classes cell_rows cell_columns"]:
        """Which share of each cell every word of an attribute has; class 0 is the background."""
        words = ATTRIBUTES[attribute]
        shares = []
        for of_objects, objects in zip(self._object_shares, self.objects, strict=True):
            classes = torch.tensor([0, *(1 + words.index(getattr(thing, attribute)) for thing in objects)])
            empty = of_objects.new_zeros(len(words) + 1, *of_objects.shape[1:])
            shares.append(empty.index_add_(0, classes, of_objects))
        return torch.stack(shares)

    @cached_property
    def _object_shares(self) -> list[Tensor]:
        shares = []
        for ids, objects in zip(self.ids, self.objects, strict=True):
            each = (ids == torch.arange(len(objects) + 1)[:, None, None]).float()
            shares.append(F.avg_pool2d(each, PATCH))
        return shares

    def visible(self, window: int) -> list[NamedObject]:
        """The objects that fill more than a few pixels of a window."""
        counts = torch.bincount(self.ids[window].flatten(), minlength=len(self.objects[window]) + 1)
        return [thing for thing in self.objects[window] if counts[thing.id] >= SMALLEST_VISIBLE]

    def mask(self, window: int, description: Description, stride: int) -> Float[Tensor, "rows columns"]:
        """Share of each square of `stride` pixels that fitting objects fill."""
        fitting = torch.tensor([0.0, *(float(description.fits(thing)) for thing in self.objects[window])])
        if stride == PATCH:
            return torch.einsum("o,orc->rc", fitting, self._object_shares[window])
        return F.avg_pool2d(fitting[self.ids[window]][None, None], stride)[0, 0]


@dataclass(frozen=True)
class Questions:
    """Phrases, the window that each is asked of, and the right answer."""

    phrases: list[str]
    windows: Int64[Tensor, " phrases"]
    masks: Float[Tensor, "phrases rows columns"]


def drawn_windows(pool: TrainingImages, count: int, side: int, random: np.random.Generator) -> Windows:
    """`count` windows of `side` x `side` cells, each of another random image, scaled and varied at random."""
    pixels, ids, positions, objects = [], [], [], []
    for index in random.integers(0, pool.count, size=count):
        image = pool[int(index)]
        colours, instances = _cut(image, side * PATCH, random)
        pixels.append(_varied(colours, random))
        ids.append(instances)
        positions.append(_positions(side, random))
        objects.append(tuple(image.objects))
    mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
    normalised = (torch.stack(pixels) - mean[:, None, None]) / std[:, None, None]
    return Windows(normalised, torch.stack(ids), torch.stack(positions), tuple(objects))


def drawn_questions(
    windows: Windows, count: int, random: np.random.Generator, stride: int = OUTPUT_STRIDE
) -> Questions:
    """`count` phrases for each window, with masks of one value for each square of `stride` pixels."""
    phrases, asked, masks = [], [], []
    kinds, chances = list(KIND_CHANCES), list(KIND_CHANCES.values())
    for window, objects in enumerate(windows.objects):
        visible = windows.visible(window)
        for kind in random.choice(kinds, size=count, p=chances):
            # A near miss may name nothing in the image, shown or not, so that slivers do not contradict it.
            things: Sequence[NamedObject] = objects if kind == "near miss" else visible
            description = drawn_description(str(kind), things, random)
            phrases.append(description.phrase(random))
            asked.append(window)
            masks.append(windows.mask(window, description, stride))
    return Questions(phrases, torch.tensor(asked), torch.stack(masks))


def _cut(
    image: TrainingImage, side: int, random: np.random.Generator
) -> tuple[Float[Tensor, "3 side side"], Int64[Tensor, "side side"]]:
    """A part of the image, its two axes scaled by 0.6 to 1.3, a little differently: of three, the fullest."""
    height, width = image.ids.shape
    scale, squeeze = np.exp(random.uniform(np.log(0.6), np.log(1.3))), np.exp(random.uniform(-0.14, 0.14))
    rows = min(height, round(side * height / IMAGE_SIDE / (scale * squeeze)))
    columns = min(width, round(side * width / IMAGE_SIDE / (scale / squeeze)))
    places = [
        (int(random.integers(0, height - rows + 1)), int(random.integers(0, width - columns + 1))) for _ in range(3)
    ]
    top, left = max(places, key=lambda place: _objects_in(image.ids, *place, rows, columns))
    colours = image.rgb[top : top + rows, left : left + columns]
    ids = image.ids[top : top + rows, left : left + columns]
    if random.random() < 0.5:
        colours, ids = colours[:, ::-1], ids[:, ::-1]
    pixels = torch.from_numpy(colours.copy()).permute(2, 0, 1)[None].float() / 255
    instances = torch.from_numpy(ids.astype(np.float32))[None, None]
    resized = F.interpolate(pixels, (side, side), mode="bilinear", align_corners=False, antialias=True)
    return resized[0], F.interpolate(instances, (side, side), mode="nearest-exact")[0, 0].long()


def _objects_in(ids: np.ndarray, top: int, left: int, rows: int, columns: int) -> int:
    return int(np.count_nonzero(ids[top : top + rows, left : left + columns]))


def _varied(pixels: Float[Tensor, "3 h w"], random: np.random.Generator) -> Float[Tensor, "3 h w"]:
    """Brightness, a slight tint, blur and noise."""
    gain = random.uniform(0.85, 1.15) * random.uniform(0.96, 1.04, size=3)
    pixels = pixels * torch.tensor(gain, dtype=torch.float32)[:, None, None]
    if random.random() < 0.3:
        centre = random.uniform(0.4, 0.8)
        kernel = torch.tensor([(1 - centre) / 2, centre, (1 - centre) / 2])
        padded = F.pad(pixels[:, None], (1, 1, 1, 1), mode="replicate")
        pixels = F.conv2d(padded, (kernel[:, None] * kernel)[None, None])[:, 0]
    if random.random() < 0.3:
        noise = random.normal(0, random.uniform(0.004, 0.02), size=tuple(pixels.shape))
        pixels = pixels + torch.from_numpy(noise.astype(np.float32))
    return pixels.clamp(0, 1)


def _positions(side: int, random: np.random.Generator) -> Int64[Tensor, " cells"]:
    top, left = (int(random.integers(0, SIDE - side + 1)) for _ in range(2))
    rows, columns = torch.arange(top, top + side), torch.arange(left, left + side)
    return (rows[:, None] * SIDE + columns[None]).flatten()
