"""The tiny CLIPSeg: transformers' classes at a size that a CPU trains and runs.

It sees 256 x 256 pixels in patches of 8 and its maps have 32 x 32 cells of 96 channels (three levels of 32).
One part is not transformers': patches are embedded by the tiny teachers' backbone instead of a single convolution
(Xiao et al. 2021, arXiv:2106.14881). Its training goes on from the tiny SAM's weights: after 300 steps it
tells nearly half of all shapes, where a training from scratch tells a fifth, which is chance.
Words are coded as for the released weights, but the text model learned only the words of procedural scenes:
the file holds their rows of the token embedding, every other row is zero, and training taught the network
that such a word says nothing.
"""

import hashlib
from pathlib import Path

import safetensors.torch
import torch
from jaxtyping import Float
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import CLIPSegConfig

from samnerf.errors import SamNerfError
from samnerf.teachers.clipseg import ClipSegEncoder, ClipSegTextDecoder
from samnerf.teachers.tiny_backbone import CHANNELS as BACKBONE_CHANNELS
from samnerf.teachers.tiny_backbone import TinyBackbone

NAME = "tiny-clipseg"
IMAGE_SIDE = 256
PATCH = 8
SIDE = IMAGE_SIDE // PATCH
LEVELS = (0, 1, 2)
REDUCED = 32
CHANNELS = len(LEVELS) * REDUCED
WIDTH = 96
TEXT_WIDTH = 48
VOCABULARY = 49408
WEIGHTS = Path(__file__).parent / "weights" / "tiny_clipseg.safetensors"

WORDS = "clip.text_model.embeddings.token_embedding.weight"
KNOWN_CODES = "clip.text_model.embeddings.token_embedding.known_codes"
KNOWN_ROWS = "clip.text_model.embeddings.token_embedding.known_rows"


def tiny_clipseg_config() -> CLIPSegConfig:
    """The configuration; every dimension not named here is that of the released CLIPSeg."""
    return CLIPSegConfig(
        text_config={
            "vocab_size": VOCABULARY,
            "hidden_size": TEXT_WIDTH,
            "intermediate_size": 2 * TEXT_WIDTH,
            "num_hidden_layers": 2,
            "num_attention_heads": 3,
        },
        vision_config={
            "hidden_size": WIDTH,
            "intermediate_size": 256,
            "num_hidden_layers": max(LEVELS) + 1,
            "num_attention_heads": 3,
            "hidden_act": "gelu",
            "image_size": IMAGE_SIDE,
            "patch_size": PATCH,
        },
        projection_dim=64,
        extract_layers=list(LEVELS),
        reduce_dim=REDUCED,
        decoder_num_attention_heads=2,
        decoder_intermediate_size=64,
        use_complex_transposed_convolution=True,
    )


class PyramidEmbedding(nn.Module):
    """Embeds patches of 8 x 8 pixels with a view of their surroundings, in place of CLIP's single convolution."""

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.backbone = TinyBackbone()
        self.projection = nn.Conv2d(BACKBONE_CHANNELS, width, 1)

    @property
    def weight(self) -> Tensor:
        """Of the last convolution; transformers reads its type."""
        return self.projection.weight

    def forward(self, pixels: Float[Tensor, "n 3 height width"]) -> Float[Tensor, "n embedding rows columns"]:
        """Embed a batch."""
        return self.projection(self.backbone(pixels))


def tiny_clipseg_encoder(weights_hash: str = "untrained") -> ClipSegEncoder:
    """The image half with random weights."""
    encoder = ClipSegEncoder(tiny_clipseg_config(), NAME, weights_hash=weights_hash)
    encoder.vision_model.embeddings.patch_embedding = PyramidEmbedding()
    return encoder


def load_tiny_clipseg_encoder(device: torch.device | str = "cpu", weights: Path = WEIGHTS) -> ClipSegEncoder:
    """The bundled image half, frozen.

    Raises:
        SamNerfError: if the weights are missing or are not those of the tiny CLIPSeg.
    """
    state, weights_hash = read_tiny_clipseg(weights)
    encoder = tiny_clipseg_encoder(weights_hash)
    encoder.load_weights(state, str(weights))
    return encoder.requires_grad_(False).to(device)


def load_tiny_clipseg_decoder(device: torch.device | str = "cpu", weights: Path = WEIGHTS) -> ClipSegTextDecoder:
    """The bundled phrase half, frozen.

    Raises:
        SamNerfError: if the weights are missing or are not those of the tiny CLIPSeg.
    """
    state, _ = read_tiny_clipseg(weights)
    decoder = ClipSegTextDecoder(tiny_clipseg_config(), NAME)
    decoder.load_weights(state, str(weights))
    return decoder.requires_grad_(False).to(device)


def read_tiny_clipseg(weights: Path) -> tuple[dict[str, Tensor], str]:
    """The weights in float32 by the names of `CLIPSegForImageSegmentation`, and the SHA-256 of their file.

    Raises:
        SamNerfError: if the file is missing, damaged, or of something else.
    """
    try:
        content = Path(weights).read_bytes()
        state = safetensors.torch.load(content)
    except FileNotFoundError as error:
        raise SamNerfError(f"the weights {weights} do not exist; `samnerf train-teachers` makes them") from error
    except (OSError, SafetensorError) as error:
        raise SamNerfError(f"the weights {weights} cannot be read: {error}") from error
    if KNOWN_CODES not in state or KNOWN_ROWS not in state:
        raise SamNerfError(f"the weights {weights} lack {KNOWN_ROWS}; expected those of the tiny CLIPSeg")
    codes, rows = state.pop(KNOWN_CODES), state.pop(KNOWN_ROWS)
    state = {name: value.float() for name, value in state.items()}
    state[WORDS] = torch.zeros(VOCABULARY, rows.shape[1])
    state[WORDS][codes.long()] = rows.float()
    return state, hashlib.sha256(content).hexdigest()


def packed(encoder: ClipSegEncoder, decoder: ClipSegTextDecoder) -> dict[str, Tensor]:
    """What the weights' file holds of the two halves; the inverse of `read_tiny_clipseg`."""
    state = encoder.exported_weights() | decoder.exported_weights()
    words = state.pop(WORDS)
    codes = words.abs().sum(dim=1).nonzero()[:, 0]
    return state | {KNOWN_CODES: codes.int(), KNOWN_ROWS: words[codes]}
