"""Training batches with colours of pixels and teacher features of cells."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nerfstudio.cameras.rays import RayBundle
from nerfstudio.utils.rich_utils import CONSOLE

from samnerf.distill.model import CELL_PLACE, CELL_RAY
from samnerf.distill.pixel_datamanager import PixelDataManager, PixelDataManagerConfig
from samnerf.distill.pixel_sampler import CellPixelSampler
from samnerf.distill.replay import Replay
from samnerf.distill.targets import FeatureTargets
from samnerf.errors import SamNerfError
from samnerf.feature_store import FeatureStore, sole_writer, store_folder
from samnerf.preprocessing.captures import read_capture
from samnerf.preprocessing.extraction import extract_features
from samnerf.preprocessing.store_filling import image_records
from samnerf.teachers.pairs import FeatureSpec, Kind, installed_weights_hash


@dataclass
class SamNerfDataManagerConfig(PixelDataManagerConfig):
    """Datamanager that serves teacher features."""

    _target: type = field(default_factory=lambda: SamNerfDataManager)
    features: Path | None = None
    """Folder of the feature stores; by default the folder `features` in the capture."""
    extract_missing: bool = False
    """Run the teachers now if their features were not extracted yet."""
    cell_share: float = 0.67
    """Share of the rays that lie in feature cells; the others are spread over all pixels."""
    colour_share: float = 0.0
    """Share of the training, its first part, in which steps see single pixels and teach colour and density; those that
    follow see nothing but cells and teach features, which is cheap, because the geometry rests. With 0 every step
    teaches everything."""
    fresh_share: float = 1.0
    """Share of the steps that teach features only, their first part, that draw rays. Those that follow take the same
    rays again, in random order; where these meet the scene is known by then, and that is most of what a step costs."""


class SamNerfDataManager(PixelDataManager):
    """A `PixelDataManager` whose training batches have `features`, once `open_features` was called.

    Attributes:
        stores, targets: teacher features of the training images, by kind; empty until then. Not part of any state.
        replay: where batches of cells come from, once `fresh_share` is less than 1.
    """

    config: SamNerfDataManagerConfig

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.stores: dict[str, FeatureStore] = {}
        self.targets: dict[str, FeatureTargets] = {}
        self._samplers: list[CellPixelSampler] = []
        self._colour_steps = 0
        self.replay: Replay[tuple[RayBundle, dict]] | None = None
        super().__init__(*args, **kwargs)

    @property
    def pixel_folder(self) -> Path:
        """Beside the feature stores, wherever these are."""
        if self.config.pixels is None and self.config.features is not None:
            return self.config.features / "pixels"
        return super().pixel_folder

    def open_features(
        self,
        pair: str,
        specs: Mapping[Kind, FeatureSpec],
        rays_per_side: int,
        block_side: int,
        steps: int | None = None,
    ) -> None:
        """Open the feature stores and start to sample blocks of cells of the first teacher's grid.

        One set of cells serves all teachers: the maps of the others are interpolated at their centres, so that each
        patch of rays is rendered once and teaches everything.

        Args:
            pair, specs: teachers, and what their maps are.
            rays_per_side: of a cell.
            block_side: cells along a side of a block.
            steps: of the whole training, which `colour_share` is a share of; None if that is not known.

        Raises:
            SamNerfError: if a store is missing, incomplete, foreign, or of other weights or images than are here now.
        """
        capture = Path(self.get_datapath())
        dataset = self.train_dataset
        frames = read_capture(capture, decode=False)
        names = [frames.frame(path).name for path in dataset.image_filenames]
        cameras = dataset.cameras
        sizes = [(int(h), int(w)) for h, w in zip(cameras.height[:, 0], cameras.width[:, 0], strict=True)]
        folder = self.config.features or frames.features
        if self.config.extract_missing:
            _extract(capture, folder, pair, specs, str(self.device))
        images = image_records(frames)
        for kind, spec in specs.items():
            store = self.stores[kind] = _open_store(capture, folder, pair, spec)
            store.check(spec.teacher, installed_weights_hash(pair, kind), spec.layout, images)
            self.targets[kind] = FeatureTargets(store, names, sizes, spec.side, spec.layout)
        grid = next(iter(specs.values()))
        self._colour_steps = int(self.config.colour_share * (steps or 0))
        if self._colour_steps and steps and self.config.fresh_share < 1:
            self.replay = Replay(max(1, int(self.config.fresh_share * (steps - self._colour_steps))))
        shares = (0.0, 1.0) if self._colour_steps else (self.config.cell_share,)
        rays = self.config.train_num_rays_per_batch
        block = (rays_per_side * block_side) ** 2
        if self._colour_steps and rays < block:
            raise SamNerfError(
                f"{rays} rays per batch (train-num-rays-per-batch) are less than one block of {block_side} x "
                f"{block_side} cells of {rays_per_side} x {rays_per_side} rays; at least {block} are needed"
            )
        # Steps that teach features only have no ray beside whole blocks.
        self._samplers = [
            CellPixelSampler(
                rays if share < 1 else rays - rays % block, share, grid.side, grid.layout, rays_per_side, block_side
            )
            for share in shares
        ]

    def next_train(self, step: int) -> tuple[RayBundle, dict]:
        """Rays, those of cells first, and their colours and features; features alone where they are drawn again."""
        if not self._samplers:
            return super().next_train(step)
        if self.replay is None or step < self._colour_steps:
            return self._drawn(step)
        return self.replay.next(lambda: self._features_alone(step))

    def _features_alone(self, step: int) -> tuple[RayBundle, dict]:
        rays, batch = self._drawn(step)
        return rays, {"features": batch["features"]}

    def _drawn(self, step: int) -> tuple[RayBundle, dict]:
        sampler = self._samplers[0 if step < self._colour_steps else -1]
        self.train_pixel_sampler = sampler  # type: ignore[assignment]
        rays, batch = super().next_train(step)
        images, centres = batch.pop("cell_images"), batch.pop("cell_centres")
        if len(images):
            batch["features"] = {kind: target.at(images, centres) for kind, target in self.targets.items()}
            places = next(iter(self.targets.values())).places(images, centres)
            rays.metadata[CELL_RAY] = sampler.cell_rays().to(rays.origins.device)
            rays.metadata[CELL_PLACE] = sampler.of_rays(places).to(rays.origins.device)
        return rays, batch


def _open_store(capture: Path, features: Path, pair: str, spec: FeatureSpec) -> FeatureStore:
    folder = store_folder(features, spec.teacher, spec.layout)
    command = f"`samnerf extract {capture} --teachers {pair} --output {features}`"
    if not FeatureStore.exists(folder):
        raise SamNerfError(
            f"there are no {spec.layout} features of {spec.teacher} in {folder}; run {command}, or train with "
            "--pipeline.datamanager.extract-missing True"
        )
    store = FeatureStore.open(folder)
    made = store.manifest
    if (made.channels, made.side) != (spec.channels, spec.side):
        raise SamNerfError(
            f"the feature store {folder} holds {made.channels} channels on {made.side} x {made.side} cells, but "
            f"{spec.teacher} has {spec.channels} on {spec.side} x {spec.side}; delete that folder and run {command}"
        )
    if store.missing:
        raise SamNerfError(
            f"the feature store {folder} lacks {len(store.missing)} images ({store.missing[0]}, ...); {command} "
            "goes on where it stopped"
        )
    return store


def _extract(capture: Path, features: Path, pair: str, specs: Mapping[Kind, FeatureSpec], device: str) -> None:
    # Of several processes, one for each GPU, one extracts and the others find it done.
    with sole_writer(features, wait=True):
        for kind, spec in specs.items():
            extract_features(capture, pair, (kind,), spec.layout, device, features, CONSOLE)
