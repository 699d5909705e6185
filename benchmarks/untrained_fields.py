"""Fields of our methods with random weights, and a camera before them: what they cost needs no others."""

import copy
from dataclasses import replace
from typing import Any

import torch
from nerfstudio.data.scene_box import SceneBox
from nerfstudio.plugins.types import MethodSpecification

from samnerf.camera import Camera
from samnerf.distill.model import SamNerfModel, SamNerfModelConfig


def untrained_field(method: MethodSpecification, device: str, **changes: Any) -> SamNerfModel:
    """The model of a method, in evaluation mode.

    Args:
        method: `samnerf_tiny` or `samnerf_distill`.
        device: cpu or cuda.
        changes: of its config.
    """
    config = copy.deepcopy(method.config.pipeline.model)
    assert isinstance(config, SamNerfModelConfig)
    if device == "cpu":
        config.implementation = "torch"
    box = SceneBox(aabb=torch.tensor([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]]))
    given: dict[str, Any] = {"scene_box": box, "num_train_data": 1, "metadata": {}, "device": device}
    model = replace(config, **changes).setup(**given, grad_scaler=None)
    return model.to(device).eval()


def camera_before_it(side: int) -> Camera:
    """A camera with as many pixels along each side, 0.8 scene units from the middle."""
    pose = torch.eye(4)[:3]
    pose[2, 3] = 0.8
    return Camera(pose, float(side), float(side), side / 2, side / 2, side, side)
