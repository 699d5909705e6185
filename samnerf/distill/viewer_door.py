"""Where nerfstudio's viewer meets a panel of ours.

A viewer looks through the pipeline for `ViewerControl`s and sets up each. That is the only moment at which one knows
that there is a viewer, so the panel, which stands on a higher floor, is named by its config and imported then.
"""

import importlib
from typing import Any

from nerfstudio.utils.rich_utils import CONSOLE
from nerfstudio.viewer.viewer import Viewer
from nerfstudio.viewer.viewer_elements import ViewerControl


class ViewerDoor(ViewerControl):
    """Opens a panel in every viewer that is made for a pipeline; if it cannot, it says why, and all else goes on.

    Args:
        pipeline: what the viewer shows.
        module: with a function `open_panel(viewer, pipeline)`; empty for no panel.

    Attributes:
        panel: what that function gave for the last viewer.
    """

    def __init__(self, pipeline: Any, module: str) -> None:
        self._pipeline, self._module = pipeline, module
        self.panel: Any = None

    def _setup(self, viewer: Viewer) -> None:
        super()._setup(viewer)
        if not self._module:
            return
        try:
            self.panel = importlib.import_module(self._module).open_panel(viewer, self._pipeline)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            CONSOLE.print(f"The viewer has no SAM-NeRF panel: {reason}", style="bold red", markup=False, soft_wrap=True)
