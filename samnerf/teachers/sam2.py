"""SAM 2 (Ravi et al. 2024, arXiv:2408.00714) on single images, cut into an encoder and a mask decoder.

The networks and their rules are those of transformers' `Sam2Model`: an image is stretched to a square, the vector that
says "no memory of earlier frames" is added to its features, and a single mask that is not stable gives way to the best
of three. Of the decoder's convolutions two know nothing of prompts and only thin out the finer feature levels; here
they belong to the encoder, so that a map holds what one click needs. Both halves name their tensors as `Sam2Model`
does, each only its own.

Its maps come with `FeatureMap.finer` levels, which a field does not render: SAM 2 serves photographs and rendered
views, and no scene is distilled from it.
"""

import copy
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torchvision.transforms.v2 import functional as image_functional
from transformers import Sam2Config, Sam2VisionModel
from transformers.models.sam2.modeling_sam2 import Sam2MaskDecoder as Sam2MaskNetwork
from transformers.models.sam2.modeling_sam2 import Sam2PositionalEmbedding, Sam2PromptEncoder

from samnerf.feature_map import FeatureMap, Layout, content_size
from samnerf.masks import BatchPrediction
from samnerf.teachers.prompted_decoder import Embedded, PromptedDecoder

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
NO_POINT = -1
"""Label of the click that says nothing, for a decoding from a previous mask alone."""


def image_pixels(image: UInt8[np.ndarray, "height width 3"], side: int, layout: Layout) -> Float[Tensor, "3 side side"]:
    """The image as SAM 2 takes it: resized in 8 bits, normalised, padded with zeros if it is letterboxed."""
    rows, columns = content_size((image.shape[0], image.shape[1]), side, layout)
    pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)
    resized = image_functional.resize(
        pixels, [rows, columns], image_functional.InterpolationMode.BILINEAR, antialias=True
    )
    mean, std = (torch.tensor(numbers)[:, None, None] * 255 for numbers in (IMAGENET_MEAN, IMAGENET_STD))
    normalised = (resized.float() - mean) / std
    return F.pad(normalised, (0, side - columns, 0, side - rows))


