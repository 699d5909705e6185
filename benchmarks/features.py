"""Features of a novel view on one machine: rendered from the scene, against colour rendered and encoded.

    python benchmarks/features.py                       # the demo's scene, CPU
    python benchmarks/features.py --device cuda --config RUN/config.yml

In each run, in turns: the scene's own feature maps are rendered (for the demo 32 x 32 cells); maps of the size of
ViT-B's (64 x 64 cells) are rendered by a field of the same preset; colour is rendered at the size of the photographs;
and image encoders of the shapes of the tiny SAM, SAM ViT-B and (on request) ViT-L and ViT-H encode that picture. Time
does not depend on weights, so released encoders and the larger field have random ones.

`cpu_speedup_vs_encode_vit_b` is the median over the runs of (colour + ViT-B) / features of the scene;
`cpu_speedup_at_equal_size` the same with the larger maps. With a GPU the keys begin with `gpu_`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
import tyro
from random_teachers import random_teacher
from receipts import write_receipt
from untrained_fields import untrained_field
from view_features import newest_demo

from samnerf.configs.methods import samnerf_tiny
from samnerf.scene import TrainedScene


@dataclass
class Features:
    """Rendered against encoded features, for encoders of several sizes."""

    config: Path | None = None
    """A trained scene; the demo's by default."""
    device: str = "cpu"
    """Where everything runs."""
    runs: int = 5
    """How often the whole comparison is made."""
    encoders: tuple[str, ...] = ("sam-vit-b",)
    """Shapes of released encoders to compare with: sam-vit-b, sam-vit-l, sam-vit-h."""
    seconds: dict[str, list[float]] = field(default_factory=dict, init=False)

    def measure(self) -> None:
        """Run, print and write the receipt."""
        scene = TrainedScene.load(self.config or newest_demo(), self.device)
        cameras = [camera for _, camera in scene.cameras("test")]
        model = scene.pipeline.model
        encoders = {name: random_teacher(name, self.device).encoder for name in self.encoders}
        # Maps of the size of ViT-B's and of the released CLIPSeg's.
        larger = untrained_field(samnerf_tiny, self.device, pair="sam-vit-b")
        for one in (model, larger):
            one.render_feature_maps(cameras[0])
        model.render_colour(cameras[0])
        for turn in range(self.runs):
            camera = cameras[turn % len(cameras)]
            self._time("features", lambda camera=camera: model.render_feature_maps(camera))
            self._time("larger features", lambda camera=camera: larger.render_feature_maps(camera))
            colour, _ = self._time("colour", lambda camera=camera: model.render_colour(camera))
            picture = (colour.numpy() * 255).round().astype(np.uint8)
            self._time("encode tiny", lambda picture=picture: scene.encode("sam", picture))
            for name, encoder in encoders.items():
                self._time(f"encode {name}", lambda encoder=encoder, picture=picture: encoder.encode(picture))
        processor = "gpu" if self.device.startswith("cuda") else "cpu"
        speedups = {
            f"{processor}_speedup_vs_encode_{name.removeprefix('sam-').replace('-', '_')}": self._speedup(name)
            for name in ("tiny", *self.encoders)
        }
        if "sam-vit-b" in encoders:
            speedups[f"{processor}_speedup_at_equal_size"] = self._speedup("sam-vit-b", "larger features")
        height, width = cameras[0].image_size
        about: dict[str, Any] = {"pair": scene.pair, "image_size": [height, width], "runs": self.runs}
        medians = {name: median(values) for name, values in self.seconds.items()}
        path = write_receipt("features", self.device, {**speedups, "seconds": medians, **about})
        for name, value in {**medians, **speedups}.items():
            print(f"{name:<36} {value:9.3f}")
        print(path)

    def _speedup(self, name: str, rendered: str = "features") -> float:
        rows = zip(*(self.seconds[one] for one in ("colour", f"encode {name}", rendered)), strict=True)
        return median((colour + encode) / features for colour, encode, features in rows)

    def _time(self, name: str, work: Callable[[], Any]) -> Any:
        self._wait()
        began = time.perf_counter()
        result = work()
        self._wait()
        self.seconds.setdefault(name, []).append(time.perf_counter() - began)
        return result

    def _wait(self) -> None:
        if self.device.startswith("cuda"):
            torch.cuda.synchronize()


if __name__ == "__main__":
    tyro.cli(Features).measure()
