"""The picture of the viewer for README and docs: two locked objects and a click, in a view that no camera took.

python benchmarks/viewer_picture.py
"""

import warnings
from dataclasses import dataclass
from pathlib import Path

import tyro
from playwright.sync_api import sync_playwright
from trained_scenes import trained_scene
from viewer_page import ARGUMENTS, CHROMIUM, ViewerPage, middle, served

from samnerf.viewer.scene_app.viser_cameras import look_from

VIEWPORT = (1320, 760)
LOCKED = 2


@dataclass
class ViewerPicture:
    """A screenshot of the viewer at work on a trained synthetic scene."""

    seed: int = 7
    """Of the scene; by default the demo's."""
    view: int = 0
    """Number of the held-out view."""
    size: int = 512
    """Longer side of the picture, pixels."""
    output: Path = Path("docs/pictures/viewer.png")

    def draw(self) -> None:
        """Lock the largest objects, click the next one, and keep what is on the screen."""
        warnings.filterwarnings("ignore", module="nerfstudio|torch|timm|websockets|viser")
        scene = trained_scene(self.seed)
        _, camera = scene.trained.cameras("test")[self.view]
        with served(scene.trained, self.size) as (app, address), sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
            page = ViewerPage(browser, app, address, VIEWPORT, scene.trained.to_capture, resolution=1.0)
            look_from(page.visit.client, camera, app.common.distance)
            page.rest()
            page.rest()
            masks = page.truths(scene.world)
            names = sorted(masks, key=lambda name: int(masks[name].sum()), reverse=True)
            for name in names[:LOCKED]:
                page.click(middle(masks[name]))
                page.fill("Name", name)
                page.press("Lock")
                page.expect(f"{name}: locked now")
            page.click(middle(masks[names[LOCKED]]))
            page.pixels()  # waits until messages are gone and all is drawn
            page.page.screenshot(path=self.output)
            browser.close()
        print(self.output)


if __name__ == "__main__":
    tyro.cli(ViewerPicture).draw()
