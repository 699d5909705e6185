"""Features of a novel view: rendered from the field, against colour rendered at full size and encoded.

    python benchmarks/view_features.py                     # the demo's scene, made by `make demo`
    python benchmarks/view_features.py --config RUN/config.yml --device cuda

Both ways answer the same click on the same views, in turns within one process; the ratio is formed per run, and the
medians over the runs go to `benchmarks/results/view_features.json`.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import tyro
from receipts import write_receipt

from samnerf.errors import SamNerfError
from samnerf.evaluation.timing import ViewTimes, time_views
from samnerf.prompts import Point, PromptSet
from samnerf.scene import TrainedScene
from samnerf.session import Session
from samnerf.teachers.pairs import load_mask_decoder, load_text_decoder


@dataclass
class ViewFeatures:
    """Rendered against encoded features."""

    config: Path | None = None
    """A trained scene; the demo's by default."""
    device: str = "cpu"
    """Where everything runs."""
    runs: int = 5
    """How often the whole comparison is made."""
    views: int = 3
    """Held-out views of each comparison."""

    def measure(self) -> None:
        """Run, print and write the receipt."""
        scene = TrainedScene.load(self.config or newest_demo(), self.device)
        session = Session(load_mask_decoder(scene.pair, self.device), load_text_decoder(scene.pair, self.device))
        cameras = scene.cameras("test")[: self.views]
        height, width = cameras[0][1].image_size
        click = PromptSet(points=(Point(width / 2, height / 2),))
        runs = [time_views(scene, session, cameras, [click]) for _ in range(self.runs)]
        speedups = [run.speedup for run in runs]
        seconds = {part: median(asdict(run)[part] for run in runs) for part in ViewTimes.__annotations__}
        path = write_receipt(
            "view_features",
            self.device,
            {
                "pair": scene.pair,
                "image_size": [height, width],
                "seconds": seconds,
                "speedups": speedups,
                "speedup": median(speedups),
            },
        )
        for part, value in seconds.items():
            print(f"{part:<16} {1000 * value:8.1f} ms")
        print(f"{'speedup':<16} {median(speedups):8.2f}   ({min(speedups):.2f} to {max(speedups):.2f})  -> {path}")


def newest_demo() -> Path:
    """The config of the demo's run.

    Raises:
        SamNerfError: if there is none.
    """
    configs = sorted(Path("outputs/demo/run").rglob("config.yml"), key=lambda path: path.stat().st_mtime)
    if not configs:
        raise SamNerfError("there is no demo in outputs/demo; run `make demo`, or give --config")
    return configs[-1]


if __name__ == "__main__":
    tyro.cli(ViewFeatures).measure()
