"""Features of a view at full size: encoded by SAM's image encoder, against rendered by the field of `samnerf-distill`.

    python benchmarks/encode_vs_render.py                                  # ViT-B, on a CPU
    python benchmarks/encode_vs_render.py --encoders sam-vit-b sam-vit-h
    python benchmarks/encode_vs_render.py --device cuda

Both start where a viewer starts, with an image or a camera of 1024 x 1024 pixels, and end with SAM's whole map of
64 x 64 cells on the CPU; the field renders CLIPSeg's map too. Weights are random: neither way takes longer or shorter
for them. Colour is not rendered, and no decoder runs; `view_features.py` measures a click from end to end in a trained
scene. Medians go to `benchmarks/results/encode_vs_render.json`; on a CPU ratios are those of processor seconds, which
other programs do not lengthen.
"""

import copy
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from statistics import median

import numpy as np
import torch
import tyro
from nerfstudio.data.scene_box import SceneBox
from receipts import write_receipt

from samnerf.camera import Camera
from samnerf.configs.methods import samnerf_distill
from samnerf.distill.model import SamNerfModel, SamNerfModelConfig
from samnerf.teachers.meta_sam import CHANNELS, INPUT_SIDE, SHAPES, SIDE, build_image_encoder
from samnerf.teachers.sam import SamEncoder


@dataclass
class EncodeVsRender:
    """Encoders against the field."""

    device: str = "cpu"
    """cpu or cuda."""
    encoders: tuple[str, ...] = ("sam-vit-b",)
    """Which of sam-vit-b, sam-vit-l and sam-vit-h."""
    runs: int = 3
    """How often each is measured, after a run that warms up."""

    def measure(self) -> None:
        """Run, print and write the receipt."""
        torch.manual_seed(0)
        model, camera = _field(self.device), _camera()
        times = {"render": self._times(lambda: _rendered(model, camera))}
        image = np.random.default_rng(0).integers(0, 256, (INPUT_SIDE, INPUT_SIDE, 3), dtype=np.uint8)
        for name in self.encoders:
            encoder = _encoder(name, self.device)
            times[name] = self._times(lambda encoder=encoder: encoder.encode(image))
        wall = {name: median(runs.wall) for name, runs in times.items()}
        processor = {name: median(runs.processor) for name, runs in times.items()} if self.device == "cpu" else None
        compared = processor or wall
        ratios = {name: compared[name] / compared["render"] for name in self.encoders}
        measured = {
            "image_size": [INPUT_SIDE, INPUT_SIDE],
            "cells": {kind: [spec.side, spec.side] for kind, spec in model.specs.items()},
            "implementation": "torch" if self.device == "cpu" else "as installed",
            "seconds": wall,
            "processor_seconds": processor,
            "ratios": ratios,
            "runs": {name: asdict(runs) for name, runs in times.items()},
        }
        path = write_receipt(f"encode_vs_render{'' if self.device == 'cpu' else '_cuda'}", self.device, measured)
        for name in times:
            print(f"{name:<12} {1000 * wall[name]:9.1f} ms", end="")
            print("" if processor is None else f"  {1000 * processor[name]:9.1f} ms of the processor", end="")
            print(f"  {ratios[name]:7.2f} times as long" if name in ratios else "")
        print(f"-> {path}")

    def _times(self, work: Callable[[], object]) -> "Times":
        times = Times()
        for run in range(self.runs + 1):
            if self.device.startswith("cuda"):
                torch.cuda.synchronize()
            wall, processor = time.perf_counter(), time.process_time()
            work()  # its result ends on the CPU, so that there is nothing left to wait for
            if run:  # the first one warms up
                times.wall.append(time.perf_counter() - wall)
                times.processor.append(time.process_time() - processor)
        return times


@dataclass
class Times:
    """Seconds of each run: of the clock, and of the processor, which other programs do not lengthen."""

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)


def _rendered(model: SamNerfModel, camera: Camera) -> list[torch.Tensor]:
    return [rendered.values.cpu() for rendered in model.render_feature_maps(camera).values()]


def _field(device: str) -> SamNerfModel:
    config = copy.deepcopy(samnerf_distill.config.pipeline.model)
    assert isinstance(config, SamNerfModelConfig)
    config.pair = "sam-vit-b"
    if device == "cpu":
        config.implementation = "torch"
    box = SceneBox(aabb=torch.tensor([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]]))
    model = config.setup(scene_box=box, num_train_data=1, metadata={}, device=device, grad_scaler=None)
    return model.to(device).eval()


def _camera() -> Camera:
    pose = torch.eye(4)[:3]
    pose[2, 3] = 0.8
    side = INPUT_SIDE
    return Camera(pose, float(side), float(side), side / 2, side / 2, side, side)


def _encoder(name: str, device: str) -> SamEncoder:
    network = build_image_encoder(SHAPES[name])
    return SamEncoder(network, name, "random", CHANNELS, SIDE, INPUT_SIDE, torch.device(device))


if __name__ == "__main__":
    tyro.cli(EncodeVsRender).measure()
