"""CLIPSeg (Lüddecke & Ecker 2021, arXiv:2112.10003), cut where a scene can take the image encoder's place.

CLIPSeg's decoder begins with one linear layer per extracted activation of CLIP's image encoder ("reduces").
These layers know nothing of the phrase, so here they belong to the encoder: a feature map holds the reduced
activations, deepest first, which is the order the decoder takes them in (3 x 64 channels for the released
weights). What is left of the decoder is conditioned by a phrase and reads such maps, encoded or rendered.
Both halves take the weights of transformers' `CLIPSegForImageSegmentation` by their names there, each only its own.
"""

import copy
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from transformers import CLIPSegConfig, CLIPSegTextModel, CLIPSegVisionModel
from transformers.models.clipseg.modeling_clipseg import CLIPSegDecoder

from samnerf.errors import SamNerfError
from samnerf.feature_map import FeatureMap, Layout, content_size, covered_cells
from samnerf.teachers.phrase_tokens import phrase_tokens

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""What CLIPSeg normalises images with (its processor uses ImageNet's numbers, not CLIP's)."""
VISION_NAMES = {"vision_model.": "clip.vision_model.", "reduces.": "decoder.reduces."}
PHRASE_NAMES = {"text_model.": "clip.text_model.", "text_projection.": "clip.text_projection.", "decoder.": "decoder."}
"""Our names of the two halves' weights -> those in `CLIPSegForImageSegmentation`."""


def image_pixels(image: UInt8[np.ndarray, "height width 3"], side: int, layout: Layout) -> Float[Tensor, "3 side side"]:
    """The image as CLIPSeg takes it: resized into a square, normalised; padding is zero, the mean colour."""
    pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).float()[None] / 255
    size = content_size((image.shape[0], image.shape[1]), side, layout)
    if size != image.shape[:2]:
        pixels = F.interpolate(pixels, size, mode="bicubic", align_corners=False, antialias=True).clamp(0, 1)
    mean, std = pixels.new_tensor(IMAGENET_MEAN), pixels.new_tensor(IMAGENET_STD)
    normalised = (pixels[0] - mean[:, None, None]) / std[:, None, None]
    return F.pad(normalised, (0, side - size[1], 0, side - size[0]))


class ClipSegEncoder(nn.Module):
    """CLIPSeg's image half: an `Encoder`.

    Attributes:
        name: written into every map.
        weights_hash: SHA-256 of the weights' file.
        channels: extracted layers x reduced dimension.
        side: cells along each side of a map.
        layout: `stretch`, as CLIPSeg's own processor lays images.
    """

    layout: Layout = "stretch"

    def __init__(
        self, config: CLIPSegConfig, name: str, image_side: int | None = None, weights_hash: str = "untrained"
    ) -> None:
        """Random weights; `load_weights` brings better ones.

        Args:
            config: of the whole CLIPSeg.
            name: of this encoder.
            image_side: side of the square that images are resized to, pixels, if it differs from the
                configuration's (the released weights say 224 and are used at 352).
            weights_hash: of the weights that will be loaded.
        """
        super().__init__()
        vision: Any = copy.deepcopy(config.vision_config)
        self.extract_layers = tuple(config.extract_layers)
        vision.num_hidden_layers = max(self.extract_layers) + 1  # what lies deeper never reaches the decoder
        self.vision_model: Any = CLIPSegVisionModel(vision)
        self.vision_model.post_layernorm = nn.Identity()
        self.reduces = nn.ModuleList([nn.Linear(vision.hidden_size, config.reduce_dim) for _ in self.extract_layers])
        self.name = name
        self.weights_hash = weights_hash
        self.image_side: int = image_side or vision.image_size
        self.side: int = self.image_side // vision.patch_size
        self.channels = len(self.extract_layers) * config.reduce_dim
        self.eval()

    def load_weights(self, state: Mapping[str, Tensor], source: str = "weights") -> None:
        """Take this half's tensors from a state of `CLIPSegForImageSegmentation`.

        Raises:
            SamNerfError: if one is missing or has another shape; `source` names the file.
        """
        _load(self, state, VISION_NAMES, source)

    def exported_weights(self) -> dict[str, Tensor]:
        """The inverse of `load_weights`."""
        return {_renamed(name, VISION_NAMES): tensor for name, tensor in self.state_dict().items()}

    def forward(self, pixels: Float[Tensor, "images 3 rows columns"]) -> Float[Tensor, "images tokens channels"]:
        """Reduced activations of normalised images: the class token, then the patches row by row."""
        return self.reduced_activations(self.vision_model.embeddings(pixels))

    def reduced_activations(
        self, embeddings: Float[Tensor, "images tokens width"]
    ) -> Float[Tensor, "images tokens channels"]:
        """The same from embedded patches."""
        hidden = self.vision_model.pre_layrnorm(embeddings)
        activations = []
        for layer in self.vision_model.encoder.layers:
            hidden = layer(hidden, None)
            activations.append(hidden)
        deepest_first = [activations[index] for index in reversed(self.extract_layers)]
        levels = [reduce(level) for reduce, level in zip(self.reduces, deepest_first, strict=True)]
        return torch.cat(levels, dim=-1)

    @torch.no_grad()
    def encode(self, image: UInt8[np.ndarray, "height width 3"], layout: Layout | None = None) -> FeatureMap:
        """Features of an sRGB image of any size."""
        layout = layout or self.layout
        weight = next(self.reduces.parameters())
        pixels = image_pixels(image, self.image_side, layout).to(weight.device, weight.dtype)
        tokens = self(pixels[None])[0]
        values = tokens[1:].T.reshape(self.channels, self.side, self.side)
        return FeatureMap(values, (image.shape[0], image.shape[1]), layout, self.name, summary=tokens[0])


