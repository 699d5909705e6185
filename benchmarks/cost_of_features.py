"""A feature step and a rendered view against the size of the features: of the planes, of the code, of the teachers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

import torch
from stopwatch import spread, times
from untrained_fields import camera_before_it, untrained_field

from samnerf.configs.methods import samnerf_tiny
from samnerf.distill.cameras import to_nerfstudio
from samnerf.distill.model import CELL_RAY, SamNerfModel, SamNerfModelConfig
from samnerf.teachers.pairs import PAIRS

RAYS = 1024
"""Of a step, as `samnerf-tiny` has them."""
MADE_UP = "made-up"
"""Pair of teachers with as many channels as one likes; nothing is asked of them but how large their features are."""


def cost_of_features(device: str, side: int, factors: tuple[float, ...], runs: int) -> list[dict[str, Any]]:
    """A row for each size; one of the three sizes of `samnerf-tiny` is changed at a time. Weights are random.

    A step is what follows once a batch is drawn: forwards, backwards, and the optimiser on what features learn from.

    Args:
        device: cpu or cuda.
        side: pixels along each side of the rendered view.
        factors: by which each size is multiplied.
        runs: how often each is measured.
    """
    preset = samnerf_tiny.config.pipeline.model
    assert isinstance(preset, SamNerfModelConfig)
    rows = []
    for factor in factors:
        for name in ("feature_channels", "feature_width"):
            size = round(factor * getattr(preset, name))
            rows.append(_row(name, factor, size, untrained_field(samnerf_tiny, device, **{name: size}), side, runs))
        with _made_up_teachers(factor):
            model = untrained_field(samnerf_tiny, device, pair=MADE_UP)
            size = sum(spec.channels for spec in model.specs.values())
            rows.append(_row("teacher_channels", factor, size, model, side, runs))
    return rows


def _row(name: str, factor: float, size: int, model: SamNerfModel, side: int, runs: int) -> dict[str, Any]:
    device = model.device.type
    camera = camera_before_it(side)
    learned = [p for group in ("features", "feature_planes") for p in model.get_param_groups()[group]]
    rendering = times(lambda: model.render_feature_maps(camera), device, runs)
    return {
        "what": name,
        "factor": factor,
        "size": size,
        "parameters": sum(parameter.numel() for parameter in learned),
        "step_seconds": spread(times(_step(model, learned), device, runs)),
        "render_seconds": spread(rendering),
    }


@contextmanager
def _made_up_teachers(factor: float) -> Iterator[None]:
    specs = {kind: replace(spec, channels=round(factor * spec.channels)) for kind, spec in PAIRS["tiny"].items()}
    with mock.patch.dict(PAIRS, {MADE_UP: specs}):
        yield


def _step(model: SamNerfModel, learned: list[torch.nn.Parameter]) -> Callable[[], None]:
    """One step on random blocks of cells and random targets, always the same."""
    generator = torch.Generator().manual_seed(0)
    pixels = 256 * torch.rand(RAYS, 2, generator=generator)
    rays = to_nerfstudio(camera_before_it(256)).generate_rays(camera_indices=0, coords=pixels).to(model.device)
    rays.metadata[CELL_RAY] = torch.ones(RAYS, 1, dtype=torch.long, device=model.device)
    cells = RAYS // model.config.rays_per_side**2
    targets = {
        kind: torch.randn(cells, spec.channels, generator=generator).to(model.device)
        for kind, spec in model.specs.items()
    }
    optimiser = torch.optim.Adam(learned, lr=1e-3, fused=True)
    model.train()

    def step() -> None:
        optimiser.zero_grad()
        losses = model.get_loss_dict(model(rays), {"features": targets})
        torch.stack(list(losses.values())).sum().backward()
        optimiser.step()

    return step
