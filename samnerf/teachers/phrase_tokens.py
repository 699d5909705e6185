"""Words as CLIP reads them: byte pair codes of the 49,408-word vocabulary, which ships with open_clip."""

import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from samnerf.errors import SamNerfError

CONTEXT_LENGTH = 77
END_OF_TEXT = 49407


@lru_cache(maxsize=1)
def tokenizer() -> Any:
    """open_clip's `SimpleTokenizer`, made on first use.

    Its module is loaded from its file: the package around it imports every network of open_clip, which takes
    ten seconds and is not wanted here.
    """
    package = importlib.util.find_spec("open_clip")
    if package is None or not package.submodule_search_locations:
        raise SamNerfError("phrases need the package open_clip_torch; install it with: pip install open_clip_torch")
    path = Path(next(iter(package.submodule_search_locations))) / "tokenizer.py"
    spec = importlib.util.spec_from_file_location("samnerf_open_clip_tokenizer", path)
    if spec is None or spec.loader is None:
        raise SamNerfError(f"phrases need open_clip's tokenizer, which {path} should hold")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.SimpleTokenizer(context_length=CONTEXT_LENGTH)


@lru_cache(maxsize=4096)
def phrase_codes(phrase: str) -> tuple[int, ...]:
    """Start of text, the phrase's codes, end of text; nothing else, so the length differs between phrases.

    Raises:
        SamNerfError: if the phrase is empty, or longer than the 75 codes that CLIP reads.
    """
    codes = tokenizer().encode(phrase)
    if not codes:
        raise SamNerfError('the phrase is empty; expected words such as "red cube"')
    if len(codes) > CONTEXT_LENGTH - 2:
        raise SamNerfError(
            f"the phrase {phrase[:40]!r}... has {len(codes)} word pieces; CLIP reads {CONTEXT_LENGTH - 2}: shorten it"
        )
    return (tokenizer().sot_token_id, *codes, tokenizer().eot_token_id)


def phrase_tokens(phrases: list[str]) -> Int64[Tensor, "phrases length"]:
    """Codes of several phrases, filled up with zeros to the longest.

    What follows the end of a text changes nothing: CLIP's text attention is causal and the embedding is read at
    the first end of text. That code is also the largest, so configurations from before transformers' eos_token_id
    was right (they say 2 and mean the largest) find the same place.
    """
    codes = [phrase_codes(phrase) for phrase in phrases]
    tokens = torch.zeros(len(codes), max(map(len, codes)), dtype=torch.int64)
    for row, phrase in zip(tokens, codes, strict=True):
        row[: len(phrase)] = torch.tensor(phrase)
    return tokens
