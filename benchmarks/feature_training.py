"""Features learned anew in a trained scene whose geometry rests: so ways to learn them differ in nothing else."""

import copy
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float
from nerfstudio.cameras.cameras import Cameras
from nerfstudio.engine.optimizers import Optimizers
from nerfstudio.model_components.ray_generators import RayGenerator
from torch import Tensor
from torch.nn import functional

from samnerf.camera import Camera
from samnerf.configs.methods import samnerf_tiny
from samnerf.distill.cameras import to_nerfstudio
from samnerf.distill.datamanager import SamNerfDataManager
from samnerf.distill.model import CELL_PLACE, CELL_RAY, SamNerfModel
from samnerf.distill.pixel_sampler import CellPixelSampler
from samnerf.distill.replay import Replay
from samnerf.distill.targets import FeatureTargets
from samnerf.feature_map import FeatureMap, Layout
from samnerf.prompts import Point, PromptSet
from samnerf.scene import TrainedScene
from samnerf.teachers.pairs import load_mask_decoder

FRESH_SHARE = 1 / 3
LEARNED = ("_model.feature_field.", "_model.aggregation.")
JITTER_TURN, JITTER_SHIFT = 0.05, 0.12
"""Of rendered cameras: radians, and a part of the distance to what is looked at, both standard deviations."""
CLICKS_PER_STEP = 4


@dataclass
class FeatureTraining:
    """Learns features of one scene in several ways.

    Attributes:
        scene: whose geometry rests.
        steps: of each training; rates decay within them.
        seed: of weights and rays.
    """

    scene: TrainedScene
    steps: int
    seed: int
    _drawn: dict[tuple, Replay] = field(default_factory=dict)

    def learn(
        self, changes: Mapping[str, Any], rendered_views: int = 0, mask_steps: int = 0, longer: int = 1
    ) -> TrainedScene:
        """The scene with other features.

        Args:
            changes: fields of `SamNerfModelConfig`.
            rendered_views: from so many jittered cameras half of the batches come; the teachers see what is rendered.
            mask_steps: so many of the steps, the last, learn from what the mask decoder makes of whole maps.
            longer: by which there are more steps than usual.
        """
        torch.manual_seed(self.seed)
        pipeline = self._pipeline(changes)
        model, datamanager = pipeline.model, pipeline.datamanager
        assert isinstance(model, SamNerfModel)
        assert isinstance(datamanager, SamNerfDataManager)
        sampling = (model.config.feature_samples, model.config.feature_sharpness, model.config.rays_per_side)
        if rendered_views:
            datamanager.replay = self._with_rendered(model, datamanager.replay, rendered_views)
        else:
            datamanager.replay = self._drawn.setdefault(sampling, datamanager.replay)  # type: ignore[arg-type]
        model.train()
        steps = longer * self.steps
        optimizers = self._optimizers(model, steps)
        for step in range(1, steps + 1):
            if step > steps - mask_steps:
                loss = self._mask_loss(model, datamanager)
            else:
                rays, batch = datamanager.next_train(step)
                loss = torch.stack(list(model.get_loss_dict(model(rays), batch, {}).values())).sum()
            optimizers.zero_grad_all()
            loss.backward()
            optimizers.optimizer_step_all()
            optimizers.scheduler_step_all(step)
        return TrainedScene.from_pipeline(pipeline)

    def _pipeline(self, changes: Mapping[str, Any]) -> Any:
        config = copy.deepcopy(samnerf_tiny.config.pipeline)
        config.model = replace(config.model, **changes)
        trained = self.scene.pipeline
        config.datamanager.data = trained.datamanager.config.data
        config.datamanager.colour_share = 1.5 / self.steps  # one step, which is left out
        config.datamanager.fresh_share = FRESH_SHARE
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pipeline = config.setup(device="cpu", test_mode="val", world_size=1, local_rank=0)
        geometry = {key: value for key, value in trained.state_dict().items() if not key.startswith(LEARNED)}
        pipeline.load_state_dict({**pipeline.state_dict(), **geometry})
        pipeline.open_features(self.steps)
        return pipeline

    def _optimizers(self, model: SamNerfModel, steps: int) -> Optimizers:
        names = "features", "feature_planes"
        groups = model.get_param_groups()
        for name, group in groups.items():
            for parameter in group:
                parameter.requires_grad_(name in names)
        configs = copy.deepcopy({name: samnerf_tiny.config.optimizers[name] for name in names})
        for one in configs.values():
            one["scheduler"].max_steps = steps
        return Optimizers(configs, {name: groups[name] for name in names})

    def _with_rendered(self, model: SamNerfModel, drawn: Replay | None, count: int) -> Replay:
        """Batches of photographs and of rendered views, one after the other."""
        assert drawn is not None
        views = RenderedViews.of(self.scene, count, self.seed)
        sampler = CellPixelSampler(
            samnerf_tiny.config.pipeline.datamanager.train_num_rays_per_batch,
            1.0,
            views.side,
            views.layout,
            model.config.rays_per_side,
            model.config.block_side,
        )
        return _Alternating(drawn.fresh, lambda: views.batch(sampler))

    def _mask_loss(self, model: SamNerfModel, datamanager: SamNerfDataManager) -> Float[Tensor, ""]:
        """What the mask decoder makes of a rendered map, against what it makes of the teacher's, at random clicks."""
        cameras = self.scene.cameras("train")
        number = int(torch.randint(len(cameras), (1,)))
        _, camera = cameras[number]
        model.eval()  # geometry without jitter; gradients flow all the same
        maps = model._render_maps(to_nerfstudio(camera))
        model.train()
        losses = []
        for kind, found in maps.items():
            wanted = datamanager.stores[kind].map(datamanager.targets[kind].names[number])
            both = [model.statistics[kind].standardise(one.values.flatten(1).T) for one in (found, wanted)]
            losses.append(functional.mse_loss(*both))
        wanted = datamanager.stores["sam"].map(datamanager.targets["sam"].names[number])
        for x, y in (torch.rand(CLICKS_PER_STEP, 2) * torch.tensor([camera.width, camera.height])).tolist():
            said = PromptSet(points=(Point(x, y),))
            with torch.no_grad():
                truth = self._decoder.predict(wanted, said).logits.sigmoid()
            answer = self._decoder.predict(maps["sam"], said).logits
            losses.append(functional.binary_cross_entropy_with_logits(answer, truth) / CLICKS_PER_STEP)
        return torch.stack(losses).sum()

    @cached_property
    def _decoder(self) -> Any:
        return load_mask_decoder("tiny")


