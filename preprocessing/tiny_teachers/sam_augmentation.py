"""Batches of training images in the tiny SAM's input frame, varied as photographs and renders vary."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from samnerf.preprocessing.synthetic.training_images import TrainingImage, TrainingImages
from samnerf.teachers.sam import PIXEL_MEAN, PIXEL_STD
from samnerf.teachers.tiny_sam import INPUT_SIDE


@dataclass(frozen=True)
class Batch:
    """Images ready for the encoder, with what is to be found in them.

    Attributes:
        pixels: normalised, padded with zeros on the right or below.
        ids: instance IDs of each image [256, 256], 0 for the background and the padding.
        contents: rows and columns of each image that are no padding.
        scenes: of each image, a number that images of one scene share; instance IDs mean the same in them.
    """

    pixels: Float[Tensor, "images 3 side side"]
    ids: list[np.ndarray]
    contents: list[tuple[int, int]]
    scenes: list[int]


def drawn_batch(pool: TrainingImages, count: int, random: np.random.Generator) -> Batch:
    """`count` images, both views of random scenes one after the other (an odd count's last scene gives one).

    Each is mirrored, cropped to portrait or landscape, blurred, brightened and noisy at random.
    """
    scenes = np.repeat(random.integers(0, pool.count, size=(count + 1) // 2), 2)[:count].tolist()
    pixels, ids, contents = [], [], []
    for place, scene in enumerate(scenes):
        image = pool.second_view(scene) if place % 2 else pool[scene]
        colours, instances, content = _drawn(image, random)
        pixels.append(colours)
        ids.append(instances)
        contents.append(content)
    return Batch(torch.stack(pixels), ids, contents, scenes)


def _drawn(
    image: TrainingImage, random: np.random.Generator
) -> tuple[Float[Tensor, "3 side side"], np.ndarray, tuple[int, int]]:
    """Pixels, IDs and extent of an image in the input frame."""
    colours, instances = image.rgb.astype(np.float32), image.ids.astype(np.int64)
    if random.random() < 0.5:
        colours, instances = colours[:, ::-1], instances[:, ::-1]
    content = (INPUT_SIDE, INPUT_SIDE)
    if random.random() < 0.3:
        content, colours, instances = _cropped(colours, instances, random)
    varied = _varied(torch.from_numpy(colours.copy()).permute(2, 0, 1), random)
    normal = (varied - torch.tensor(PIXEL_MEAN)[:, None, None]) / torch.tensor(PIXEL_STD)[:, None, None]
    below, right = INPUT_SIDE - content[0], INPUT_SIDE - content[1]
    return F.pad(normal, (0, right, 0, below)), np.pad(instances, ((0, below), (0, right))), content


def _cropped(
    colours: np.ndarray, ids: np.ndarray, random: np.random.Generator
) -> tuple[tuple[int, int], np.ndarray, np.ndarray]:
    short = int(random.integers(INPUT_SIDE // 2, INPUT_SIDE))
    start = int(random.integers(0, INPUT_SIDE - short + 1))
    if random.random() < 0.5:
        return (INPUT_SIDE, short), colours[:, start : start + short], ids[:, start : start + short]
    return (short, INPUT_SIDE), colours[start : start + short], ids[start : start + short]


def _varied(colours: Float[Tensor, "3 h w"], random: np.random.Generator) -> Float[Tensor, "3 h w"]:
    gain = random.uniform(0.8, 1.2) * random.uniform(0.95, 1.05, size=3)
    colours = colours * torch.tensor(gain, dtype=torch.float32)[:, None, None]
    if random.random() < 0.3:
        sigma = random.uniform(0.4, 1.2)
        reach = torch.arange(-3, 4, dtype=torch.float32)
        kernel = torch.exp(-0.5 * (reach / sigma) ** 2)
        kernel = kernel / kernel.sum()
        padded = F.pad(colours[:, None], (3, 3, 3, 3), mode="replicate")
        colours = F.conv2d(F.conv2d(padded, kernel[None, None, None]), kernel[None, None, :, None])[:, 0]
    if random.random() < 0.3:
        noise = random.normal(0, random.uniform(1, 6), size=tuple(colours.shape))
        colours = colours + torch.from_numpy(noise.astype(np.float32))
    return colours.clamp(0, 255)
