"""The folders `images`, `images_2`, `images_4` and `images_8` of a scene: choosing one, making what is missing."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from samnerf.atomic_files import atomic_path
from samnerf.errors import SamNerfError
from samnerf.preprocessing.images import read_header
from samnerf.preprocessing.synthetic.processes import available_cores

SCALES = (1, 2, 4, 8)
LONGEST_SIDE = 1600
"""Pixels of the longer side that `auto` allows; for the Mip-NeRF 360 scenes it gives the scales of the papers,
images_4 outdoors and images_2 indoors."""
SUFFIXES = (".jpg", ".jpeg", ".png")

_JPEG_QUALITY = 95
_MOST_THREADS = 8
"""Each holds a decoded photograph of tens of megabytes."""


def folder_of(scale: int) -> str:
    """`images` for 1, `images_4` for 4."""
    return "images" if scale == 1 else f"images_{scale}"


def existing_scales(scene: Path) -> tuple[int, ...]:
    """Scales whose folder is there."""
    return tuple(scale for scale in SCALES if (scene / folder_of(scale)).is_dir())


def automatic_scale(longer_side: int) -> int:
    """The smallest scale at which the longer side of the photographs has at most LONGEST_SIDE pixels, or the last."""
    return next((scale for scale in SCALES if scaled(longer_side, scale) <= LONGEST_SIDE), SCALES[-1])


def scaled(side: int, scale: int) -> int:
    """Pixels of a side after scaling, to the nearest whole number, halves upwards."""
    return max(1, (2 * side + scale) // (2 * scale))


def image_files(folder: Path) -> list[str]:
    """Photographs in a folder and below, as paths with "/" relative to it, sorted as text; hidden ones are left out."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    return sorted(path.as_posix() for path in found if not any(part.startswith(".") for part in path.parts))


def check_folder(scene: Path, scale: int) -> None:
    """Refuse a scale whose folder is missing.

    Raises:
        SamNerfError: saying which folders exist, and how the missing one can be made.
    """
    if (scene / folder_of(scale)).is_dir():
        return
    there = existing_scales(scene)
    if not there:
        raise SamNerfError(f"{scene} has no folder images, images_2, images_4 or images_8")
    names = " and ".join(folder_of(other) for other in there)
    cures = [f"choose --scale {' or '.join(map(str, there))}"]
    if 1 in there:
        cures.append("add --make-images, which makes it from images")
    raise SamNerfError(f"{scene} has no folder {folder_of(scale)}, only {names}; {', or '.join(cures)}")


def make_images(scene: Path, scale: int, progress: Callable[[int, int], None] | None = None) -> int:
    """Resize the photographs of `images` into the folder of a scale, those that are missing there; return how many.

    Every file is written whole or not at all, so a run that was stopped goes on where it was. A folder that is
    complete under other names (LLFF's images_4/image000.png), or whose originals are gone, stays as it is.

    Args:
        scene: folder of the scene.
        scale: what the sides are divided by; 1 makes nothing.
        progress: called with the number of images there and of all.

    Raises:
        SamNerfError: if there are no originals, the folder holds other images, an original is damaged or the disk is
            full.
    """
    if scale == 1:
        return 0
    originals, target = scene / folder_of(1), scene / folder_of(scale)
    wanted = image_files(originals) if originals.is_dir() else []
    there = image_files(target) if target.is_dir() else []
    if there and not wanted:
        return 0
    if not wanted:
        raise SamNerfError(f"{target} cannot be made: there are no images in {originals}")
    foreign = sorted(set(there) - set(wanted))
    if foreign and len(there) == len(wanted):
        return 0
    if foreign:
        raise SamNerfError(
            f"{target} holds {foreign[0]}, which is not in {originals}; move {target.name} away to have it made"
        )
    missing = sorted(set(wanted) - set(there))
    report = progress or (lambda done, total: None)
    report(len(there), len(wanted))
    threads = ThreadPoolExecutor(min(available_cores(), _MOST_THREADS))
    try:
        work = threads.map(lambda name: _resize(originals / name, target / name, scale), missing)
        for done, _ in enumerate(work, start=len(there) + 1):
            report(done, len(wanted))
    finally:
        threads.shutdown(wait=True, cancel_futures=True)
    return len(missing)


def _resize(source: Path, target: Path, scale: int) -> None:
    read_header(source, decode=False)  # its kind of pixels is one that nerfstudio reads
    try:
        with Image.open(source) as image:
            kind = "JPEG" if image.format in ("JPEG", "MPO") else image.format
            profile = image.info.get("icc_profile")
            size = scaled(image.width, scale), scaled(image.height, scale)
            small = image.resize(size, Image.Resampling.LANCZOS)
    except (OSError, SyntaxError, ValueError) as error:
        raise SamNerfError(f"image {source} cannot be read, it may be truncated: {error}") from error
    options = {"quality": _JPEG_QUALITY, "subsampling": 0} if kind == "JPEG" else {}
    with atomic_path(target) as temporary:
        small.save(temporary, format=kind, icc_profile=profile, **options)
