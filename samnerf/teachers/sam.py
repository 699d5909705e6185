"""SAM's two halves behind our contracts, for every network of the `segment_anything` package's shape.

The encoder resizes and normalises an image and runs the image encoder; the decoder embeds prompts and runs
the mask decoder (Kirillov et al. 2023, arXiv:2304.02643). Prompts are taken in pixels of the image, as
`segment_anything.SamPredictor` takes them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from PIL import Image
from segment_anything.modeling import MaskDecoder as SamMaskNetwork
from segment_anything.modeling import PromptEncoder
from torch import Tensor, nn

from samnerf.feature_map import FeatureMap, Layout, content_size
from samnerf.masks import BatchPrediction
from samnerf.teachers.batches import in_fitting_batches
from samnerf.teachers.prompted_decoder import Embedded, PromptedDecoder

PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)
GPU_BATCH = 8
"""Images at once on a GPU, to begin with; a CPU gains nothing from more than one."""


def normalised_input(
    image: UInt8[np.ndarray, "height width 3"], side: int, layout: Layout
) -> Float[Tensor, "3 side side"]:
    """An sRGB image as SAM's image encoder wants it: resized, normalised, then padded with zeros."""
    rows, columns = content_size((image.shape[0], image.shape[1]), side, layout)
    resized = np.array(Image.fromarray(image).resize((columns, rows), Image.Resampling.BILINEAR))
    pixels = torch.from_numpy(resized).permute(2, 0, 1).float()
    pixels = (pixels - torch.tensor(PIXEL_MEAN)[:, None, None]) / torch.tensor(PIXEL_STD)[:, None, None]
    return F.pad(pixels, (0, side - columns, 0, side - rows))


def normalised_colours(colours: Float[Tensor, "n 3 height width"]) -> Float[Tensor, "n 3 height width"]:
    """sRGB, 0 to 1, as SAM's image encoder wants it."""
    mean, deviation = (colours.new_tensor(values)[:, None, None] for values in (PIXEL_MEAN, PIXEL_STD))
    return (colours * 255 - mean) / deviation


@dataclass
class SamEncoder:
    """SAM's image encoder as a `BatchEncoder`.

    Attributes:
        network: maps [N, 3, input_side, input_side] to [N, channels, side, side]; frozen.
        input_side: side of the square that the network sees, pixels (1024 for Meta's).
        half: whether the network computes in 16-bit floats where these suffice; on a GPU where None.
        batch_size: images at once; it is halved when memory runs out. 0 chooses by device.
    """

    network: nn.Module
    name: str
    weights_hash: str
    channels: int
    side: int
    input_side: int
    device: torch.device
    layout: Layout = "letterbox"
    half: bool | None = field(default=None, kw_only=True)
    batch_size: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        self.network = self.network.eval().requires_grad_(False).to(self.device)
        if self.half is None:
            self.half = self.device.type == "cuda"
        self.batch_size = self.batch_size or (GPU_BATCH if self.device.type == "cuda" else 1)

    def compile(self, backend: str = "inductor") -> None:
        """Let torch compile the network when it runs next: a minute or so, which pays on a GPU and many images."""
        self.network.compile(backend=backend)

    def encode(self, image: UInt8[np.ndarray, "height width 3"], layout: Layout | None = None) -> FeatureMap:
        """Features of an sRGB image of any size, in float32 on the CPU."""
        return self.encode_batch([image], layout)[0]

    @torch.no_grad()
    def encode_batch(
        self, images: Sequence[UInt8[np.ndarray, "_ _ 3"]], layout: Layout | None = None
    ) -> list[FeatureMap]:
        """Features of sRGB images of any sizes, in float32 on the CPU; `batch_size` of them at once.

        Raises:
            SamNerfError: if the device's memory does not suffice for one image.
        """
        layout = layout or self.layout

        def run(batch: Sequence[np.ndarray]) -> list[FeatureMap]:
            pixels = torch.stack([normalised_input(image, self.input_side, layout) for image in batch])
            with torch.autocast(self.device.type, torch.float16, enabled=bool(self.half)):
                values = self.network(pixels.to(self.device))
            return [
                FeatureMap(value, (image.shape[0], image.shape[1]), layout, self.name)
                for value, image in zip(values.float().cpu(), batch, strict=True)
            ]

        maps, self.batch_size = in_fitting_batches(run, images, self.batch_size, self.name)
        return maps

    @torch.no_grad()
    def encode_square(self, colours: Float[Tensor, "3 side side"], image_size: tuple[int, int]) -> FeatureMap:
        """Features of a picture that already lies on the square that the network sees; of the layout `stretch`.

        Args:
            colours: sRGB, 0 to 1, not rounded to 8 bits.
            image_size: (H, W) of the picture before it was stretched.

        Raises:
            ValueError: if the square has another side.
        """
        if colours.shape[1] != self.input_side:
            raise ValueError(
                f"the square has a side of {colours.shape[1]} pixels; {self.name!r} sees {self.input_side}"
            )
        with torch.autocast(self.device.type, torch.float16, enabled=bool(self.half)):
            values = self.network(normalised_colours(colours[None].to(self.device)))
        return FeatureMap(values[0].float().cpu(), image_size, "stretch", self.name)


@dataclass
class SamMaskDecoder(PromptedDecoder):
    """SAM's prompt encoder and mask decoder as a `BatchMaskDecoder`."""

    prompt_encoder: PromptEncoder
    mask_decoder: SamMaskNetwork
    teacher: str
    device: torch.device

    def __post_init__(self) -> None:
        self.prompt_encoder = self.prompt_encoder.eval().requires_grad_(False).to(self.device)
        self.mask_decoder = self.mask_decoder.eval().requires_grad_(False).to(self.device)

    @property
    def input_side(self) -> int:
        return self.prompt_encoder.input_image_size[0]

    @property
    def map_shape(self) -> tuple[int, int, int]:
        return (self.prompt_encoder.embed_dim, *self.prompt_encoder.image_embedding_size)

    def _embed(
        self,
        clicks: Float[Tensor, "objects clicks 2"],
        labels: Float[Tensor, "objects clicks"],
        box: Float[Tensor, " 4"] | None,
        previous: Float[Tensor, "1 rows columns"] | None,
    ) -> Embedded:
        return self.prompt_encoder(
            points=(clicks.to(self.device), labels.to(self.device)) if clicks.shape[1] else None,
            boxes=None if box is None else box[None].to(self.device),
            masks=None if previous is None else previous[None].to(self.device),
        )

    def _decode(self, feature_map: FeatureMap, embedded: Embedded, candidates: bool) -> BatchPrediction:
        low_resolution, scores = self.mask_decoder(
            image_embeddings=feature_map.values[None].to(self.device, torch.float32),
            image_pe=self.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=embedded[0],
            dense_prompt_embeddings=embedded[1],
            multimask_output=candidates,
        )
        return BatchPrediction(low_resolution, scores)
