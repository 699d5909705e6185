"""Colour and density: nerfacto, on planes where there is no GPU, and without a download at its birth.

This is the whole of `samnerf-no-distill`, and what `model.py` adds features to.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from unittest import mock

import torch
from jaxtyping import Float
from nerfstudio.cameras.cameras import Cameras
from nerfstudio.cameras.rays import RayBundle, RaySamples
from nerfstudio.data.scene_box import OrientedBox
from nerfstudio.models.nerfacto import NerfactoModel, NerfactoModelConfig
from torch import Tensor, nn
from torch.nn import Parameter

from samnerf.camera import Camera
from samnerf.distill.cameras import from_nerfstudio, to_nerfstudio
from samnerf.distill.density_edit import DensityFactor, scaled_density
from samnerf.distill.encodings import EncodingName
from samnerf.distill.feature_rendering import heaviest_samples
from samnerf.distill.field import PlanesDensityField, PlanesField
from samnerf.distill.planes import PlanesEncoding
from samnerf.feature_map import FeatureMap
from samnerf.surface_samples import SurfaceSamples
from samnerf.teachers.pairs import Kind

SURFACE_SAMPLES = 6
SURFACE_SHARPNESS = 2.0
"""Power to which weights are raised where rays are asked what they meet."""

Picture = Float[Tensor, "height width channels"]
MakePictures = Callable[[Picture, SurfaceSamples], dict[str, Picture]]
"""More pictures of a camera, by name, from its colour, 0 to 1, and from what its rays meet."""


@dataclass(frozen=True, eq=False)
class Shown:
    """What nerfstudio's renderer and viewer get of a camera.

    Attributes:
        camera: a batch of one, with any lens.
        crop: outside of which nothing is shown.
        outputs: pictures by name, among them `rgb`, 0 to 1, and `depth`, along each ray, world units.
        maps: what the teachers' encoders would say, by kind; none without distillation.
    """

    camera: Cameras
    crop: OrientedBox | None
    outputs: dict[str, Tensor]
    maps: dict[Kind, FeatureMap]


AnswerPrompts = Callable[[Shown], dict[str, Picture]]
"""Pictures, by name, that answer what a person said of the scene that is shown."""


@dataclass(frozen=True, eq=False)
class Rendering:
    """What is rendered of a camera in one pass; all on the CPU.

    Attributes:
        colour: 0 to 1.
        opacity: how much of each ray ends in the scene, 0 to 1.
        depth: median distance along each ray, world units.
        samples: what the rays meet.
    """

    colour: Float[Tensor, "height width 3"]
    opacity: Float[Tensor, "height width"]
    depth: Float[Tensor, "height width"]
    samples: SurfaceSamples


@dataclass
class ColourModelConfig(NerfactoModelConfig):
    """Nerfacto, with a choice of representation."""

    _target: type = field(default_factory=lambda: ColourModel)
    pair: str = "sam-vit-h"
    """Teachers whose decoders answer prompts in this scene: tiny, sam-vit-b, sam-vit-l or sam-vit-h;
    without distillation also sam2-hiera-tiny, -small, -base-plus or -large."""
    encoding: EncodingName = "hash"
    """Representation of space: nerfacto's hash grids (GPU) or planes (CPU)."""
    plane_resolutions: tuple[int, ...] = (32, 64, 128, 256)
    """Texels along a side of the field's planes, for each scale. Like all that follows, with planes only."""
    plane_channels: int = 8
    """Features of each scale."""
    contraction_radius: float = 1.0
    """Half the side, in scene units, of the cube that half of the planes' texels are spent on; cameras lie within 1."""
    proposal_plane_resolutions: tuple[int, ...] = (64,)
    """Texels along a side of the planes of the proposal field."""
    proposal_plane_channels: int = 8
    """Features of each of its scales."""
    compute_lpips: bool = False
    """Whether evaluation measures LPIPS too; its network is downloaded on first use."""


