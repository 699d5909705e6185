"""Locked objects on many views, as files: no decoder runs, the objects are rendered.

A pixel belongs to the object that fills more than half of it; so masks do not overlap, and an object hidden by another
ends where that begins.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt16

from samnerf.camera import Camera
from samnerf.errors import SamNerfError
from samnerf.export.mask_files import MaskFolder
from samnerf.export.segmentation import camera_source
from samnerf.objects.layers import ObjectLayers
from samnerf.objects.object_rendering import rendered_alphas
from samnerf.objects.scene_object import SceneObject
from samnerf.prompts import PromptSet
from samnerf.scene import TrainedScene
from samnerf.view import View


@dataclass(frozen=True, eq=False)
class LockedMask:
    """The mask of a locked object in a view, made when it is asked for; see `samnerf.export.mask_files.ViewMask`.

    Attributes:
        of: the object.
        ids: of all objects that the view shows.
    """

    of: SceneObject
    ids: UInt16[np.ndarray, "height width"]
    decoded: tuple[PromptSet, ...] = ()
    relevancy: None = None

    @property
    def object_id(self) -> int:
        """Of the object."""
        return self.of.object_id

    @property
    def name(self) -> str:
        """Of the object."""
        return self.of.name

    @property
    def score(self) -> float:
        """How far the views agreed on the object."""
        return self.of.consistency

    @property
    def mask(self) -> Bool[np.ndarray, "height width"]:
        """Where the view shows the object."""
        return self.ids == self.of.object_id

    @property
    def reason(self) -> str | None:
        """Why there is nothing; None if there is something."""
        return None if self.mask.any() else "it is hidden here, or lies outside of the view"


def segment_locks(
    scene: TrainedScene,
    layers: ObjectLayers,
    cameras: Sequence[tuple[str, Camera]],
    output: Path,
    names: Sequence[str] = (),
    done: Callable[[str], None] = lambda _: None,
    make_view: Callable[[Camera, str], View] | None = None,
) -> Path:
    """Locked objects in views of a scene, as files; gives the path of `masks.json`.

    Views that were made before with the same objects and checkpoint are kept.

    Args:
        scene: in whose world the objects are locked.
        layers: all objects; hidden ones are left out, and hide nothing, unless they are asked for.
        cameras: names and cameras of the views.
        output: folder of the results.
        names: objects to write; by default all that are visible. Others still hide them.
        done: called with the name of each view, made or skipped.
        make_view: `scene.view`, or something that remembers views.

    Raises:
        SamNerfError: if a name does not exist, or there is nothing to write.
    """
    asked = [layers.named(name) for name in names] or [one for one in layers.objects if one.visible]
    if not asked:
        why = (
            "all objects are hidden; name some" if layers.objects else "no object is locked yet; run samnerf lock first"
        )
        raise SamNerfError(f"there is nothing to segment: {why}")
    rendered = [one for one in layers.objects if one.visible or one in asked]
    written = [one for one in rendered if one in asked]
    folder = MaskFolder(
        output,
        {one.object_id: one.name for one in written},
        objects_key(rendered, scene.checkpoint_hash, *(one.name for one in written)),
        {one.object_id: one.colour for one in written},
    )
    try:
        for name, camera in cameras:
            source = camera_source(name, camera, make_view or scene.view)
            if not folder.is_done(name, source.key):
                alphas = rendered_alphas(camera, scene.render_samples, rendered)
                ids = alphas.id_map([one.object_id for one in rendered])
                ids[~np.isin(ids, [one.object_id for one in written])] = 0
                folder.write_view(source.make(), source.key, [LockedMask(one, ids) for one in written], ids)
            done(name)
    finally:
        index = folder.write_index([name for name, _ in cameras], {"checkpoint": scene.checkpoint_hash})
    return index


def objects_key(objects: Sequence[SceneObject], *others: str) -> str:
    """SHA-256 of all that pictures of the objects show, and of anything else that they depend on."""
    digest = hashlib.sha256()
    for one in objects:
        scores = sorted(one.view_scores.items())
        words = [one.object_id, one.name, one.colour, scores, one.grid.lower.tolist(), one.grid.spacing]
        digest.update(json.dumps([*words, list(one.grid.values.shape)]).encode())
        digest.update(one.grid.values.contiguous().numpy().tobytes())
    digest.update("\n".join(others).encode())
    return digest.hexdigest()
