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
from jaxtyping import Float, Int, UInt8
from PIL import Image
from segment_anything.modeling import MaskDecoder as SamMaskNetwork
from segment_anything.modeling import PromptEncoder
from torch import Tensor, nn

from samnerf.feature_map import FeatureMap, Layout, content_size
from samnerf.masks import BatchPrediction, MaskPrediction
from samnerf.prompts import PromptSet
from samnerf.teachers.batches import in_fitting_batches
from samnerf.teachers.input_frame import check_decodable, check_map, framed_prompts, full_size, input_scale

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


@dataclass
class SamMaskDecoder:
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
        side = self.prompt_encoder.image_embedding_size[0]
        check_decodable(feature_map, prompts, previous, self.teacher, (self.prompt_encoder.embed_dim, side, side))
        framed = framed_prompts(feature_map, prompts, self.input_side)
        embedded = self.prompt_encoder(
            points=(framed.clicks[None].to(self.device), framed.labels[None].to(self.device))
            if len(framed.clicks)
            else None,
            boxes=None if framed.box is None else framed.box[None].to(self.device),
            masks=None if previous is None else previous[None].to(self.device),
        )
        answer = self._decode(feature_map, embedded, candidates)
        logits = self.full_size(answer.low_resolution_logits, feature_map)
        return MaskPrediction(logits[0].cpu(), answer.scores[0].cpu(), answer.low_resolution_logits[0].cpu())

    @torch.no_grad()
    def decode_batch(
        self,
        feature_map: FeatureMap,
        points: Float[Tensor, "objects points 2"],
        labels: Int[Tensor, "objects points"],
        candidates: bool = True,
    ) -> BatchPrediction:
        """Masks of many objects that know nothing of each other. See `BatchMaskDecoder`.

        Raises:
            ValueError: if the map is of another teacher or has another size.
        """
        side = self.prompt_encoder.image_embedding_size[0]
        check_map(feature_map, self.teacher, (self.prompt_encoder.embed_dim, side, side))
        clicks = (points * input_scale(feature_map, self.input_side).to(points.device)).to(self.device, torch.float32)
        embedded = self.prompt_encoder(points=(clicks, labels.to(self.device)), boxes=None, masks=None)
        return self._decode(feature_map, embedded, candidates)

    def full_size(
        self, low_resolution: Float[Tensor, "objects candidates rows columns"], feature_map: FeatureMap
    ) -> Float[Tensor, "objects candidates height width"]:
        """Logits at the full size of the map's image."""
        return full_size(low_resolution, feature_map, self.input_side)

    def _decode(self, feature_map: FeatureMap, embedded: tuple[Tensor, Tensor], candidates: bool) -> BatchPrediction:
        """Masks for sparse embeddings [objects, tokens, channels] and dense ones [objects, channels, side, side]."""
        low_resolution, scores = self.mask_decoder(
            image_embeddings=feature_map.values[None].to(self.device, torch.float32),
            image_pe=self.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=embedded[0],
            dense_prompt_embeddings=embedded[1],
            multimask_output=candidates,
        )
        return BatchPrediction(low_resolution, scores)