class Sam2Encoder(nn.Module):
    """SAM 2's image half: an `Encoder`.

    Attributes:
        name: written into every map.
        weights_hash: SHA-256 of the weights' file.
        channels: of the coarsest level, which is the map proper (256 for Meta's).
        side: cells along each side of that level (64 for Meta's).
        input_side: side of the square that images are resized to, pixels (1024 for Meta's).
        layout: `stretch`, as SAM 2's own processor lays images.
    """

    layout: Layout = "stretch"

    def __init__(self, config: Sam2Config, name: str, weights_hash: str = "untrained") -> None:
        """Random weights, to be filled. `config` is that of the whole SAM 2."""
        super().__init__()
        vision, decoder = cast(Any, config.vision_config), cast(Any, config.mask_decoder_config)
        width = decoder.hidden_size
        self.vision_encoder: Any = Sam2VisionModel(vision)
        self.mask_decoder = nn.ModuleDict(
            {"conv_s0": nn.Conv2d(width, width // 8, 1), "conv_s1": nn.Conv2d(width, width // 4, 1)}
        )
        self.no_memory_embedding = nn.Parameter(torch.zeros(1, 1, vision.fpn_hidden_size))
        self.name = name
        self.weights_hash = weights_hash
        self.channels: int = vision.fpn_hidden_size
        self.side: int = vision.backbone_feature_sizes[-1][0]
        self.input_side: int = cast(Any, config.prompt_encoder_config).image_size
        self.eval()

    def forward(self, pixels: Float[Tensor, "images 3 rows columns"]) -> list[Float[Tensor, "images _ _ _"]]:
        """Feature levels of normalised images, the finest first."""
        fine, middle, coarse = self.vision_encoder(pixels).fpn_hidden_states
        no_memory = self.no_memory_embedding.reshape(1, -1, 1, 1)
        return [self.mask_decoder["conv_s0"](fine), self.mask_decoder["conv_s1"](middle), coarse + no_memory]

    @torch.no_grad()
    def encode(self, image: UInt8[np.ndarray, "height width 3"], layout: Layout | None = None) -> FeatureMap:
        """Features of an sRGB image of any size, with two finer levels, in float32 on the CPU."""
        layout = layout or self.layout
        pixels = image_pixels(image, self.input_side, layout).to(self.no_memory_embedding.device)
        fine, middle, coarse = (level[0].float().cpu() for level in self(pixels[None]))
        return FeatureMap(coarse, (image.shape[0], image.shape[1]), layout, self.name, finer=(fine, middle))


class Sam2MaskDecoder(PromptedDecoder, nn.Module):
    """SAM 2's prompt encoder and mask decoder: a `BatchMaskDecoder`. It holds no weights of the image encoder."""

    def __init__(self, config: Sam2Config, teacher: str) -> None:
        """Random weights, to be filled. `teacher` names the encoder whose maps it reads."""
        super().__init__()
        prompts, masks = cast(Any, config.prompt_encoder_config), copy.deepcopy(cast(Any, config.mask_decoder_config))
        masks._attn_implementation = "sdpa"  # the decoder hands it on to its layers
        self.shared_image_embedding = Sam2PositionalEmbedding(prompts)
        self.prompt_encoder = Sam2PromptEncoder(prompts)
        self.mask_decoder = Sam2MaskNetwork(masks)
        del self.mask_decoder.conv_s0, self.mask_decoder.conv_s1  # the encoder has applied them
        self.teacher = teacher
        self.eval()

    @property
    def input_side(self) -> int:
        return cast(int, self.prompt_encoder.input_image_size)

    @property
    def map_shape(self) -> tuple[int, int, int]:
        return (self.prompt_encoder.hidden_size, *self.prompt_encoder.image_embedding_size)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.mask_decoder.iou_token.weight.device

    def _embed(
        self,
        clicks: Float[Tensor, "objects clicks 2"],
        labels: Float[Tensor, "objects clicks"],
        box: Float[Tensor, " 4"] | None,
        previous: Float[Tensor, "1 rows columns"] | None,
    ) -> Embedded:
        if not clicks.shape[1] and box is None:
            clicks, labels = torch.zeros(1, 1, 2), torch.full((1, 1), float(NO_POINT))
        clicked = clicks.shape[1] > 0
        return self.prompt_encoder(
            input_points=clicks[None].to(self.device) if clicked else None,
            input_labels=labels[None].to(self.device, torch.int64) if clicked else None,
            input_boxes=None if box is None else box[None, None].to(self.device),
            input_masks=None if previous is None else previous[None].to(self.device),
        )

    def full_size(
        self, low_resolution: Float[Tensor, "objects candidates rows columns"], feature_map: FeatureMap
    ) -> Float[Tensor, "objects candidates height width"]:
        """Logits at the full size of the map's image.

        A stretched mask goes there at once, as SAM 2's own; a letterboxed one by way of the input square, as SAM's.
        """
        if feature_map.layout == "stretch":
            return F.interpolate(low_resolution, feature_map.image_size, mode="bilinear", align_corners=False)
        return super().full_size(low_resolution, feature_map)

    def _decode(self, feature_map: FeatureMap, embedded: Embedded, candidates: bool) -> BatchPrediction:
        if len(feature_map.finer) != 2:
            raise ValueError(
                f"the map has {len(feature_map.finer)} finer levels; {self.teacher!r} makes 2, which its decoder needs"
            )
        levels = [level[None].to(self.device, torch.float32) for level in (*feature_map.finer, feature_map.values)]
        low_resolution, scores, _, _ = self.mask_decoder(
            image_embeddings=levels[-1],
            image_positional_embeddings=self._positions(),
            sparse_prompt_embeddings=embedded[0],
            dense_prompt_embeddings=embedded[1],
            multimask_output=candidates,
            high_resolution_features=levels[:-1],
        )
        return BatchPrediction(low_resolution[0], scores[0])

    def _positions(self) -> Float[Tensor, "1 channels rows columns"]:
        """Embedding of the position of each cell's centre, as fractions of the square."""
        side, _ = self.prompt_encoder.image_embedding_size
        centres = (torch.arange(side, device=self.device) + 0.5) / side
        y, x = torch.meshgrid(centres, centres, indexing="ij")
        return self.shared_image_embedding(torch.stack([x, y], dim=-1)).permute(2, 0, 1)[None]
