"""Matting adapters on disk: a safetensors file that says whose it is.

The metadata name the format and its version, the teacher, the SHA-256 of the teacher's weights, and the two ranks. An
adapter was trained on these very weights and says nothing of others, so it is refused for them.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from samnerf.atomic_files import atomic_path
from samnerf.errors import SamNerfError
from samnerf.matting.lora import Decoder, Ranks, adapter_parameters, load_adapter, with_adapter
from samnerf.teachers.checkpoints import all_weights, checkpoint_folder
from samnerf.teachers.pairs import PAIRS, installed_weights_hash
from samnerf.teachers.prompted_decoder import PromptedDecoder

FORMAT = "samnerf-matting-adapter"
VERSION = "1"
_KEYS = ("format", "version", "teacher", "weights_sha256", "hypernetwork_rank", "attention_rank")


@dataclass(frozen=True)
class Adapter:
    """The matrices of an adapter, and whose they are.

    Attributes:
        state: the matrices, by the layer they sit on.
        teacher: name of the encoder whose maps the decoder reads.
        weights_sha256: of the weights of that teacher, on which it was trained.
        ranks: of the matrices.
        source: the file it was read from, for messages.
    """

    state: dict[str, Tensor]
    teacher: str
    weights_sha256: str
    ranks: Ranks
    source: Path | None = None

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the matrices, in hex."""
        digest = hashlib.sha256()
        for name, value in sorted(self.state.items()):
            digest.update(name.encode())
            digest.update(value.numpy().tobytes())
        return digest.hexdigest()

    def worn_by(self, decoder: Decoder) -> Decoder:
        """A copy of a decoder that wears this adapter.

        Raises:
            SamNerfError: if the decoder is of another teacher or of another shape.
        """
        if decoder.teacher != self.teacher:
            raise SamNerfError(
                f"matting adapter {self.source} belongs to {self.teacher!r}, not to {decoder.teacher!r}; "
                f"train one for it: samnerf matting train"
            )
        worn = with_adapter(decoder, self.ranks)
        load_adapter(worn, self.state)
        return worn

    def check_weights(self, sha256: str | None) -> None:
        """Hold the SHA-256 of the teacher's weights on this machine against those it was trained on.

        Raises:
            SamNerfError: if they are others.
        """
        if sha256 != self.weights_sha256:
            raise SamNerfError(
                f"matting adapter {self.source} was trained on the weights {self.weights_sha256[:12]} of {self.teacher}"
                f", but those on this machine are {str(sha256)[:12]}; train it anew: samnerf matting train"
            )


def adapter_of(decoder: PromptedDecoder, weights_sha256: str, ranks: Ranks) -> Adapter:
    """The adapter that a decoder wears."""
    state = {name: value.detach().cpu().clone() for name, value in adapter_parameters(decoder).items()}
    return Adapter(state, decoder.teacher, weights_sha256, ranks)


def write_adapter(path: Path, adapter: Adapter) -> None:
    """Write an adapter in 16-bit floats, the whole file or none of it."""
    tensors = {name: value.to(torch.float16).contiguous() for name, value in adapter.state.items()}
    ranks = str(adapter.ranks.hypernetworks), str(adapter.ranks.attention)
    said = FORMAT, VERSION, adapter.teacher, adapter.weights_sha256, *ranks
    metadata: dict[str, str] = dict(zip(_KEYS, said, strict=True))
    with atomic_path(path) as temporary:
        safetensors.torch.save_file(tensors, temporary, metadata)


def read_adapter(path: Path) -> Adapter:
    """Read an adapter.

    Raises:
        SamNerfError: if the file is missing, damaged, no adapter, or of another version.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name).to(torch.float32) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise SamNerfError(f"matting adapter {path} does not exist") from error
    except (OSError, SafetensorError) as error:
        raise SamNerfError(f"matting adapter {path} is truncated or no safetensors file: {error}") from error
    if metadata.get("format") != FORMAT:
        raise SamNerfError(f"{path} is no matting adapter; samnerf matting train writes such files")
    if metadata.get("version") != VERSION:
        raise SamNerfError(
            f"matting adapter {path} is of version {metadata.get('version')!r}; this program reads version {VERSION}"
        )
    if missing := [key for key in _KEYS if key not in metadata]:
        raise SamNerfError(f"matting adapter {path} does not say its {missing[0]}; train it anew")
    try:
        ranks = Ranks(int(metadata["hypernetwork_rank"]), int(metadata["attention_rank"]))
    except ValueError as error:
        raise SamNerfError(f"matting adapter {path} has ranks that are no whole numbers: {error}") from error
    return Adapter(tensors, metadata["teacher"], metadata["weights_sha256"], ranks, Path(path))


def adapter_place(teacher: str) -> Path:
    """Where the adapter of a teacher is looked for: in the package, or in the folder for weights."""
    name = f"{teacher}-matting"
    weights = all_weights().get(name)
    return weights.place if weights is not None else checkpoint_folder() / f"{name}.safetensors"


def installed_adapter(teacher: str) -> Adapter | None:
    """The adapter of a teacher that is on this machine; None where there is none.

    Raises:
        SamNerfError: if it is damaged, or was trained on other weights than those on this machine.
    """
    path = adapter_place(teacher)
    return checked_adapter(path) if path.is_file() else None


def checked_adapter(path: Path) -> Adapter:
    """An adapter of a file, whose teacher's weights on this machine are those it was trained on.

    Raises:
        SamNerfError: if it is damaged, or was trained on other weights.
    """
    adapter = read_adapter(path)
    adapter.check_weights(teacher_weights_hash(adapter.teacher))
    return adapter


def teacher_weights_hash(teacher: str) -> str | None:
    """SHA-256 of the weights of a SAM as they are on this machine; None where they are not."""
    pair = next((name for name, specs in PAIRS.items() if specs["sam"].teacher == teacher), None)
    return None if pair is None else installed_weights_hash(pair, "sam")
