"""What can be written of one frame, format by format.

    masks          masks/<object>/<frame>.png       0 or 255; where the object fills more than half of a pixel
    ids            ids/<frame>.png                  uint16, 0 for none
    mattes-png     mattes-png/<object>/<frame>.png  alpha, 16 bits
    mattes-exr     mattes-exr/<frame>.exr           alpha, half precision, a layer for each object
    cryptomatte    cryptomatte/<frame>.exr          all alphas, see `samnerf.export.cryptomatte`
    coco           coco/<frame>.json                annotations of the frame; coco.json has those of all frames
    depth          depth/<frame>.exr                along the optical axis, scene units
    plate          plate/<frame>.png                rendered colour, sRGB
    video          overlays/<frame>.png             colour under the masks; overlay.mp4 has all frames

IDs, colours and names are the objects' own, so they are the same in all frames. Alphas of a pixel sum to at most 1.
They are rendered from the objects' geometry; where the objects have a matter, its adapter looks at each frame, and
masks and IDs are what is more than half of its alphas, so that all formats tell the same.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, UInt16

from samnerf.atomic_files import write_json
from samnerf.camera import Camera
from samnerf.export import coco
from samnerf.export.cryptomatte import RANKS, write_cryptomatte
from samnerf.export.export_source import ExportedObjects
from samnerf.export.exr import optical_depth, write_depth, write_mattes
from samnerf.export.manifest import FrameFiles
from samnerf.export.mask_files import write_png, write_soft_matte
from samnerf.export.pictures import overlay
from samnerf.images.result import ImageMask
from samnerf.objects.adapted_alphas import AdaptedAlphas, adapted_alphas
from samnerf.objects.object_rendering import rendered_alphas
from samnerf.objects.scene_object import SceneObject
from samnerf.scene import TrainedScene
from samnerf.view import View


class Frame:
    """A camera's picture of scene and objects; what it takes is rendered when a format first asks for it.

    Args:
        name: of its files.
        camera: at the size of the files.
        scene: what is seen.
        objects: locked in the scene.
    """

    def __init__(self, name: str, camera: Camera, scene: TrainedScene, objects: ExportedObjects) -> None:
        self.name = name
        self.camera = camera
        self.objects = objects
        self._scene = scene

    @cached_property
    def view(self) -> View:
        """Colour and depth."""
        return self._scene.view(self.camera, self.name)

    @cached_property
    def ids(self) -> UInt16[np.ndarray, "height width"]:
        """ID of the written object that fills more than half of a pixel, 0 for none."""
        ids = self._found.alphas.id_map([one.object_id for one in self.objects.rendered])
        ids[~np.isin(ids, [one.object_id for one in self.objects.written])] = 0
        return ids

    def masks(self) -> Iterator[tuple[SceneObject, Bool[np.ndarray, "height width"]]]:
        """Each written object with where it fills more than half of a pixel."""
        return ((one, self.ids == one.object_id) for one in self.objects.written)

    def alphas(self) -> Iterator[tuple[SceneObject, Float32[np.ndarray, "height width"]]]:
        """Each written object with the part of each pixel that it fills, 0 to 1."""
        for index, one in enumerate(self.objects.rendered):
            if one in self.objects.written:
                # Sums of weights may miss 1 by their rounding.
                yield one, self._found.alphas.alpha(index).clamp(0, 1).numpy()

    @property
    def kept(self) -> tuple[str, ...]:
        """Names of written objects whose alpha is the geometry's, because the adapter saw something else here."""
        of = [self.objects.rendered[index] for index in self._found.kept]
        return tuple(one.name for one in of if one in self.objects.written)

    @cached_property
    def _found(self) -> AdaptedAlphas:
        geometry = rendered_alphas(self.camera, self._scene.render_samples, self.objects.rendered)
        if self.objects.matter is None:
            return AdaptedAlphas(geometry, ())
        return adapted_alphas(self.view, geometry, self.objects.matter)


