"""The distilled scene: colour, density, and what the teachers' encoders would say of any view."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from jaxtyping import Float
from nerfstudio.cameras.cameras import Cameras
from nerfstudio.cameras.rays import RayBundle, RaySamples
from nerfstudio.data.scene_box import OrientedBox
from torch import Tensor, nn
from torch.nn import Parameter

from samnerf.camera import Camera
from samnerf.distill.aggregation import cell_list, make_aggregation, ray_grid
from samnerf.distill.cameras import to_nerfstudio
from samnerf.distill.colour_model import ColourModel, ColourModelConfig, evaluating
from samnerf.distill.encodings import make_encoding
from samnerf.distill.feature_error import feature_error
from samnerf.distill.feature_field import FeatureField
from samnerf.distill.feature_rendering import heaviest_samples, render_features
from samnerf.distill.field import contracted
from samnerf.distill.teacher_statistics import TeacherStatistics
from samnerf.feature_map import FeatureMap, cell_centres, cells_per_pixel, covered_cells
from samnerf.teachers.pairs import FeatureSpec, Kind, distillable_specs

CELL_RAY = "cell_ray"
"""Metadata of a ray bundle: 1 for the rays of feature cells, which come first, cell by cell; 0 for the others."""
CELL_PLACE = "cell_place"
"""Metadata: where the cell of a ray lies on the first teacher's grid, (x, y) from -1 to 1."""
PLACES, SHARES = "feature_places", "feature_shares"
"""Metadata of rays that were rendered before: where they meet the scene, and what each place counts."""


@dataclass
class SamNerfModelConfig(ColourModelConfig):
    """A colour model with distilled features."""

    _target: type = field(default_factory=lambda: SamNerfModel)
    sam_layout: Literal["teacher", "letterbox", "stretch"] = "teacher"
    """How an image lies on SAM's grid: as the teacher likes it, or as named. Nuke needs stretch."""
    feature_resolutions: tuple[int, ...] = (16, 32, 64, 128, 256, 512)
    """Cells along a side of the feature field's encoding, for each scale."""
    feature_channels: int = 8
    """Features of each scale of the encoding."""
    feature_log2_hashmap_size: int = 19
    """Entries of a level of the feature field's hash grid, as a power of 2."""
    feature_width: int = 128
    """Length of the code that is rendered."""
    feature_head_width: int = 256
    """Width of the heads that translate codes into each teacher's features."""
    feature_samples: int = 16
    """Samples per feature ray: the heaviest ones."""
    feature_sharpness: float = 4.0
    """Power to which their weights are raised."""
    rays_per_side: int = 2
    """Rays along each side of a feature cell, in training and in rendering."""
    aggregation: Literal["mean", "convolution", "neighbourhood", "attention"] = "neighbourhood"
    """How the rays of cells become their features."""
    feature_places: bool = False
    """Whether the heads are told where in the image a cell lies."""
    feature_loss: Literal["mse", "cosine", "mse+cosine"] = "mse"
    """What standardised features are measured by."""
    block_side: int = 4
    """Cells along each side of the blocks that training draws; more than 1 lets aggregation see neighbours."""
    feature_loss_mult: float = 1.0
    """Weight of the feature loss."""


