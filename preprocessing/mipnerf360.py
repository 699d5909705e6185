"""A scene of the Mip-NeRF 360 data set, or of LLFF, as a capture: cameras into `transforms.json`, photographs stay.

The layout (Barron et al. 2022, arXiv:2111.12077): `images` and reduced copies `images_2`, `images_4`, `images_8`;
COLMAP's model in `sparse/0`; and the same poses as LLFF's `poses_bounds.npy`. The world stays that of the data set,
and as in the papers every 8th image in the order of names, counted from the first, is for testing.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from samnerf.atomic_files import read_json, write_bytes, write_json
from samnerf.errors import SamNerfError
from samnerf.preprocessing.captures import EVAL_INTERVAL, Intrinsics
from samnerf.preprocessing.colmap_model import find_model, read_points, read_posed_images
from samnerf.preprocessing.image_folders import (
    automatic_scale,
    check_folder,
    existing_scales,
    folder_of,
    image_files,
    make_images,
    scaled,
)  # fmt: skip
from samnerf.preprocessing.images import read_header
from samnerf.preprocessing.llff import read_poses_bounds
from samnerf.preprocessing.posed_images import PosedImage

PoseSource = Literal["colmap", "llff"]

GENERATOR = "samnerf prepare mipnerf360"
POINTS_FILE = "sparse_pc.ply"

_PERSPECTIVE, _FISHEYE = ("k1", "k2", "p1", "p2"), ("k1", "k2", "k3", "k4")
_ORDER = ("k1", "k2", "k3", "k4", "p1", "p2")


@dataclass(frozen=True)
class PreparedScene:
    """What became of a scene.

    Attributes:
        transforms: the file that makes the output folder a capture.
        poses: where the cameras came from.
        scale: what the sides of the photographs are divided by.
        train, test: numbers of images.
        without_pose: images of the folder for which there is no camera, left out.
        points: number of sparse points.
        made: images that were resized by this run.
        changed: whether this run wrote the capture; False where it was there already, the same.
    """

    transforms: Path
    poses: PoseSource
    scale: int
    train: int
    test: int
    without_pose: int
    points: int
    made: int
    changed: bool


def prepare_scene(
    scene: Path,
    output: Path | None = None,
    scale: int | Literal["auto"] = "auto",
    poses: PoseSource | Literal["auto"] = "auto",
    test_every: int = EVAL_INTERVAL,
    make_missing_images: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> PreparedScene:
    """Write `transforms.json`, and `sparse_pc.ply` where COLMAP gives points; nothing where both are there, the same.

    Args:
        scene: folder with images and `sparse/0` or `poses_bounds.npy`.
        output: folder for the capture; the scene's own where None. Images are referred to by relative paths.
        scale: 1, 2, 4 or 8 for `images` to `images_8`; "auto" takes `automatic_scale`.
        poses: "auto" takes COLMAP's model where there is one: it knows the principal point and names its images.
        test_every: every nth image is for testing.
        make_missing_images: resize `images` where the folder of the scale is missing or incomplete.
        progress: called with the number of resized images there and of all.

    Raises:
        SamNerfError: if something is missing, damaged, or does not fit together; nothing is written then, but resized
            images are kept.
    """
    scene = Path(scene)
    output = scene if output is None else Path(output)
    if test_every < 2:
        raise SamNerfError(f"--test-every is {test_every} but must be 2 or more, or no image is left for training")
    source, origin = _choose_poses(scene, poses)
    images = read_posed_images(origin) if source == "colmap" else read_poses_bounds(origin)
    if len(images) < 2:
        raise SamNerfError(f"{origin} has one image; a capture needs one for training and one for testing")
    chosen = automatic_scale(max(max(image.size) for image in images)) if scale == "auto" else scale
    if make_missing_images and 1 in existing_scales(scene):
        # What does not fit at full size will not fit when it has been made smaller, which takes minutes.
        _sizes(scene, 1, _match(scene, 1, images, origin), origin)
    made = make_images(scene, chosen, progress) if make_missing_images else 0
    check_folder(scene, chosen)
    matched = sorted(_match(scene, chosen, images, origin), key=lambda pair: pair[0])
    sizes = _sizes(scene, chosen, matched, origin)
    points = read_points(origin) if source == "colmap" else None
    settings = {"command": GENERATOR, "poses": source, "scale": chosen, "test_every": test_every}
    document = _transforms(_prefix(scene, output) / folder_of(chosen), matched, sizes, test_every)
    document = {"prepared_by": settings, **document}
    if points is not None:
        document["ply_file_path"] = POINTS_FILE
    changed = _write(output, document, None if points is None else points.ply())
    test = len(document["test_filenames"])
    spare = len(image_files(scene / folder_of(chosen))) - len(matched)
    return PreparedScene(
        output / "transforms.json", source, chosen, len(matched) - test, test, spare,
        0 if points is None else len(points.positions), made, changed,
    )  # fmt: skip


def _choose_poses(scene: Path, poses: PoseSource | Literal["auto"]) -> tuple[PoseSource, Path]:
    """Where poses come from, and the folder or file they are in."""
    if not scene.is_dir():
        raise SamNerfError(f"{scene} does not exist or is no folder; expected a scene such as 360_v2/garden")
    model, table = find_model(scene), scene / "poses_bounds.npy"
    if model is not None and poses != "llff":
        return "colmap", model
    if table.exists() and poses != "colmap":
        return "llff", table
    if model is None and not table.exists():
        below = sorted(path.name for path in scene.iterdir() if path.is_dir() and (path / table.name).exists())
        hint = f"; it holds the scenes {', '.join(below)}: name one of them" if below else ""
        raise SamNerfError(f"{scene} has neither sparse/0 (COLMAP) nor poses_bounds.npy (LLFF){hint}")
    if poses == "colmap":
        raise SamNerfError(f"{scene} has no COLMAP model in sparse/0; it has poses_bounds.npy: choose --poses llff")
    raise SamNerfError(f"{scene} has no poses_bounds.npy; it has a COLMAP model: choose --poses colmap")


def _match(scene: Path, scale: int, images: Sequence[PosedImage], origin: Path) -> list[tuple[str, PosedImage]]:
    """A file of the folder for each posed image: by name, by name without suffix, or by the order of names."""
    folder = scene / folder_of(scale)
    files = image_files(folder)
    names = [image.name for image in images if image.name is not None]
    if not names:
        if len(files) == len(images):
            return list(zip(files, images, strict=True))
        raise SamNerfError(
            f"{origin} has {len(images)} poses but {folder} has {len(files)} images, and they are matched by the order "
            f"of names{_cures(scene, scale, files)}"
        )
    if set(names) <= set(files):
        return list(zip(names, images, strict=True))
    stems, wanted = {_stem(file): file for file in files}, [_stem(name) for name in names]
    if len(stems) == len(files) and len(set(wanted)) == len(names) and set(wanted) <= set(stems):
        return [(stems[stem], image) for stem, image in zip(wanted, images, strict=True)]
    # LLFF's reduced images are called image000.png and so on, in the order of the originals.
    originals = image_files(scene / folder_of(1)) if scale != 1 and (scene / folder_of(1)).is_dir() else []
    if len(originals) == len(files) and set(names) <= set(originals):
        return [(files[originals.index(name)], image) for name, image in zip(names, images, strict=True)]
    absent = [name for name in names if name not in files]
    others = f" (and {len(absent) - 1} more)" if len(absent) > 1 else ""
    raise SamNerfError(f"{origin} names {absent[0]}{others}, which {folder} does not hold{_cures(scene, scale, files)}")


def _stem(name: str) -> str:
    return os.path.splitext(name)[0]


def _cures(scene: Path, scale: int, files: Sequence[str]) -> str:
    """What to do about a folder that does not fit the poses."""
    originals = image_files(scene / folder_of(1)) if (scene / folder_of(1)).is_dir() else []
    if scale != 1 and len(originals) > len(files):
        return f"; {folder_of(1)} has {len(originals)}: add --make-images to make what is missing"
    return "; restore the images that the data set has"


def _sizes(scene: Path, scale: int, matched: Sequence[tuple[str, PosedImage]], origin: Path) -> list[tuple[int, int]]:
    """(H, W) of the files, each within a pixel of what the poses' own size gives at that scale."""
    paths = [scene / folder_of(scale) / file for file, _ in matched]
    with ThreadPoolExecutor() as threads:
        sizes = [header.size for header in threads.map(lambda path: read_header(path, decode=False), paths)]
    for path, size, (_, image) in zip(paths, sizes, matched, strict=True):
        expected = scaled(image.size[0], scale), scaled(image.size[1], scale)
        if max(abs(size[0] - expected[0]), abs(size[1] - expected[1])) > 1:
            reduced = f", which is {expected[1]} x {expected[0]} at scale {scale}" if scale != 1 else ""
            raise SamNerfError(
                f"{path} is {size[1]} x {size[0]} pixels but {origin} was made from {image.size[1]} x {image.size[0]}"
                f"{reduced}; images and poses must belong together"
            )
    return sizes