class ColourModel(NerfactoModel):
    """Colour and depth of any camera.

    Attributes:
        make_pictures: what else nerfstudio's renderer and viewer get of a camera; None for nothing more.
        answer_prompts: what comes last, from all the rest; a viewer sets it. None for nothing more.
    """

    config: ColourModelConfig
    make_pictures: MakePictures | None = None
    answer_prompts: AnswerPrompts | None = None

    def populate_modules(self) -> None:
        """Build the fields; LPIPS only when it is asked for, and never as part of the model."""
        config = self.config
        if config.encoding == "planes":
            if config.predict_normals:
                raise ValueError("planes predict no normals; use the hash encoding for predict_normals")
            # The hash grids that are built here are replaced below, so they may be as small as can be.
            smallest = {"hidden_dim": 1, "log2_hashmap_size": 1, "num_levels": 1}
            self.config = replace(
                config, num_levels=1, log2_hashmap_size=1, proposal_net_args_list=[smallest], implementation="torch"
            )
        with mock.patch("torchmetrics.image.lpip.LearnedPerceptualImagePatchSimilarity", _no_lpips):
            super().populate_modules()
        self.config = config
        if config.encoding == "planes":
            self._populate_planes()

    def _populate_planes(self) -> None:
        config = self.config
        self.field = PlanesField(  # type: ignore[assignment]
            config.plane_resolutions,
            config.plane_channels,
            config.hidden_dim,
            config.average_init_density,
            self.num_train_data,
            config.appearance_embed_dim if config.use_appearance_embedding else 0,
            config.contraction_radius,
        )
        count = 1 if config.use_same_proposal_network else config.num_proposal_iterations
        self.proposal_networks = nn.ModuleList(
            PlanesDensityField(
                config.proposal_plane_resolutions,
                config.proposal_plane_channels,
                config.average_init_density,
                config.contraction_radius,
            )
            for _ in range(count)
        )
        fields = list(self.proposal_networks) * (config.num_proposal_iterations // count)
        self.density_fns = [network.density_fn for network in fields]

    def get_param_groups(self) -> dict[str, list[Parameter]]:
        """Nerfacto's groups, and `planes`, which may learn at another rate than networks."""
        groups = super().get_param_groups()
        planes = {id(p): p for m in self.modules() if isinstance(m, PlanesEncoding) for p in m.parameters()}
        groups = {name: [p for p in group if id(p) not in planes] for name, group in groups.items()}
        return {**groups, "planes": list(planes.values())} if planes else groups

    @functools.cached_property
    def _lpips_list(self) -> list[nn.Module]:
        # In a list, because a module that is an attribute becomes part of every checkpoint.
        from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

        return [LearnedPerceptualImagePatchSimilarity(normalize=True).to(self.device)]

    def get_image_metrics_and_images(
        self, outputs: dict[str, Tensor], batch: dict[str, Any]
    ) -> tuple[dict[str, float], dict[str, Tensor]]:
        """PSNR, SSIM and, on request, LPIPS of a rendered image; and pictures of it."""
        self.lpips = self._lpips_list[0].__call__ if self.config.compute_lpips else _unmeasured
        metrics, images = super().get_image_metrics_and_images(outputs, batch)
        if not self.config.compute_lpips:
            del metrics["lpips"]
        return metrics, images

    def render_colour(self, camera: Camera) -> tuple[Float[Tensor, "height width 3"], Float[Tensor, "height width"]]:
        """Colour, 0 to 1, and median distance along each ray in world units; both on the CPU."""
        with evaluating(self):
            rays = to_nerfstudio(camera).generate_rays(camera_indices=0, keep_shape=True)
            outputs = self.get_outputs_for_camera_ray_bundle(rays)
        return outputs["rgb"].clamp(0, 1), outputs["depth"][..., 0]

    def render_samples(self, camera: Camera, count: int = SURFACE_SAMPLES) -> SurfaceSamples:
        """What the rays of all pixels meet: the `count` heaviest samples of each; on the CPU.

        Weights are squared and scaled back to the opacity of their ray, which makes edges as sharp as colours have
        them.
        """
        kept = []
        with evaluating(self):
            rays = to_nerfstudio(camera).generate_rays(camera_indices=0, keep_shape=True).flatten()
            chunk = self.config.eval_num_rays_per_chunk
            for i in range(0, len(rays), chunk):
                samples, weights = self._sampled(self._collided(rays[i : i + chunk].to(self.device)))
                kept.append(_surface(samples, weights, count))
        return _surface_samples(camera, kept)

    def render(self, camera: Camera) -> Rendering:
        """Colour, opacity, depth and surface samples, in hardly more time than colour alone."""
        with evaluating(self), self._keeping_samples() as kept:
            rays = to_nerfstudio(camera).generate_rays(camera_indices=0, keep_shape=True)
            outputs = self.get_outputs_for_camera_ray_bundle(rays)
        colour, opacity, depth = (outputs[name] for name in ("rgb", "accumulation", "depth"))
        return Rendering(colour.clamp(0, 1), opacity[..., 0], depth[..., 0], _surface_samples(camera, kept))

    @torch.no_grad()
    def get_outputs_for_camera(self, camera: Cameras, obb_box: OrientedBox | None = None) -> dict[str, Tensor]:
        """Nerfacto's outputs, and those of `make_pictures` and others: what nerfstudio's renderer and viewer show."""
        outputs, maps = self._outputs_and_maps(camera, obb_box)
        if self.answer_prompts is None:
            return outputs
        return {**outputs, **self.answer_prompts(Shown(camera, obb_box, outputs, maps))}

    def _outputs_and_maps(
        self, camera: Cameras, obb_box: OrientedBox | None
    ) -> tuple[dict[str, Tensor], dict[Kind, FeatureMap]]:
        """Outputs of a camera, but for answers, and the feature maps of those models that render them."""
        if self.make_pictures is None:
            return super().get_outputs_for_camera(camera, obb_box), {}
        with self._keeping_samples() as kept:
            outputs = super().get_outputs_for_camera(camera, obb_box)
        colour = outputs["rgb"]
        more = self.make_pictures(colour.cpu(), _surface_samples(from_nerfstudio(camera), kept))
        return {**outputs, **{name: picture.to(colour.device) for name, picture in more.items()}}, {}

    def edited(self, factor: DensityFactor) -> contextlib.AbstractContextManager[None]:
        """While it lasts, everything rendered has its density scaled; see `samnerf.distill.density_edit`."""
        return scaled_density(self, factor)

    @contextlib.contextmanager
    def _keeping_samples(self) -> Iterator[list[tuple[Tensor, Tensor]]]:
        """A list that grows by the surface samples of each chunk of rays that nerfacto renders meanwhile."""
        kept: list[tuple[Tensor, Tensor]] = []

        def keep(_module: nn.Module, _args: tuple, given: dict[str, Any]) -> None:
            kept.append(_surface(given["ray_samples"], given["weights"], SURFACE_SAMPLES))

        # Nerfacto calls this renderer once for each chunk, with the samples and weights that its colours have.
        handle = self.renderer_expected_depth.register_forward_pre_hook(keep, with_kwargs=True)
        try:
            yield kept
        finally:
            handle.remove()

    def _collided(self, rays: RayBundle) -> RayBundle:
        return self.collider(rays) if self.collider is not None else rays

    def _sampled(self, rays: RayBundle) -> tuple[RaySamples, Float[Tensor, "rays samples 1"]]:
        """Samples along rays and their rendering weights."""
        samples, _, _ = self.proposal_sampler(rays, density_fns=self.density_fns)
        density, _ = self.field.get_density(samples)
        return samples, samples.get_weights(density)


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Without gradients and jitter; afterwards the model is in the mode it was in."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)


def _surface(
    samples: RaySamples, weights: Float[Tensor, "rays samples 1"], count: int
) -> tuple[Float[Tensor, "rays kept 3"], Float[Tensor, "rays kept"]]:
    """Positions and weights of the heaviest samples of rays, on the CPU; see `ColourModel.render_samples`."""
    shares, places = heaviest_samples(weights[..., 0], count, SURFACE_SHARPNESS)
    positions = torch.take_along_dim(samples.frustums.get_positions(), places[..., None], dim=1)
    return positions.cpu(), (shares * weights.sum(dim=1)).cpu()


def _surface_samples(camera: Camera, kept: list[tuple[Tensor, Tensor]]) -> SurfaceSamples:
    positions, weights = zip(*kept, strict=True)
    return SurfaceSamples(camera, torch.cat(positions), torch.cat(weights))


def _no_lpips(**_: Any) -> None:
    """Stands in for LPIPS while nerfacto builds its modules: the original downloads weights."""


def _unmeasured(*_: Tensor) -> float:
    return 0.0
