"""Examples from people's own pictures: `images/` and `alphas/` of the same names, on a folder of backgrounds."""

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from samnerf.errors import SamNerfError
from samnerf.preprocessing.images import find_pictures, read_picture
from samnerf.preprocessing.matting_training.cutouts import composite, cut_out
from samnerf.preprocessing.matting_training.examples import Example, promptable
from samnerf.preprocessing.matting_training.synthetic_examples import mirrored

KEPT_SHARE = 0.2
"""Of the examples that keep their own background."""
REMEMBERED = 64
"""Pictures that are kept in memory."""


class FolderExamples:
    """Random composites of a folder's pairs.

    Args:
        folder: with `images/` and `alphas/`; a pair has one name, whatever the suffixes, and one size.
        backgrounds: folder of pictures; without it every example keeps its own background.

    Raises:
        SamNerfError: if a folder is missing or empty, a picture has no alpha, sizes differ, or too little of it is
            above one half.
    """

    def __init__(self, folder: Path, backgrounds: Path | None = None) -> None:
        self.pairs = _pairs(Path(folder))
        self.backgrounds = [] if backgrounds is None else find_pictures([_existing(Path(backgrounds))])
        names = [path.name for pair in self.pairs for path in pair] + [path.name for path in self.backgrounds]
        said = hashlib.sha256("\n".join(names).encode()).hexdigest()[:12]
        self.description = f"{len(self.pairs)} pairs, {len(self.backgrounds)} backgrounds, names {said}"
        self._pair = lru_cache(REMEMBERED)(_read_pair)
        self._picture = lru_cache(REMEMBERED)(read_picture)

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Example:
        rgb, alpha = self._pair(*self.pairs[index])
        return Example(rgb, (alpha,))

    def drawn(self, random: np.random.Generator) -> Example:
        """A pair on a random background, mirrored half of the time."""
        example = self[int(random.integers(len(self.pairs)))]
        if self.backgrounds and random.random() >= KEPT_SHARE:
            picture = self._picture(self.backgrounds[int(random.integers(len(self.backgrounds)))])
            background = _filling(picture, example.alphas[0].shape, random)
            rgb, alphas = composite(background, [cut_out(example.rgb, example.alphas[0])])
            example = Example(rgb, tuple(alphas))
        return mirrored(example) if random.random() < 0.5 else example


def read_alpha(path: Path) -> Float32[np.ndarray, "height width"]:
    """A grey picture of 8 or 16 bits as alpha, 0 to 1; of colours with transparency the transparency.

    Raises:
        SamNerfError: if it cannot be read, or is of another kind.
    """
    try:
        with Image.open(path) as image:
            if image.mode.startswith("I"):
                return np.asarray(image).astype(np.float32) / 65535
            if image.mode in ("RGBA", "LA"):
                return np.asarray(image.getchannel("A")).astype(np.float32) / 255
            if image.mode in ("L", "RGB", "1"):
                return np.asarray(image.convert("L")).astype(np.float32) / 255
            mode = image.mode
    except (OSError, SyntaxError, ValueError) as error:
        raise SamNerfError(f"alpha {path} cannot be read: {error}") from error
    raise SamNerfError(f"alpha {path} is of PIL mode {mode!r}; expected grey of 8 or 16 bits, or transparency")


def _pairs(folder: Path) -> list[tuple[Path, Path]]:
    alphas = {path.stem: path for path in find_pictures([_existing(folder / "alphas")])}
    pairs = []
    for image in find_pictures([_existing(folder / "images")]):
        if image.stem not in alphas:
            raise SamNerfError(f"image {image} has no alpha; expected a file {folder / 'alphas' / image.stem}.*")
        pairs.append((image, alphas[image.stem]))
    return pairs


def _existing(folder: Path) -> Path:
    if not folder.is_dir():
        raise SamNerfError(f"folder {folder} does not exist; expected pictures there")
    return folder


def _read_pair(
    image: Path, alpha: Path
) -> tuple[UInt8[np.ndarray, "height width 3"], Float32[np.ndarray, "height width"]]:
    rgb, values = read_picture(image), read_alpha(alpha)
    if rgb.shape[:2] != values.shape:
        raise SamNerfError(f"image {image} is {rgb.shape[:2]} but its alpha {alpha} is {values.shape}")
    if not promptable(values):
        raise SamNerfError(f"alpha {alpha} is hardly anywhere above one half, so nothing can be said of the object")
    return rgb, values


def _filling(
    picture: UInt8[np.ndarray, "rows columns 3"], size: tuple[int, int], random: np.random.Generator
) -> UInt8[np.ndarray, "height width 3"]:
    """A random part of a picture, scaled so that it fills this size."""
    height, width = size
    scale = max(height / picture.shape[0], width / picture.shape[1])
    rows, columns = max(height, round(picture.shape[0] * scale)), max(width, round(picture.shape[1] * scale))
    resized = np.asarray(Image.fromarray(picture).resize((columns, rows), Image.Resampling.BILINEAR))
    top, left = int(random.integers(rows - height + 1)), int(random.integers(columns - width + 1))
    return np.ascontiguousarray(resized[top : top + height, left : left + width])