def _transforms(
    folder: PurePosixPath,
    matched: Sequence[tuple[str, PosedImage]],
    sizes: Sequence[tuple[int, int]],
    test_every: int,
) -> dict[str, Any]:
    files = [(folder / file).as_posix() for file, _ in matched]
    camera_model = matched[0][1].camera_model
    lenses = [
        _lens(image.intrinsics_at(size), size, camera_model) for (_, image), size in zip(matched, sizes, strict=True)
    ]
    shared = lenses[0] if all(lens == lenses[0] for lens in lenses) else {}
    frames = [
        {"file_path": file, "transform_matrix": image.camera_to_world.tolist(), **({} if shared else lens)}
        for file, (_, image), lens in zip(files, matched, lenses, strict=True)
    ]
    test = files[::test_every]
    return {
        "camera_model": camera_model,
        **shared,
        # The world is the data set's own; nerfstudio would take another for granted beside a folder colmap/.
        "applied_transform": [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]],
        "train_filenames": [file for i, file in enumerate(files) if i % test_every],
        "val_filenames": test,
        "test_filenames": test,
        "frames": frames,
    }


def _lens(intrinsics: Intrinsics, size: tuple[int, int], camera_model: str) -> dict[str, float]:
    kept = _FISHEYE if camera_model == "OPENCV_FISHEYE" else _PERSPECTIVE
    distortion = {key: value for key, value in zip(_ORDER, intrinsics.distortion, strict=True) if key in kept}
    return {
        "fl_x": intrinsics.fx, "fl_y": intrinsics.fy, "cx": intrinsics.cx, "cy": intrinsics.cy,
        "w": size[1], "h": size[0], **distortion,
    }  # fmt: skip


def _prefix(scene: Path, output: Path) -> PurePosixPath:
    """The way from the output folder to the scene."""
    return PurePosixPath(Path(os.path.relpath(scene.resolve(), output.resolve())).as_posix())


def _write(output: Path, document: dict[str, Any], points: bytes | None) -> bool:
    """Write what differs from what is there, `transforms.json` last; whether anything did."""
    if output.exists() and not output.is_dir():
        raise SamNerfError(f"{output} is a file; --output names a folder")
    path, points_path = output / "transforms.json", output / POINTS_FILE
    there = read_json(path, "capture") if path.exists() else None
    if path.exists():
        made_by = there.get("prepared_by") if isinstance(there, dict) else None
        if not isinstance(made_by, dict) or made_by.get("command") != GENERATOR:
            raise SamNerfError(f"{path} was not written by {GENERATOR}; move it away or choose another --output")
    stale = points is not None and not (points_path.exists() and points_path.read_bytes() == points)
    if stale and there is None and points_path.exists():
        raise SamNerfError(f"{points_path} was not written by {GENERATOR}; move it away or choose another --output")
    if points is not None and stale:
        write_bytes(points_path, points)
    if there != document:
        write_json(path, document)
    return stale or there != document
