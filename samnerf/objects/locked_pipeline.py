"""Locked objects in nerfstudio's own programs: `ns-render` and `ns-viewer` with `--load-config RUN/objects.yml`.

A config of nerfstudio says by which classes a run is opened. The one written here is that of the run, but for the class
of its pipeline, which gives the model two more outputs: `objects` is the picture with every visible object tinted and
outlined in its colour, `object_ids` the flat colour of the object that each pixel shows.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml
from jaxtyping import Float
from nerfstudio.engine.trainer import TrainerConfig
from nerfstudio.utils.rich_utils import CONSOLE
from torch import Tensor

from samnerf.atomic_files import write_bytes
from samnerf.distill.colour_model import ColourModel
from samnerf.distill.pipeline import SamNerfPipeline, SamNerfPipelineConfig
from samnerf.errors import SamNerfError
from samnerf.objects.compositing import id_picture, objects_picture
from samnerf.objects.layer_files import load_layers
from samnerf.objects.layers import ObjectLayers
from samnerf.objects.object_rendering import object_alphas
from samnerf.surface_samples import SurfaceSamples

LOCKED_CONFIG = "objects.yml"


@dataclass
class LockedPipelineConfig(SamNerfPipelineConfig):
    """The pipeline of a run in which objects are locked."""

    _target: type = field(default_factory=lambda: LockedPipeline)
    objects: Path = Path("objects.json")
    """The objects, as `samnerf lock` wrote them."""
    scene: str = ""
    """SHA-256 of the checkpoint in which they were locked."""
    step: int = 0
    """Its training step."""


class LockedPipeline(SamNerfPipeline):
    """A pipeline whose model shows objects, too; without them it says why, and shows the scene as it is."""

    config: LockedPipelineConfig

    def load_pipeline(self, loaded_state: dict[str, Any], step: int) -> None:
        """Load the checkpoint, then the objects that were locked in it."""
        super().load_pipeline(loaded_state, step)
        model = self.model
        assert isinstance(model, ColourModel)
        model.make_pictures = None
        try:
            model.make_pictures = object_pictures(self._objects(step))
        except SamNerfError as error:
            CONSOLE.print(f"No objects are shown: {error}", style="bold red", markup=False, soft_wrap=True)

    def _objects(self, step: int) -> ObjectLayers:
        config = self.config
        if step != config.step:
            raise SamNerfError(
                f"they were locked in the checkpoint of step {config.step}, and this is that of step {step}; "
                "run `samnerf lock` again"
            )
        return load_layers(config.objects, config.scene)


def object_pictures(
    layers: ObjectLayers,
) -> Callable[[Float[Tensor, "height width 3"], SurfaceSamples], dict[str, Float[Tensor, "height width 3"]]]:
    """What makes the outputs `objects` and `object_ids` (see above) from colours and what rays meet."""

    def pictures(
        colour: Float[Tensor, "height width 3"], samples: SurfaceSamples
    ) -> dict[str, Float[Tensor, "height width 3"]]:
        shown = object_alphas(samples, layers.objects)
        return {
            "objects": objects_picture(colour, shown, layers.objects),
            "object_ids": id_picture(shown, layers.objects),
        }

    return pictures


def write_locked_config(config: Path, objects: Path, scene: str) -> Path:
    """Write `objects.yml` beside a run's `config.yml`: the same run, shown with its locked objects.

    Objects in the run's folder are named as nerfstudio names the run, so that a run which was moved together with the
    folder that it was trained in takes its objects along.

    Args:
        config: of a run of ours; YAML that builds Python objects, as everywhere in nerfstudio.
        objects: as `samnerf lock` wrote them.
        scene: SHA-256 of the checkpoint in which they were locked.

    Returns:
        The path of what was written.

    Raises:
        SamNerfError: if the config is none of ours, the run has no checkpoint, or the file cannot be written.
    """
    try:
        run = yaml.load(Path(config).read_text(encoding="utf-8"), Loader=yaml.Loader)
    except (OSError, yaml.YAMLError, ImportError) as error:
        raise SamNerfError(f"config {config} cannot be read: {str(error).splitlines()[0]}") from error
    if not isinstance(run, TrainerConfig) or not isinstance(run.pipeline, SamNerfPipelineConfig):
        raise SamNerfError(f"config {config} is not that of a samnerf run; ns-train writes it as RUN/config.yml")
    folder = Path(config).resolve().parent
    checkpoints = sorted((folder / run.relative_model_dir).glob("step-*.ckpt"))
    if not checkpoints:
        raise SamNerfError(f"no checkpoint in {folder / run.relative_model_dir}; train first")
    step = int(checkpoints[-1].stem.removeprefix("step-"))
    kept = {one.name: getattr(run.pipeline, one.name) for one in fields(SamNerfPipelineConfig) if one.name != "_target"}
    run.pipeline = LockedPipelineConfig(
        **kept,
        objects=_named_as_the_run(run, folder, objects),
        scene=scene,
        step=step,
    )
    path = folder / LOCKED_CONFIG
    write_bytes(path, yaml.dump(run).encode())
    return path


def _named_as_the_run(run: TrainerConfig, folder: Path, objects: Path) -> Path:
    objects, named = Path(objects).resolve(), run.get_base_dir()
    if objects.is_relative_to(folder) and folder.parts[-len(named.parts) :] == named.parts:
        return named / objects.relative_to(folder)
    return objects
