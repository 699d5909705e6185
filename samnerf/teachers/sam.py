"""SAM's two halves behind our contracts, for every network of the `segment_anything` package's shape.

The encoder resizes and normalises an image and runs the image encoder; the decoder embeds prompts and runs
the mask decoder (Kirillov et al. 2023, arXiv:2304.02643). Prompts are taken in pixels of the image, as
`segment_anything.SamPredictor` takes them.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from PIL import Image
from segment_anything.modeling import MaskDecoder as SamMaskNetwork
from segment_anything.modeling import PromptEncoder
from torch import Tensor, nn

from samnerf.errors import SamNerfError
from samnerf.feature_map import FeatureMap, Layout, content_size
from samnerf.masks import MaskPrediction
from samnerf.prompts import PromptSet

PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)


def normalised_input(
    image: UInt8[np.ndarray, "height width 3"], side: int, layout: Layout
) -> Float[Tensor, "3 side side"]:
    """An sRGB image as SAM's image encoder wants it: resized, normalised, then padded with zeros."""
    rows, columns = content_size((image.shape[0], image.shape[1]), side, layout)
    resized = np.array(Image.fromarray(image).resize((columns, rows), Image.Resampling.BILINEAR))
    pixels = torch.from_numpy(resized).permute(2, 0, 1).float()
    pixels = (pixels - torch.tensor(PIXEL_MEAN)[:, None, None]) / torch.tensor(PIXEL_STD)[:, None, None]
    return F.pad(pixels, (0, side - columns, 0, side - rows))


@dataclass
class SamEncoder:
    """SAM's image encoder as an `Encoder`.

    Attributes:
        network: maps [N, 3, input_side, input_side] to [N, channels, side, side]; frozen.
        input_side: side of the square that the network sees, pixels (1024 for Meta's).
    """

    network: nn.Module
    name: str
    weights_hash: str
    channels: int
    side: int
    input_side: int
    device: torch.device
    layout: Layout = "letterbox"

    def __post_init__(self) -> None:
        self.network = self.network.eval().requires_grad_(False).to(self.device)

    @torch.no_grad()
    def encode(self, image: UInt8[np.ndarray, "height width 3"], layout: Layout | None = None) -> FeatureMap:
        """Features of an sRGB image of any size, in float32 on the CPU."""
        layout = layout or self.layout
        pixels = normalised_input(image, self.input_side, layout).to(self.device)
        values = self.network(pixels[None])[0].float().cpu()
        return FeatureMap(values, (image.shape[0], image.shape[1]), layout, self.name)


@dataclass
class SamMaskDecoder:
    """SAM's prompt encoder and mask decoder as a `MaskDecoder`."""

    prompt_encoder: PromptEncoder
    mask_decoder: SamMaskNetwork
    teacher: str
    device: torch.device

    def __post_init__(self) -> None:
        self.prompt_encoder = self.prompt_encoder.eval().requires_grad_(False).to(self.device)
        self.mask_decoder = self.mask_decoder.eval().requires_grad_(False).to(self.device)

    @property
    def input_side(self) -> int:
        """Side of the square that the encoder saw, pixels; the frame in which prompts are embedded."""
        return self.prompt_encoder.input_image_size[0]

    @torch.no_grad()
    def decode(
        self,
        feature_map: FeatureMap,
        prompts: PromptSet,
        candidates: bool = False,
        previous: Float[Tensor, "1 rows columns"] | None = None,
    ) -> MaskPrediction:
        """The mask of one object at the full size of the image. See `MaskDecoder`.

        Raises:
            ValueError: if the map is of another teacher or has another size, or there is nothing to decode.
            SamNerfError: if a prompt lies outside the image, or there are several boxes.
        """
        self._check(feature_map, prompts, previous)
        points, boxes = self._prompts_in_input_frame(feature_map, prompts)
        sparse, dense = self.prompt_encoder(
            points=points, boxes=boxes, masks=None if previous is None else previous[None].to(self.device)
        )
        low_resolution, scores = self.mask_decoder(
            image_embeddings=feature_map.values[None].to(self.device, torch.float32),
            image_pe=self.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=candidates,
        )
        return MaskPrediction(
            self._full_size(low_resolution, feature_map)[0].cpu(), scores[0].cpu(), low_resolution[0].cpu()
        )

    def _check(
        self, feature_map: FeatureMap, prompts: PromptSet, previous: Float[Tensor, "1 rows columns"] | None
    ) -> None:
        side = self.prompt_encoder.image_embedding_size[0]
        expected = (self.prompt_encoder.embed_dim, side, side)
        if feature_map.teacher != self.teacher:
            raise ValueError(f"the map is of {feature_map.teacher!r} but this decoder reads {self.teacher!r}")
        if tuple(feature_map.values.shape) != expected:
            raise ValueError(f"the map has shape {tuple(feature_map.values.shape)}; {self.teacher!r} makes {expected}")
        if len(prompts.boxes) > 1:
            raise SamNerfError(f"object {prompts.name!r} has {len(prompts.boxes)} boxes; one object takes at most one")
        if not (prompts.points or prompts.scribbles or prompts.boxes) and previous is None:
            raise ValueError(f"object {prompts.name!r} has no image point, scribble or box to decode")
        prompts.check(feature_map.image_size)

    def _prompts_in_input_frame(
        self, feature_map: FeatureMap, prompts: PromptSet
    ) -> tuple[tuple[Tensor, Tensor] | None, Tensor | None]:
        height, width = feature_map.image_size
        rows, columns = content_size(feature_map.image_size, self.input_side, feature_map.layout)
        scale = torch.tensor([columns / width, rows / height])
        given = [*prompts.points, *(click for scribble in prompts.scribbles for click in scribble.clicks)]
        clicks = [(point.x, point.y, point.label) for point in given]
        points = None
        if clicks:
            numbers = torch.tensor(clicks, dtype=torch.float32)
            points = ((numbers[:, :2] * scale)[None].to(self.device), numbers[:, 2][None].to(self.device))
        boxes = None
        if prompts.boxes:
            box = prompts.boxes[0]
            corners = torch.tensor([[box.x1, box.y1], [box.x2, box.y2]], dtype=torch.float32)
            boxes = (corners * scale).reshape(1, 4).to(self.device)
        return points, boxes

    def _full_size(
        self, low_resolution: Float[Tensor, "1 candidates rows columns"], feature_map: FeatureMap
    ) -> Float[Tensor, "1 candidates height width"]:
        """As `segment_anything`'s `Sam.postprocess_masks`: up to the input square, cut the padding, to the image."""
        side = (self.input_side, self.input_side)
        rows, columns = content_size(feature_map.image_size, self.input_side, feature_map.layout)
        square = F.interpolate(low_resolution, side, mode="bilinear", align_corners=False)
        return F.interpolate(square[..., :rows, :columns], feature_map.image_size, mode="bilinear", align_corners=False)
