"""nerfstudio's own dataparser, with the capture checked first and a split that is the same in every run.

Differences from `nerfstudio-data`: images are never downscaled unless asked for; without lists of file names
every 8th image is for testing; "val" and "test" stand in for each other; what a frame says of its lens goes
before what the file says of all.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from nerfstudio.data.dataparsers.base_dataparser import DataparserOutputs
from nerfstudio.data.dataparsers.nerfstudio_dataparser import Nerfstudio, NerfstudioDataParserConfig
from nerfstudio.utils.rich_utils import CONSOLE

from samnerf.errors import SamNerfError
from samnerf.preprocessing.captures import EVAL_INTERVAL, Capture, read_capture


@dataclass
class CaptureDataParserConfig(NerfstudioDataParserConfig):
    """A folder with transforms.json and images, checked before use."""

    _target: type = field(default_factory=lambda: CaptureDataParser)
    downscale_factor: int | None = 1
    """How much to downscale images; above 1 their folder, such as images_2, must exist."""
    eval_mode: Literal["fraction", "filename", "interval", "all"] = "interval"
    """How to split where transforms.json has no train_filenames and test_filenames: fraction, filename, interval
    or all, as in nerfstudio."""
    eval_interval: int = EVAL_INTERVAL
    """With the mode interval: every nth image, counted from the first, is for testing."""


class CaptureDataParser(Nerfstudio):
    """Reads a checked capture into nerfstudio's cameras."""

    def _generate_dataparser_outputs(self, split: str = "train") -> DataparserOutputs:
        """The frames of a split; poses are oriented, centred and scaled over all frames.

        Raises:
            SamNerfError: if the capture is malformed, a split is empty, or all cameras stand at one point.
        """
        capture = self._checked_capture()
        positions = np.stack([frame.camera_to_world[:3, 3] for frame in capture.frames])
        if np.ptp(positions, axis=0).max() <= 1e-9 * np.abs(positions).max():
            raise SamNerfError(f"all cameras of capture {capture.folder} stand at one point; a NeRF needs several")
        # Where a capture lists no files for "val", "test" stands in, and the reverse.
        splits = {frame.split for frame in capture.frames}
        listed = {"val": "test", "test": "val"}.get(split, split) if split not in splits else split
        outputs = super()._generate_dataparser_outputs(listed)
        if not outputs.image_filenames:
            raise SamNerfError(f"capture {capture.folder} has {len(capture.frames)} images, and none for {split!r}")
        absent = [path for path in outputs.image_filenames if not path.exists()]
        if absent:
            raise SamNerfError(f"{absent[0]} does not exist; downscale the images first, or leave them as they are")
        if capture.overridden:
            self._apply_frame_intrinsics(capture, outputs)
        return outputs

    def _checked_capture(self) -> Capture:
        # Read once: training asks for two splits, and decoding every image takes its time.
        capture = getattr(self, "_capture", None)
        if capture is None:
            capture = read_capture(self.config.data)
            for warning in capture.warnings:
                CONSOLE.print(f"[yellow]{warning}")
            self._capture = capture
        return capture

    def _apply_frame_intrinsics(self, capture: Capture, outputs: DataparserOutputs) -> None:
        # Downscaled images lie in another folder under the same names.
        by_name = {frame.image.name: frame for frame in capture.frames}
        full_size = self.downscale_factor == 1
        chosen = [capture.frame(path) if full_size else by_name[path.name] for path in outputs.image_filenames]
        cameras, lenses = outputs.cameras, [frame.intrinsics for frame in chosen]
        scale = 1.0 / (self.downscale_factor or 1)
        cameras.fx = torch.tensor([[lens.fx * scale] for lens in lenses])
        cameras.fy = torch.tensor([[lens.fy * scale] for lens in lenses])
        cameras.cx = torch.tensor([[lens.cx * scale] for lens in lenses])
        cameras.cy = torch.tensor([[lens.cy * scale] for lens in lenses])
        cameras.height = torch.tensor([[int(frame.size[0] * scale)] for frame in chosen])
        cameras.width = torch.tensor([[int(frame.size[1] * scale)] for frame in chosen])
        cameras.distortion_params = torch.tensor([lens.distortion for lens in lenses])
