"""What an export is made from: a trained scene and the objects that are locked in it.

Processes that make frames side by side each open the source for themselves, so it is plain data until then.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from samnerf.errors import SamNerfError
from samnerf.export.lock_masks import objects_key
from samnerf.export.mask_files import folder_names
from samnerf.matting.matter import Matter, load_adapted_matter
from samnerf.objects.layer_files import load_layers
from samnerf.objects.layers import ObjectLayers
from samnerf.objects.scene_object import SceneObject
from samnerf.scene import TrainedScene
from samnerf.teachers.pairs import load_mask_decoder

Alpha = Literal["geometry", "adapter"]
"""Who says how much of a pixel a locked object covers."""
COMBINED = "all"
"""Name of the file that holds all objects where each has one, too."""


@dataclass(frozen=True, eq=False)
class ExportedObjects:
    """The objects of an export.

    Attributes:
        rendered: all that are in the pictures, and so may hide others.
        written: those of them that files are made of.
        file_names: of each object by its ID; every file system takes them, and none is `COMBINED`.
        matter: looks at each picture for the alphas of the objects; without it they are those of the geometry.
    """

    rendered: tuple[SceneObject, ...]
    written: tuple[SceneObject, ...]
    file_names: dict[int, str]
    matter: Matter | None = None

    @staticmethod
    def none() -> "ExportedObjects":
        """No objects, for files that tell of the scene alone."""
        return ExportedObjects((), (), {})

    @staticmethod
    def chosen(layers: ObjectLayers, names: Sequence[str] = ()) -> "ExportedObjects":
        """Objects by name.

        Args:
            layers: all objects; hidden ones are left out, and hide nothing, unless they are asked for.
            names: objects to write; by default all that are visible. Others still hide them.

        Raises:
            SamNerfError: if a name does not exist, or there is nothing to write.
        """
        asked = [layers.named(name) for name in names] or [one for one in layers.objects if one.visible]
        if not asked:
            why = "all objects are hidden; name some" if layers.objects else "no object is locked yet; run samnerf lock"
            raise SamNerfError(f"there is nothing to export: {why}")
        rendered = tuple(one for one in layers.objects if one.visible or one in asked)
        # Of all layers, so that a file's name does not depend on who else is exported; 0 is no object's ID.
        file_names = folder_names({0: COMBINED, **{one.object_id: one.name for one in layers.objects}})
        return ExportedObjects(rendered, tuple(one for one in rendered if one in asked), file_names)

    def key(self, checkpoint_hash: str) -> str:
        """Hash of all that files of these objects depend on besides camera and matter."""
        names = (f"{one.name} {self.file_names[one.object_id]}" for one in self.written)
        return objects_key(self.rendered, checkpoint_hash, *names)

    def picture_key(self, checkpoint_hash: str) -> str:
        """The same with the matter, for files of pictures."""
        key = self.key(checkpoint_hash)
        return key if self.matter is None else f"{key} alpha {self.matter.key}"


@runtime_checkable
class Source(Protocol):
    """Where a process finds scene and objects; hashable, and able to travel between processes."""

    def open(self) -> tuple[TrainedScene, ExportedObjects]:
        """Load both."""
        ...

    def __hash__(self) -> int: ...


@dataclass(frozen=True)
class RunSource:
    """A run of nerfstudio and an objects file.

    Attributes:
        config: config.yml of the run.
        locks: objects file; None for no objects.
        names: objects to write; by default all that are visible.
        device: where to compute.
        ignore_scene: use the objects though they were locked in another training of the scene.
        alpha: who says how much of a pixel an object covers.
        adapter: file of the matting adapter; by default that of the scene's teacher.
        refine: whether alpha by the adapter then follows the edges of the picture.
    """

    config: Path
    locks: Path | None
    names: tuple[str, ...] = ()
    device: str = "cpu"
    ignore_scene: bool = False
    alpha: Alpha = "geometry"
    adapter: Path | None = None
    refine: bool = False

    def open(self) -> tuple[TrainedScene, ExportedObjects]:
        """Load both.

        Raises:
            SamNerfError: if one of them cannot be loaded, they do not belong together, there is nothing to write, or
                alpha is wanted by an adapter that is not there.
        """
        if self.locks is not None and not self.locks.exists():
            raise SamNerfError(f"objects file {self.locks} does not exist; run samnerf lock first, which writes it")
        scene = TrainedScene.load(self.config, self.device)
        if self.locks is None:
            return scene, ExportedObjects.none()
        layers = load_layers(self.locks, scene.checkpoint_hash, self.ignore_scene)
        chosen = ExportedObjects.chosen(layers, self.names)
        if self.alpha == "geometry":
            return scene, chosen
        decoder = load_mask_decoder(scene.pair, self.device)
        return scene, replace(chosen, matter=load_adapted_matter(decoder, self.adapter, self.refine))
