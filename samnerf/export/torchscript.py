"""SAM's two halves as TorchScript files that a compositor loads: a picture becomes a matte, a matte with points a mask.

    encoder  [1, 3, 1024, 1024] RGB, sRGB, 0 to 1   ->  [1, 1, 1024, 1024], the encoded matte
    decoder  [1, 1, 1040, 1024] matte and points    ->  [1, 1, 1040, 1024] bool, the mask; its last 16 rows are zero

The decoder finds the points in the last row of its input (row 1039; y = 0 where rows count from below): columns 3k,
3k + 1 and 3k + 2 hold x, y (from below) and "subtractive" of point k. It keeps that of three masks which it thinks
best, enlarges it bilinearly and cuts at 0; without any point that counts, the mask is empty. Those are the numbers of
Meta's SAM; encoders with other maps have pairs of the same form with sizes of their own (see `encoded_matte`).

Both are traced, not scripted, because the networks of `segment_anything` cannot be compiled; nothing in the decoder's
trace depends on how many points there are, or on the device. What is written is read back and held against eager
evaluation.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from segment_anything.modeling import MaskDecoder as SamMaskNetwork
from segment_anything.modeling import PromptEncoder
from torch import Tensor, nn

from samnerf.atomic_files import atomic_path
from samnerf.errors import SamNerfError
from samnerf.export.encoded_matte import MOST_POINTS, PADDING_ROWS, POINT_COLUMNS, POINTS_SIDE, matte_size
from samnerf.teachers.sam import PIXEL_MEAN, PIXEL_STD, SamEncoder, SamMaskDecoder

TOLERANCE = 1e-4
"""By how much a traced half may differ from the eager one: values of the matte, logits of the mask."""


@dataclass(frozen=True)
class WrittenPair:
    """Two files, and how they were found.

    Attributes:
        encoder, decoder: their paths.
        encoder_difference: the largest between traced and eager values of a matte.
        decoder_difference: the largest between traced and eager logits, over several sets of points.
    """

    encoder: Path
    decoder: Path
    encoder_difference: float
    decoder_difference: float


class MatteEncoder(nn.Module):
    """[1, 3, side, side] sRGB, 0 to 1 -> [1, 1, rows, columns].

    Args:
        network: normalised pixels [1, 3, side, side] to a map [1, channels, cells, cells].
        map_shape: of that map, without its first axis.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, network: nn.Module, map_shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.network = network
        self.rows, self.columns = matte_size(map_shape)
        # Constants of a trace stay on the device on which it was made; buffers move with the module.
        self.register_buffer("mean", torch.tensor(PIXEL_MEAN)[:, None, None])
        self.register_buffer("deviation", torch.tensor(PIXEL_STD)[:, None, None])

    def forward(self, x: Float[Tensor, "1 3 side side"]) -> Float[Tensor, "1 1 rows columns"]:
        """The encoded matte."""
        return self.network((x * 255 - self.mean) / self.deviation).reshape(1, 1, self.rows, self.columns)


class MatteLogits(nn.Module):
    """Matte and points -> logits of the best mask at the matte's size, and whether any point counts.

    Args:
        prompt_encoder, mask_decoder: SAM's.
    """

    positions: Tensor

    def __init__(self, prompt_encoder: PromptEncoder, mask_decoder: SamMaskNetwork) -> None:
        super().__init__()
        side, _ = prompt_encoder.image_embedding_size
        self.map_shape = prompt_encoder.embed_dim, side, side
        self.rows, self.columns = matte_size(self.map_shape)
        self.input_size = prompt_encoder.input_image_size
        self.pe_layer = prompt_encoder.pe_layer
        takes_away, adds = prompt_encoder.point_embeddings[0], prompt_encoder.point_embeddings[1]
        assert isinstance(takes_away, nn.Embedding)
        assert isinstance(adds, nn.Embedding)
        self.takes_away, self.adds = takes_away, adds
        self.no_point, self.no_mask = prompt_encoder.not_a_point_embed, prompt_encoder.no_mask_embed
        self.mask_decoder = mask_decoder
        self.register_buffer("positions", prompt_encoder.get_dense_pe())

    def forward(
        self, x: Float[Tensor, "1 1 padded columns"]
    ) -> tuple[Float[Tensor, "1 1 rows columns"], Bool[Tensor, ""]]:
        """Logits are those of no point at all where none counts."""
        embedding = x[:, 0, : self.rows].reshape(1, *self.map_shape)
        said = x[0, 0, -1, : MOST_POINTS * POINT_COLUMNS].reshape(MOST_POINTS, POINT_COLUMNS)
        counts = ((said >= 1) & (said <= POINTS_SIDE))[:, :2].all(dim=1)
        low_resolution, scores = self.mask_decoder(
            image_embeddings=embedding,
            image_pe=self.positions,
            sparse_prompt_embeddings=self._embedded(said[counts]),
            dense_prompt_embeddings=self.no_mask.weight.reshape(1, -1, 1, 1).expand(-1, -1, *self.map_shape[1:]),
            multimask_output=True,
        )
        best = low_resolution[:, scores[0].argmax(dim=0, keepdim=True)]
        logits = F.interpolate(best, (self.rows, self.columns), mode="bilinear", align_corners=False)
        return logits, counts.any()

    def _embedded(self, said: Float[Tensor, "points 3"]) -> Float[Tensor, "1 tokens channels"]:
        """What SAM's prompt encoder makes of points without a box: a token for each, and one that is no point."""
        # SAM counts y from above, and means the middle of a pixel.
        pixels = torch.stack([said[:, 0], POINTS_SIDE - said[:, 1]], dim=1) * (self.input_size[0] / POINTS_SIDE) + 0.5
        subtractive = (said[:, 2] >= 1)[None, :, None]
        places = self.pe_layer.forward_with_coords(pixels[None], self.input_size)
        points = places + torch.where(subtractive, self.takes_away.weight, self.adds.weight)
        return torch.cat([points, self.no_point.weight[None]], dim=1)