class SamNerfModel(ColourModel):
    """Colour, depth and feature maps of any camera.

    Attributes:
        specs: what maps are rendered, by kind of teacher. The grid of the first gives the size of a patch.
    """

    config: SamNerfModelConfig
    specs: dict[Kind, FeatureSpec]

    def populate_modules(self) -> None:
        """Build the colour model and, beside it, the feature field and its statistics."""
        super().populate_modules()
        config = self.config
        self.specs = dict(distillable_specs(config.pair))
        if config.sam_layout != "teacher":
            self.specs["sam"] = replace(self.specs["sam"], layout=config.sam_layout)
        encoding = make_encoding(
            config.encoding,
            config.feature_resolutions,
            config.feature_channels,
            config.feature_log2_hashmap_size,
            config.implementation,
        )
        self.feature_field = FeatureField(
            encoding,
            config.feature_width,
            config.feature_head_width,
            {kind: spec.channels for kind, spec in self.specs.items()},
            config.feature_places,
        )
        self.aggregation = make_aggregation(config.aggregation, config.feature_width, config.rays_per_side)
        self.statistics = nn.ModuleDict(
            {
                kind: TeacherStatistics(spec.channels, spec.side, spec.layout, spec.teacher)
                for kind, spec in self.specs.items()
            }
        )

    def get_param_groups(self) -> dict[str, list[Parameter]]:
        """Nerfacto's groups, `features`, and, with planes, `feature_planes`, which may learn at a rate of their own."""
        groups = super().get_param_groups()
        own = {id(parameter) for parameter in self.feature_field.encoding.parameters()}
        groups["features"] = [*self.feature_field.parameters(), *self.aggregation.parameters()]
        if "planes" in groups:
            groups["planes"] = [parameter for parameter in groups["planes"] if id(parameter) not in own]
            groups["features"] = [parameter for parameter in groups["features"] if id(parameter) not in own]
            groups["feature_planes"] = list(self.feature_field.encoding.parameters())
        return groups

    def get_outputs(self, ray_bundle: RayBundle) -> dict[str, Any]:
        """Nerfacto's outputs per ray; in training also standardised features per cell, where a bundle has cells.

        A bundle of nothing but cells teaches features only: it gets no colours, and colour and density rest.
        """
        in_cells = ray_bundle.metadata.get(CELL_RAY) if self.training else None
        if in_cells is not None and bool(in_cells.all()):
            return {"features": self._cell_features(ray_bundle, self._met_codes(ray_bundle, *self._met(ray_bundle)))}
        outputs: dict[str, Any] = super().get_outputs(ray_bundle)
        if in_cells is not None:
            count = int(in_cells.sum())
            samples, weights = outputs["ray_samples_list"][-1], outputs["weights_list"][-1]
            met = self._heaviest(samples[:count], weights[:count])  # type: ignore[index]
            rays = ray_bundle[:count]
            outputs["features"] = self._cell_features(rays, self._met_codes(rays, *met))
        return outputs

    def get_metrics_dict(self, outputs: dict, batch: dict) -> dict[str, Tensor]:
        """Nerfacto's metrics, where there are colours."""
        return super().get_metrics_dict(outputs, batch) if "rgb" in outputs else {}

    def get_loss_dict(self, outputs: dict, batch: dict, metrics_dict: dict | None = None) -> dict[str, Tensor]:
        """Nerfacto's losses, where there are colours, and, if the batch has features, one for each kind of teacher."""
        losses = super().get_loss_dict(outputs, batch, metrics_dict) if "rgb" in outputs else {}
        for kind, targets in batch.get("features", {}).items():
            standardised = self.statistics[kind].standardise(targets.to(self.device))  # type: ignore[operator]
            error = feature_error(self.config.feature_loss, outputs["features"][kind], standardised)
            losses[f"{kind}_loss"] = self.config.feature_loss_mult * error
        return losses

    def render_feature_maps(self, camera: Camera) -> dict[Kind, FeatureMap]:
        """What each teacher's encoder would say of this view, by kind; on the model's device."""
        with evaluating(self):
            return self._render_maps(to_nerfstudio(camera))

    def _outputs_and_maps(
        self, camera: Cameras, obb_box: OrientedBox | None
    ) -> tuple[dict[str, Tensor], dict[Kind, FeatureMap]]:
        """Nerfacto's outputs, for each kind a picture of its features in three colours, and the features."""
        outputs, _ = super()._outputs_and_maps(camera, obb_box)
        maps = self._render_maps(camera)
        for kind, feature_map in maps.items():
            outputs[f"{kind}_pca"] = self._picture(kind, feature_map).to(outputs["rgb"].device)
        return outputs, maps

    def _render_maps(self, camera: Cameras) -> dict[Kind, FeatureMap]:
        """Maps of a single nerfstudio camera, through its lens if it has one."""
        size = int(camera.height), int(camera.width)
        maps: dict[Kind, FeatureMap] = {}
        done: list[tuple[Tensor, Tensor]] = []
        for kind, spec in self.specs.items():
            covered = covered_cells(size, spec.side, spec.layout)
            centres = cell_centres(size, spec.side, spec.layout)[covered]
            # Teachers whose grids agree share their rays.
            codes = next((codes for earlier, codes in done if torch.equal(earlier, centres)), None)
            if codes is None:
                cells = int(covered.any(dim=1).sum()), int(covered.any(dim=0).sum())
                codes = self._cell_codes(camera, centres, cells, self._patch_size(size))
                scale = torch.tensor(cells_per_pixel(size, spec.side, spec.layout)) * (2 / spec.side)
                codes = self.feature_field.placed(codes, (centres * scale - 1).to(codes))
                done.append((centres, codes))
            features = self.feature_field.features(codes, kind)
            statistics: TeacherStatistics = self.statistics[kind]  # type: ignore[assignment]
            maps[kind] = statistics.feature_map(statistics.restore(features), size)
        return maps

    def _patch_size(self, image_size: tuple[int, int]) -> tuple[float, float]:
        """Width and height in pixels of the patch behind every cell, whatever its teacher: a cell of the first grid.

        Training sees no other patches: it draws cells of the first grid and interpolates the other teachers' maps.
        """
        spec = next(iter(self.specs.values()))
        across, down = cells_per_pixel(image_size, spec.side, spec.layout)
        return 1 / across, 1 / down

    def _cell_codes(
        self, camera: Cameras, centres: Float[Tensor, "cells 2"], cells: tuple[int, int], patch: tuple[float, float]
    ) -> Float[Tensor, "cells width"]:
        """Aggregated codes of rows and columns of cells, around whose image points (x, y) lie patches."""
        side = self.config.rays_per_side
        steps = (torch.arange(side) + 0.5) / side - 0.5
        y, x = torch.meshgrid(steps * patch[1], steps * patch[0], indexing="ij")
        points = centres[:, None, None] + torch.stack([x, y], dim=-1)
        limits = points.new_tensor([float(camera.width), float(camera.height)])
        points = points.reshape(-1, 2).clamp(min=torch.zeros(2), max=limits)
        rays = camera.generate_rays(camera_indices=0, coords=points.flip(-1).to(camera.device))
        chunk = max(1, self.config.eval_num_rays_per_chunk // side**2) * side**2
        codes = [self._rendered_codes(rays[i : i + chunk].to(self.device)) for i in range(0, len(points), chunk)]
        return cell_list(self.aggregation(ray_grid(torch.cat(codes), cells, side)))

    def _rendered_codes(self, rays: RayBundle) -> Float[Tensor, "rays width"]:
        """Codes of rays without their colours."""
        return self._met_codes(rays, *self._heaviest(*self._sampled(self._collided(rays))))

    def _met(self, rays: RayBundle) -> tuple[Float[Tensor, "rays kept 3"], Float[Tensor, "rays kept"]]:
        """What `_heaviest` gives; rays that come again remember it, so geometry has to rest."""
        if PLACES not in rays.metadata:
            with torch.no_grad():
                self.camera_optimizer.apply_to_raybundle(rays)
                rays.metadata[PLACES], rays.metadata[SHARES] = self._heaviest(*self._sampled(rays))
        return rays.metadata[PLACES], rays.metadata[SHARES]

    def _heaviest(
        self, samples: RaySamples, weights: Float[Tensor, "rays samples 1"]
    ) -> tuple[Float[Tensor, "rays kept 3"], Float[Tensor, "rays kept"]]:
        """Places, contracted, at which rays are asked for features, and the share of each."""
        shares, kept = heaviest_samples(weights[..., 0], self.config.feature_samples, self.config.feature_sharpness)
        places = torch.take_along_dim(samples.frustums.get_positions().detach(), kept[..., None], dim=1)
        return contracted(places, self._radius), shares

    def _met_codes(
        self, rays: RayBundle, places: Float[Tensor, "rays kept 3"], shares: Float[Tensor, "rays kept"]
    ) -> Float[Tensor, "rays width"]:
        codes = self.feature_field.codes(places.reshape(-1, 3))
        return self.feature_field.seen_from(render_features(codes.reshape(*shares.shape, -1), shares), rays.directions)

    @property
    def _radius(self) -> float:
        # Hash grids have room enough; theirs is nerfacto's contraction.
        return self.config.contraction_radius if self.config.encoding == "planes" else 1.0

    def _cell_features(
        self, rays: RayBundle, ray_codes: Float[Tensor, "rays width"]
    ) -> dict[str, Float[Tensor, "cells channels"]]:
        block, side = self.config.block_side, self.config.rays_per_side
        codes = cell_list(self.aggregation(ray_grid(ray_codes, (block, block), side)))
        if self.config.feature_places:
            codes = self.feature_field.placed(codes, rays.metadata[CELL_PLACE][:: side**2])
        return {kind: self.feature_field.features(codes, kind) for kind in self.specs}

    def _picture(self, kind: str, feature_map: FeatureMap) -> Float[Tensor, "height width 3"]:
        """Three principal directions of the features as red, green and blue, at the size of the image."""
        statistics: TeacherStatistics = self.statistics[kind]  # type: ignore[assignment]
        standardised = statistics.standardise(feature_map.values.flatten(1).T)
        colours = (standardised @ statistics.colours + 0.5).clamp(0, 1)
        grid = colours.T.reshape(1, 3, feature_map.side, feature_map.side)
        height, width = feature_map.image_size
        y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
        places = feature_map.to_cells(torch.stack([x, y], dim=-1)) / feature_map.side * 2 - 1
        picture = nn.functional.grid_sample(
            grid, places[None].to(grid.device), padding_mode="border", align_corners=False
        )
        return picture[0].permute(1, 2, 0)