class ClipSegTextDecoder(nn.Module):
    """CLIPSeg's phrase half: a `TextDecoder`. It holds no weights of the image encoder."""

    def __init__(self, config: CLIPSegConfig, teacher: str) -> None:
        """Random weights; `load_weights` brings better ones. `teacher` names the encoder whose maps it reads."""
        super().__init__()
        text: Any = config.text_config
        self.text_model = CLIPSegTextModel(text)
        self.text_projection = nn.Linear(text.hidden_size, cast(int, config.projection_dim), bias=False)
        config = copy.deepcopy(config)
        config._attn_implementation = "sdpa"  # the decoder hands it on to its layers and would otherwise be slow
        self.decoder = CLIPSegDecoder(config)
        self.levels = len(config.extract_layers)
        self.channels = self.levels * config.reduce_dim
        self.decoder.reduces = nn.ModuleList([nn.Identity()] * self.levels)  # the encoder has applied them
        self.teacher = teacher
        self._cached_embedding = lru_cache(maxsize=256)(self._embedding)
        self.eval()

    def load_weights(self, state: Mapping[str, Tensor], source: str = "weights") -> None:
        """Take this half's tensors from a state of `CLIPSegForImageSegmentation`.

        Raises:
            SamNerfError: if one is missing or has another shape; `source` names the file.
        """
        self._cached_embedding.cache_clear()
        _load(self, state, PHRASE_NAMES, source)

    def exported_weights(self) -> dict[str, Tensor]:
        """The inverse of `load_weights`."""
        return {_renamed(name, PHRASE_NAMES): tensor for name, tensor in self.state_dict().items()}

    def embed(self, phrases: list[str]) -> Float[Tensor, "phrases projection"]:
        """CLIP's embedding of each phrase.

        Raises:
            SamNerfError: if a phrase is empty or too long.
        """
        tokens = phrase_tokens(phrases).to(self.text_projection.weight.device)
        return self.text_projection(self.text_model(input_ids=tokens).pooler_output)

    def forward(
        self, tokens: Float[Tensor, "batch tokens channels"], embeddings: Float[Tensor, "batch projection"]
    ) -> Float[Tensor, "batch rows columns"]:
        """Logits from reduced activations (class token first) and the phrase that each is asked for."""
        shallowest_first = tokens.chunk(self.levels, dim=-1)[::-1]
        return self.decoder(shallowest_first, embeddings).logits

    @torch.no_grad()
    def relevancy(self, feature_map: FeatureMap, phrase: str) -> Float[Tensor, "rows columns"]:
        """How well the phrase fits, 0 to 1, on a square that lies on the image like the map; 0 on its padding.

        A map without a summary (a rendered one) gets the mean of its covered cells in the class token's place.

        Raises:
            ValueError: if the map is of another teacher.
            SamNerfError: if the phrase is empty or too long.
        """
        if feature_map.teacher != self.teacher:
            raise ValueError(f"this decoder reads maps of {self.teacher!r}, not of {feature_map.teacher!r}")
        if feature_map.channels != self.channels:
            raise ValueError(f"a map of {self.teacher!r} has {self.channels} channels, not {feature_map.channels}")
        embedding = self._cached_embedding(phrase.strip())
        values = feature_map.values.to(embedding)
        summary = feature_map.summary
        if summary is None:
            summary = values[:, feature_map.covered.to(values.device)].mean(dim=1)
        tokens = torch.cat([summary.to(embedding)[None], values.flatten(1).T])
        relevancy = torch.sigmoid(self(tokens[None], embedding[None])[0])
        return relevancy * covered_cells(feature_map.image_size, relevancy.shape[0], feature_map.layout).to(relevancy)

    @torch.no_grad()
    def _embedding(self, phrase: str) -> Float[Tensor, " projection"]:
        return self.embed([phrase])[0]

    def _apply(self, *arguments, **options):  # type: ignore[no-untyped-def]
        self._cached_embedding.cache_clear()  # the weights move or change their type, and cached phrases with them
        return super()._apply(*arguments, **options)


def _renamed(name: str, prefixes: dict[str, str]) -> str:
    prefix = next(prefix for prefix in prefixes if name.startswith(prefix))
    return prefixes[prefix] + name.removeprefix(prefix)


def _load(module: nn.Module, state: Mapping[str, Tensor], prefixes: dict[str, str], source: str) -> None:
    taken = {}
    for name, mine in module.state_dict().items():
        key = _renamed(name, prefixes)
        if key not in state:
            raise SamNerfError(f"{source} lacks {key}; expected the weights of a CLIPSeg")
        if state[key].shape != mine.shape:
            raise SamNerfError(
                f"{source}: {key} has shape {tuple(state[key].shape)}, but this CLIPSeg needs {tuple(mine.shape)}"
            )
        taken[name] = state[key]
    module.load_state_dict(taken)