class _Alternating(Replay):
    """A replay of which every second batch that is drawn is another one."""

    def __init__(self, fresh: int, other: Callable[[], Any]) -> None:
        super().__init__(fresh)
        self._other = other
        self._count = 0

    def next(self, draw: Callable[[], Any]) -> Any:
        """See `Replay`."""

        def either() -> Any:
            self._count += 1
            return draw() if self._count % 2 else self._other()

        return super().next(either)


@dataclass
class RenderedViews:
    """Views between the photographs, and what the teachers say of what is rendered there.

    Attributes:
        cameras: of the views, all of one size.
        targets: by kind of teacher; the first has the grid whose cells are drawn.
        side, layout: of that grid.
    """

    cameras: Cameras
    targets: dict[str, FeatureTargets]
    side: int
    layout: Layout

    @staticmethod
    def of(scene: TrainedScene, count: int, seed: int) -> "RenderedViews":
        """Render views from jittered training cameras."""
        generator = torch.Generator().manual_seed(seed)
        cameras = [camera for _, camera in scene.cameras("train")]
        chosen = [_jittered(cameras[i % len(cameras)], generator) for i in range(count)]
        views = [scene.rendered_view(camera, str(i)) for i, camera in enumerate(chosen)]
        names, sizes = [view.name for view in views], [camera.image_size for camera in chosen]
        targets = {}
        for kind, spec in scene.pipeline.model.specs.items():
            maps = {view.name: view.feature_map(kind) for view in views}
            targets[kind] = FeatureTargets(_Maps(maps), names, sizes, spec.side, spec.layout)
        first = to_nerfstudio(chosen[0])
        poses = torch.stack([camera.camera_to_world for camera in chosen])
        lens = (first.fx[0], first.fy[0], first.cx[0], first.cy[0], first.width[0], first.height[0])
        grid = next(iter(scene.pipeline.model.specs.values()))
        return RenderedViews(Cameras(poses, *lens), targets, grid.side, grid.layout)

    def batch(self, sampler: CellPixelSampler) -> tuple[Any, dict]:
        """Rays in cells, and what the teachers say of them."""
        height, width = int(self.cameras.height[0]), int(self.cameras.width[0])
        images = torch.zeros(len(self.cameras), height, width, 1)
        drawn = sampler.sample({"image": images, "image_idx": torch.arange(len(images))})
        rays = RayGenerator(self.cameras)(drawn["indices"])
        where, centres = drawn["cell_images"], drawn["cell_centres"]
        rays.metadata[CELL_RAY] = sampler.cell_rays()
        rays.metadata[CELL_PLACE] = sampler.of_rays(next(iter(self.targets.values())).places(where, centres))
        return rays, {"features": {kind: target.at(where, centres) for kind, target in self.targets.items()}}


class _Maps:
    """Feature maps in memory, as a store gives them."""

    def __init__(self, maps: Mapping[str, FeatureMap]) -> None:
        self._maps = dict(maps)
        self._numbers = {name: number for number, name in enumerate(maps)}
        self._values = torch.stack([one.values for one in maps.values()])

    def map(self, name: str) -> FeatureMap:
        return self._maps[name]

    def index(self, name: str) -> int:
        return self._numbers[name]

    def gather(self, image_indices: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        return self._values[image_indices, :, rows, columns].float()


def _jittered(camera: Camera, generator: torch.Generator) -> Camera:
    """A camera that is turned about the scene's origin, and moved a little."""
    turn = torch.linalg.matrix_exp(_skew(JITTER_TURN * torch.randn(3, generator=generator)))
    pose = camera.camera_to_world.clone()
    shift = JITTER_SHIFT * float(pose[:, 3].norm()) * torch.randn(3, generator=generator)
    pose[:, :3], pose[:, 3] = turn @ pose[:, :3], turn @ pose[:, 3] + shift
    return replace(camera, camera_to_world=pose)


def _skew(axis: Sequence[float] | Tensor) -> Float[Tensor, "3 3"]:
    x, y, z = (float(value) for value in axis)
    return torch.tensor([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