class MatteDecoder(nn.Module):
    """[1, 1, rows + 16, columns] matte and points -> the mask, bool, of the same size; its last 16 rows are zero."""

    def __init__(self, prompt_encoder: PromptEncoder, mask_decoder: SamMaskNetwork) -> None:
        super().__init__()
        self.logits = MatteLogits(prompt_encoder, mask_decoder)

    def forward(self, x: Float[Tensor, "1 1 padded columns"]) -> Bool[Tensor, "1 1 padded columns"]:
        """Where the best mask is."""
        logits, some = self.logits(x)
        inside = ((logits > 0) & some).to(logits.dtype)
        return F.pad(inside, (0, 0, 0, PADDING_ROWS)) > 0


def write_pair(encoder: SamEncoder, decoder: SamMaskDecoder, folder: Path) -> WrittenPair:
    """Both halves of a SAM, on the CPU, as `<teacher>-encoder.pt` and `<teacher>-decoder.pt`.

    Raises:
        SamNerfError: if a traced half differs from the eager one by more than 1e-4, or a file cannot be written; a file
            that was there stays as it was.
    """
    random = torch.Generator().manual_seed(0)
    map_shape = decoder.map_shape
    matte_encoder = MatteEncoder(encoder.network, map_shape).eval().cpu()
    matte_decoder = MatteDecoder(decoder.prompt_encoder, decoder.mask_decoder).eval().cpu()
    encoder_path, decoder_path = (folder / f"{encoder.name}-{half}.pt" for half in ("encoder", "decoder"))
    example, picture = torch.rand(2, 1, 3, encoder.input_side, encoder.input_side, generator=random)
    with torch.no_grad():
        matte = matte_encoder(picture)
        with _traced(matte_encoder, example, encoder_path) as traced:
            encoder_difference = float((traced(picture) - matte).abs().max())
            _check(encoder_difference, encoder_path)
        inputs = [_with_points(matte, count, random) for count in (3, 0, 1, MOST_POINTS)]
        with _traced(matte_decoder, inputs[0], decoder_path) as traced:
            decoder_difference = max(_decoder_difference(traced, matte_decoder, one) for one in inputs)
            _check(decoder_difference, decoder_path)
    return WrittenPair(encoder_path, decoder_path, encoder_difference, decoder_difference)


@contextmanager
def _traced(module: nn.Module, example: Tensor, path: Path) -> Iterator[torch.jit.ScriptModule]:
    """The file, read back; it gets its name if the block succeeds."""
    with atomic_path(path) as temporary:
        with warnings.catch_warnings():
            # torch would rather have its newer formats, which no compositor reads; constant sizes are meant so.
            warnings.simplefilter("ignore")
            traced = torch.jit.trace(module, example, check_trace=False)
            assert isinstance(traced, torch.jit.ScriptModule)
            # Through memory, for the name of the temporary file would stay in what is written.
            temporary.write_bytes(traced.save_to_buffer())
            read_back = torch.jit.load(str(temporary), map_location="cpu")
        yield read_back


def _with_points(matte: Float[Tensor, "1 1 rows columns"], count: int, random: torch.Generator) -> Tensor:
    said = torch.zeros(MOST_POINTS, POINT_COLUMNS)
    said[:count, :2] = 1 + (POINTS_SIDE - 1) * torch.rand(count, 2, generator=random)
    said[:count, 2] = (torch.arange(count) % 3 == 1).float()
    padded = F.pad(matte, (0, 0, 0, PADDING_ROWS))
    padded[0, 0, -1, : said.numel()] = said.flatten()
    return padded


def _decoder_difference(traced: torch.jit.ScriptModule, eager: MatteDecoder, one: Tensor) -> float:
    """Of the logits; infinite where the masks differ though the logits are not so near to 0 that they may."""
    logits, some = eager.logits(one)
    traced_logits, traced_some = traced.logits(one)
    rows = logits.shape[-2]
    unlike = (traced(one) != eager(one))[..., :rows, :] & (logits.abs() > TOLERANCE)
    if bool(unlike.any()) or bool(some != traced_some) or bool(traced(one)[..., rows:, :].any()):
        return float("inf")
    return float((traced_logits - logits).abs().max())


def _check(difference: float, path: Path) -> None:
    if not difference <= TOLERANCE:
        raise SamNerfError(
            f"{path.name} was not written: what is traced differs from the network by {difference:g}, more than "
            f"{TOLERANCE:g}; try another version of torch (pip install torch) or the CPU"
        )