WriteFrame = Callable[[Frame, FrameFiles], str | None]
"""Writes the files of a format; gives what a user should know of them, in words."""


@dataclass(frozen=True)
class FrameFormat:
    """A format.

    Attributes:
        write: makes its files.
        of_objects: whether these depend on the objects, and not on the scene alone.
    """

    write: WriteFrame
    of_objects: bool = True


def _write_masks(frame: Frame, files: FrameFiles) -> None:
    for one, mask in frame.masks():
        path = files.path("masks", f"masks/{frame.objects.file_names[one.object_id]}/{frame.name}.png")
        write_png(path, mask.astype(np.uint8) * 255)


def _write_ids(frame: Frame, files: FrameFiles) -> None:
    write_png(files.path("ids", f"ids/{frame.name}.png"), frame.ids)


def _write_png_mattes(frame: Frame, files: FrameFiles) -> None:
    for one, alpha in frame.alphas():
        path = files.path("mattes-png", f"mattes-png/{frame.objects.file_names[one.object_id]}/{frame.name}.png")
        write_soft_matte(path, alpha)


def _write_exr_mattes(frame: Frame, files: FrameFiles) -> None:
    mattes = {one.name: alpha for one, alpha in frame.alphas()}
    write_mattes(files.path("mattes-exr", f"mattes-exr/{frame.name}.exr"), mattes)


def _write_cryptomatte(frame: Frame, files: FrameFiles) -> str | None:
    path = files.path("cryptomatte", f"cryptomatte/{frame.name}.exr")
    names = [one.name for one in frame.objects.written]
    lost = write_cryptomatte(path, (alpha for _, alpha in frame.alphas()), names)
    if lost < 1e-3:
        return None
    return f"{path}: more than {RANKS} objects meet in a pixel, and up to {lost:.3f} of it is left out; mattes have all"


def _write_coco(frame: Frame, files: FrameFiles) -> None:
    height, width = frame.camera.image_size
    image = {"id": 1, "file_name": f"plate/{frame.name}.png", "width": width, "height": height}
    annotations: list[dict[str, Any]] = []
    for one, mask in frame.masks():
        found = ImageMask(one.object_id, mask, one.consistency)
        if found.area:
            annotations.append(coco.annotation(len(annotations) + 1, 1, found, category=one.object_id))
    document = coco.document([image], annotations, categories(frame.objects))
    write_json(files.path("coco", f"coco/{frame.name}.json"), document)


def _write_depth(frame: Frame, files: FrameFiles) -> None:
    distances = frame.view.depth
    assert distances is not None
    write_depth(files.path("depth", f"depth/{frame.name}.exr"), optical_depth(distances.numpy(), frame.camera))


def _write_plate(frame: Frame, files: FrameFiles) -> None:
    write_png(files.path("plate", f"plate/{frame.name}.png"), frame.view.rgb)


def _write_overlay(frame: Frame, files: FrameFiles) -> None:
    masks = ((mask, one.colour) for one, mask in frame.masks())
    write_png(files.path("overlays", overlay_file(frame.name)), overlay(frame.view.rgb, masks))


FRAME_FORMATS = {
    "masks": FrameFormat(_write_masks),
    "ids": FrameFormat(_write_ids),
    "mattes-png": FrameFormat(_write_png_mattes),
    "mattes-exr": FrameFormat(_write_exr_mattes),
    "cryptomatte": FrameFormat(_write_cryptomatte),
    "coco": FrameFormat(_write_coco),
    "depth": FrameFormat(_write_depth, of_objects=False),
    "plate": FrameFormat(_write_plate, of_objects=False),
    "video": FrameFormat(_write_overlay),
}


def categories(objects: ExportedObjects) -> dict[int, str]:
    """COCO's categories: the name of each written object by its ID."""
    return {one.object_id: one.name for one in objects.written}


def overlay_file(frame: str) -> str:
    """The overlay of a frame, within the folder of the export."""
    return f"overlays/{frame}.png"
