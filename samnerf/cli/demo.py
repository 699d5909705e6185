"""`samnerf demo`: scene, features, training, masks and scores in one go."""

from dataclasses import dataclass
from pathlib import Path


@dataclass
class Demo:
    """Invent a scene, train it with the tiny teachers, segment views that no camera took, and measure everything.

    Ends with a table, metrics.json and contact_sheet.png. Minutes on two CPU cores; nothing is downloaded.
    """

    output: Path = Path("outputs/demo")
    """Folder for everything; an earlier demo in it is replaced."""
    seed: int = 7
    """Of the scene, the training and the clicks."""
    views: int = 60
    """Training images."""
    test_views: int = 10
    """Held-out images."""
    width: int = 256
    """Of every image, pixels."""
    height: int = 256
    """Of every image, pixels."""
    steps: int | None = None
    """Training steps. Default: as many as the method samnerf-tiny takes."""
    resume: bool = False
    """Keep what an earlier demo with the same options has completed, and go on from there."""

    def run(self) -> None:
        """Run all stages and print the table."""
        import sys
        import warnings

        from rich.console import Console

        # nerfstudio was written for an older torch, which says so in every other line.
        warnings.filterwarnings("ignore", module=r"nerfstudio|torch|timm|pkg_resources")
        from samnerf.demo.run import Demo as Stages
        from samnerf.demo.run import DemoSpecification, print_report, process_start

        specification = DemoSpecification(self.seed, self.views, self.test_views, self.width, self.height, self.steps)
        # Bound to the stream as it is now: what nerfstudio prints while it trains is kept off the screen.
        console = Console(file=sys.stdout)
        stages = Stages(self.output, specification, self.resume, console, process_start())
        try:
            metrics = stages.run()
        except KeyboardInterrupt:
            raise KeyboardInterrupt("with --resume, the same command goes on from what is complete") from None
        print_report(console, metrics, self.output)
