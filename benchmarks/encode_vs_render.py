"""Features of a view: encoded by the teachers' image encoders, against rendered by the field of `samnerf-distill`.

    python benchmarks/encode_vs_render.py                                  # all teachers, on a CPU
    python benchmarks/encode_vs_render.py --encoders sam-vit-b sam-vit-h
    python benchmarks/encode_vs_render.py --device cuda

Each way starts where a viewer starts, with a camera of 1024 x 1024 pixels or an image of the size that the encoder
sees, and ends with the whole map on the CPU; the field renders the maps of SAM (64 x 64 cells) and of CLIPSeg. Weights
are random: neither way takes longer or shorter for them. Colour is not rendered, and no decoder runs;
`view_features.py` measures a click from end to end in a trained scene. Medians, and the sizes of the teachers, go to
`benchmarks/results/encode_vs_render.json`; on a CPU ratios are those of processor seconds, which other programs do not
lengthen.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from statistics import median

import numpy as np
import torch
import tyro
from random_teachers import TEACHERS, random_teacher
from receipts import write_receipt
from untrained_fields import camera_before_it, untrained_field

from samnerf.camera import Camera
from samnerf.configs.methods import samnerf_distill
from samnerf.distill.model import SamNerfModel
from samnerf.teachers.meta_sam import INPUT_SIDE, SHAPES


@dataclass
class EncodeVsRender:
    """Encoders against the field."""

    device: str = "cpu"
    """cpu or cuda."""
    encoders: tuple[str, ...] = TEACHERS
    """Teachers by name."""
    runs: int = 3
    """How often each is measured, after a run that warms up."""
    patience: float = 60.0
    """Seconds after which a slow one is measured no further, though at least once."""

    def measure(self) -> None:
        """Run, print and write the receipt."""
        torch.manual_seed(0)
        model, camera = untrained_field(samnerf_distill, self.device, pair="sam-vit-b"), camera_before_it(INPUT_SIDE)
        times = {"render": self._times("render", lambda: _rendered(model, camera))}
        teachers = {}
        for name in self.encoders:
            teacher = random_teacher(name, self.device)
            side = teacher.input_side
            image = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
            times[name] = self._times(name, partial(teacher.encoder.encode, image))
            parameters = {"encoder": teacher.encoder_parameters, "decoder": teacher.decoder_parameters}
            teachers[name] = {"image_size": [side, side], "parameters": parameters}
            del teacher  # before the next one comes
        wall = {name: median(runs.wall) for name, runs in times.items()}
        processor = {name: median(runs.processor) for name, runs in times.items()} if self.device == "cpu" else None
        compared = processor or wall
        ratios = {name: compared[name] / compared["render"] for name in self.encoders if name in SHAPES}
        measured = {
            "image_size": [INPUT_SIDE, INPUT_SIDE],
            "cells": {kind: [spec.side, spec.side] for kind, spec in model.specs.items()},
            "implementation": "torch" if self.device == "cpu" else "as installed",
            "seconds": wall,
            "processor_seconds": processor,
            "ratios": ratios,
            "teachers": teachers,
            "runs": {name: asdict(runs) for name, runs in times.items()},
        }
        path = write_receipt(f"encode_vs_render{'' if self.device == 'cpu' else '_cuda'}", self.device, measured)
        for name, ratio in ratios.items():
            print(f"{name}: {ratio:.1f} times as long as rendering")
        print(f"-> {path}")

    def _times(self, name: str, work: Callable[[], object]) -> "Times":
        times, begin = Times(), time.perf_counter()
        for run in range(self.runs + 1):
            if run > 1 and time.perf_counter() - begin > self.patience:
                break
            if self.device.startswith("cuda"):
                torch.cuda.synchronize()
            wall, processor = time.perf_counter(), time.process_time()
            work()  # its result ends on the CPU, so that there is nothing left to wait for
            if run:  # the first one warms up
                times.wall.append(time.perf_counter() - wall)
                times.processor.append(time.process_time() - processor)
        of_processor = "" if self.device != "cpu" else f"  {1000 * median(times.processor):9.1f} ms of the processor"
        print(f"{name:<20} {1000 * median(times.wall):9.1f} ms{of_processor}", flush=True)
        return times


@dataclass
class Times:
    """Seconds of each run: of the clock, and of the processor, which other programs do not lengthen."""

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)


def _rendered(model: SamNerfModel, camera: Camera) -> list[torch.Tensor]:
    return [rendered.values.cpu() for rendered in model.render_feature_maps(camera).values()]


if __name__ == "__main__":
    tyro.cli(EncodeVsRender).measure()
