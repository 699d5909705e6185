"""The three methods that `ns-train` knows of: names and numbers, no teachers.

- `ns-train samnerf-distill --data CAPTURE`: features of SAM ViT-H and CLIPSeg, for a GPU;
- `ns-train samnerf-no-distill --data CAPTURE`: colour only, the teachers run on what is rendered;
- `ns-train samnerf-tiny --data CAPTURE`: the bundled tiny teachers, minutes on two CPU cores.
"""

from dataclasses import dataclass
from typing import Any

from nerfstudio.cameras.camera_optimizers import CameraOptimizerConfig
from nerfstudio.configs.base_config import LoggingConfig, MachineConfig, ViewerConfig
from nerfstudio.engine.optimizers import AdamOptimizerConfig
from nerfstudio.engine.schedulers import ExponentialDecaySchedulerConfig
from nerfstudio.engine.trainer import TrainerConfig
from nerfstudio.plugins.types import MethodSpecification

from samnerf.distill.colour_model import ColourModelConfig
from samnerf.distill.datamanager import SamNerfDataManagerConfig
from samnerf.distill.model import SamNerfModelConfig
from samnerf.distill.pipeline import SamNerfPipelineConfig
from samnerf.distill.pixel_datamanager import PixelDataManagerConfig
from samnerf.preprocessing.dataparser import CaptureDataParserConfig

TINY_STEPS = 4500
TINY_COLOUR_SHARE = 0.16
TINY_FRESH_SHARE = 0.2
TINY_COLOUR_STEPS = int(TINY_COLOUR_SHARE * TINY_STEPS)


@dataclass
class FusedAdamConfig(AdamOptimizerConfig):
    """Adam in one pass over each parameter, which on a CPU takes a third of the time."""

    fused: bool = True


def _decaying(lr: float, lr_final: float, steps: int, eps: float = 1e-15, fused: bool = False) -> dict[str, Any]:
    return {
        "optimizer": (FusedAdamConfig if fused else AdamOptimizerConfig)(lr=lr, eps=eps),
        "scheduler": ExponentialDecaySchedulerConfig(lr_final=lr_final, max_steps=steps),
    }


def _gpu_trainer(method_name: str, pipeline: SamNerfPipelineConfig) -> TrainerConfig:
    return TrainerConfig(
        method_name=method_name,
        steps_per_save=2000,
        max_num_iterations=30000,
        mixed_precision=True,
        pipeline=pipeline,
        optimizers={
            "proposal_networks": _decaying(1e-2, 1e-4, 200000),
            "fields": _decaying(1e-2, 1e-4, 200000),
            "camera_opt": _decaying(1e-3, 1e-4, 5000),
            "features": _decaying(5e-3, 1e-4, 30000),
        },
        viewer=ViewerConfig(num_rays_per_chunk=1 << 15),
        vis="viewer",
    )


samnerf_distill = MethodSpecification(
    _gpu_trainer(
        "samnerf-distill",
        SamNerfPipelineConfig(
            datamanager=SamNerfDataManagerConfig(
                dataparser=CaptureDataParserConfig(), train_num_rays_per_batch=4096, eval_num_rays_per_batch=4096
            ),
            model=SamNerfModelConfig(
                eval_num_rays_per_chunk=1 << 15,
                average_init_density=0.01,
                camera_optimizer=CameraOptimizerConfig(mode="SO3xR3"),
            ),
        ),
    ),
    description="Nerfacto with distilled features of SAM ViT-H and CLIPSeg.",
)

samnerf_no_distill = MethodSpecification(
    _gpu_trainer(
        "samnerf-no-distill",
        SamNerfPipelineConfig(
            datamanager=PixelDataManagerConfig(
                dataparser=CaptureDataParserConfig(), train_num_rays_per_batch=4096, eval_num_rays_per_batch=4096
            ),
            model=ColourModelConfig(
                eval_num_rays_per_chunk=1 << 15,
                average_init_density=0.01,
                camera_optimizer=CameraOptimizerConfig(mode="SO3xR3"),
            ),
        ),
    ),
    description="The same colours without features: the teachers run on rendered images. A baseline.",
)

samnerf_tiny = MethodSpecification(
    TrainerConfig(
        method_name="samnerf-tiny",
        machine=MachineConfig(device_type="cpu"),
        steps_per_save=100,
        # Evaluation costs seconds here; `ns-eval` does it when training is over.
        steps_per_eval_batch=0,
        steps_per_eval_image=0,
        steps_per_eval_all_images=0,
        max_num_iterations=TINY_STEPS,
        mixed_precision=False,
        pipeline=SamNerfPipelineConfig(
            datamanager=SamNerfDataManagerConfig(
                dataparser=CaptureDataParserConfig(),
                train_num_rays_per_batch=1024,
                eval_num_rays_per_batch=1024,
                colour_share=TINY_COLOUR_SHARE,
                fresh_share=TINY_FRESH_SHARE,
            ),
            model=SamNerfModelConfig(
                pair="tiny",
                encoding="planes",
                implementation="torch",
                eval_num_rays_per_chunk=4096,
                average_init_density=0.1,
                # With Adam even a tiny loss that always points one way wins as long as colours say nothing yet: the
                # distortion loss empties the scene in the first steps, and few steps follow.
                distortion_loss_mult=0.0,
                use_gradient_scaling=True,
                contraction_radius=0.4,
                use_appearance_embedding=False,
                camera_optimizer=CameraOptimizerConfig(mode="off"),
                num_proposal_iterations=1,
                num_proposal_samples_per_ray=(40,),
                num_nerf_samples_per_ray=20,
                proposal_weights_anneal_max_num_iters=100,
                proposal_update_every=0,  # every step; 1 means every other one
                feature_resolutions=(32, 64, 128),
                feature_channels=16,
                feature_width=64,
                feature_head_width=128,
                feature_samples=2,
            ),
        ),
        optimizers={
            # Without this eps Adam moves texels that hardly any ray meets as fast as all others: noise in empty space.
            "proposal_networks": _decaying(3e-3, 1e-4, TINY_COLOUR_STEPS, eps=1e-8, fused=True),
            "fields": _decaying(3e-3, 1e-4, TINY_COLOUR_STEPS, eps=1e-8, fused=True),
            "planes": _decaying(1e-1, 3e-3, TINY_COLOUR_STEPS, eps=1e-8, fused=True),
            "camera_opt": _decaying(1e-3, 1e-4, TINY_STEPS),
            "feature_planes": _decaying(2e-1, 3e-3, TINY_STEPS, eps=1e-8, fused=True),
            "features": _decaying(2e-3, 1e-4, TINY_STEPS, fused=True),
        },
        logging=LoggingConfig(steps_per_log=20),
        viewer=ViewerConfig(num_rays_per_chunk=4096),
        # No viewer by default: it would take the cores from training, and keep the program alive afterwards.
        vis="tensorboard",
    ),
    description="Everything small enough for two CPU cores: factored planes and the bundled tiny teachers.",
)
