"""nerfstudio's data manager on memory-mapped pixels: what a training takes of memory does not grow with its images.

nerfstudio 1.1.5 itself bounds memory in one way only, `train_num_images_to_sample_from`: a few images at a time,
decoded again whenever others take their place, so that steps see few viewpoints and pay for decoding. It still works.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from nerfstudio.cameras.rays import RayBundle
from nerfstudio.data.datamanagers.base_datamanager import VanillaDataManager, VanillaDataManagerConfig
from nerfstudio.data.datasets.base_dataset import InputDataset
from nerfstudio.data.pixel_samplers import PixelSampler
from nerfstudio.data.utils.dataloaders import FixedIndicesEvalDataloader, RandIndicesEvalDataloader
from nerfstudio.engine.callbacks import TrainingCallback, TrainingCallbackAttributes
from nerfstudio.model_components.ray_generators import RayGenerator

from samnerf.distill.pixel_cache import PixelCache
from samnerf.distill.pixel_sampler import CellPixelSampler

Part = Literal["train", "eval"]


@dataclass
class PixelDataManagerConfig(VanillaDataManagerConfig):
    """Datamanager that leaves images on the disk."""

    _target: type = field(default_factory=lambda: PixelDataManager)
    pixels: Path | None = None
    """Folder of the decoded images, 3 bytes a pixel, kept for later runs; by default `features/pixels` in the
    capture."""


class PixelDataManager(VanillaDataManager):
    """A `VanillaDataManager` that samples pixels of a `PixelCache`, made when they are first needed."""

    config: PixelDataManagerConfig

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._caches: dict[Part, PixelCache] = {}
        super().__init__(*args, **kwargs)

    @property
    def pixel_folder(self) -> Path:
        """Of the caches of training and evaluation."""
        data = Path(self.get_datapath())
        return self.config.pixels or (data.parent if data.suffix == ".json" else data) / "features" / "pixels"

    def setup_train(self) -> None:
        """Nerfstudio's own, which loads every image, but for the loader."""
        if self.config.train_num_images_to_sample_from != -1:
            super().setup_train()
            return
        self.iter_train_image_dataloader = self._batches("train")
        sampler = self._get_pixel_sampler(self.train_dataset, self.config.train_num_rays_per_batch)
        self.train_pixel_sampler = sampler  # type: ignore[assignment]
        self.train_ray_generator = RayGenerator(self.train_dataset.cameras.to(self.device))

    def setup_eval(self) -> None:
        """Nerfstudio's own, which loads every image, but for the loader."""
        if self.config.eval_num_images_to_sample_from != -1:
            super().setup_eval()
            return
        self.iter_eval_image_dataloader = self._batches("eval")
        sampler = self._get_pixel_sampler(self.eval_dataset, self.config.eval_num_rays_per_batch)
        self.eval_pixel_sampler = sampler  # type: ignore[assignment]
        self.eval_ray_generator = RayGenerator(self.eval_dataset.cameras.to(self.device))
        workers = self.world_size * 4
        self.fixed_indices_eval_dataloader = FixedIndicesEvalDataloader(
            self.eval_dataset, device=self.device, num_workers=workers
        )
        self.eval_dataloader = RandIndicesEvalDataloader(self.eval_dataset, device=self.device, num_workers=workers)

    def get_training_callbacks(
        self, training_callback_attributes: TrainingCallbackAttributes
    ) -> list[TrainingCallback]:
        """Nerfstudio calls this before the first step: the moment for decoding what was not decoded yet.

        Raises:
            SamNerfError: as `PixelCache.open`.
        """
        if self.config.train_num_images_to_sample_from == -1:
            self._cache("train")
        return super().get_training_callbacks(training_callback_attributes)

    def next_train(self, step: int) -> tuple[RayBundle, dict]:
        """Rays and their colours."""
        rays, batch = super().next_train(step)
        return rays, self._with_colours("train", batch)

    def next_eval(self, step: int) -> tuple[RayBundle, dict]:
        """Rays and their colours."""
        rays, batch = super().next_eval(step)
        return rays, self._with_colours("eval", batch)

    def _get_pixel_sampler(  # type: ignore[override]
        self, dataset: InputDataset, num_rays_per_batch: int
    ) -> PixelSampler | CellPixelSampler:
        sizes = torch.cat([dataset.cameras.height, dataset.cameras.width], dim=1)
        masked = dataset._dataparser_outputs.mask_filenames is not None
        if masked and (len(sizes) == 1 or len(sizes.unique(dim=0)) > 1):
            # Nerfstudio's own fails on these; ours takes them, here without cells.
            return CellPixelSampler(num_rays_per_batch, 0.0, 1, "stretch", 1)
        return super()._get_pixel_sampler(dataset, num_rays_per_batch)

    def _cache(self, part: Part) -> PixelCache:
        if part not in self._caches:
            dataset = self.train_dataset if part == "train" else self.eval_dataset
            self._caches[part] = PixelCache.open(dataset, self.pixel_folder, part)
        return self._caches[part]

    def _batches(self, part: Part) -> Iterator[dict[str, Any]]:
        """All images, for ever."""
        batch = self._cache(part).batch()
        for key, excused in (("image", self.config.images_on_gpu), ("mask", self.config.masks_on_gpu)):
            if excused and key in batch:
                batch[key] = _on_device(batch[key], self.device)
        while True:
            yield batch

    def _with_colours(self, part: Part, batch: dict[str, Any]) -> dict[str, Any]:
        pixels = batch["image"]
        # Nerfstudio's own loaders give floats.
        if pixels.dtype == torch.uint8:
            batch["image"] = self._caches[part].colours(pixels, batch.get("mask"))
        return batch


def _on_device(
    images: torch.Tensor | list[torch.Tensor], device: torch.device | str
) -> torch.Tensor | list[torch.Tensor]:
    if isinstance(images, list):
        return [image.to(device) for image in images]
    return images.to(device)
