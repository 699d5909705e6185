"""How good alpha is, with and without an adapter: the same pictures, the same prompts, all measures.

Every object of an example is prompted in three ways: by one random click where its alpha is above one half, by a box
around that, as a hand draws it, and by both. In sequences only the box is given, anew in every frame.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from samnerf.errors import SamNerfError
from samnerf.evaluation.matting_metrics import MattingScores, matting_scores, mean_scores, temporal_error
from samnerf.matting.matter import Matter
from samnerf.preprocessing.images import find_pictures
from samnerf.preprocessing.matting_training.examples import Example, prompts_for
from samnerf.preprocessing.matting_training.folder_examples import read_alpha
from samnerf.preprocessing.matting_training.synthetic_examples import SyntheticExamples
from samnerf.teachers.contracts import Encoder

FORMAT = "samnerf-matting-scores"
VERSION = 1
PROMPT_KINDS = ("click", "box", "box and click")
SEQUENCE_FRAMES = 4


@dataclass(frozen=True)
class MattingRow:
    """The mean of many alphas.

    Attributes:
        examples: which pictures.
        prompts: what was said of the objects.
        alpha: how alpha was made.
        count: how many were measured.
        scores: their mean.
        dtssd: of sequences.
    """

    examples: str
    prompts: str
    alpha: str
    count: int
    scores: MattingScores
    dtssd: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        numbers = {name: round(value, 4) for name, value in self.scores.as_dict().items()}
        about = {"examples": self.examples, "prompts": self.prompts, "alpha": self.alpha, "count": self.count}
        return about | numbers | ({} if self.dtssd is None else {"dtssd": round(self.dtssd, 4)})


def synthetic_sets(examples: SyntheticExamples, count: int, seed: int) -> dict[str, list[Example]]:
    """As many views as composites, always the same for a seed."""
    views = [examples.view(np.random.default_rng((seed, 0, i))) for i in range(count)]
    composites: list[Example] = []
    for i in range(count):
        random = np.random.default_rng((seed, 1, i))
        while not (one := examples.composite(random)).alphas:
            pass
        composites.append(one)
    return {"views": views, "composites": composites}


def measured(
    encoder: Encoder, matters: Mapping[str, Matter], sets: Mapping[str, Iterable[Example]], seed: int = 0
) -> list[MattingRow]:
    """The scores of each way to make alpha on each set of examples, by kind of prompt and over all kinds."""
    found: dict[tuple[str, str, str], list[MattingScores]] = {}
    for number, (name, examples) in enumerate(sets.items()):
        for index, example in enumerate(examples):
            feature_map = encoder.encode(example.rgb)
            for place, alpha in enumerate(example.alphas):
                for kind in PROMPT_KINDS:
                    random = np.random.default_rng((seed, number, index, place))
                    prompts = prompts_for(alpha, kind, random)
                    for way, matter in matters.items():
                        made = matter.decode(feature_map, [prompts], example.rgb).cpu().numpy()
                        scores = matting_scores(made, alpha)
                        for group in ((name, kind), (name, "all"), ("all", "all")):
                            found.setdefault((*group, way), []).append(scores)
    return [MattingRow(*key, len(scores), mean_scores(scores)) for key, scores in sorted(found.items())]


def measured_sequences(
    encoder: Encoder, matters: Mapping[str, Matter], sequences: Sequence[Sequence[Example]], seed: int = 0
) -> list[MattingRow]:
    """The scores of each way to make alpha of the first object of sequences, over all their frames, with dtSSD."""
    rows = []
    for way, matter in matters.items():
        scores: list[MattingScores] = []
        changes: list[float] = []
        for number, frames in enumerate(sequences):
            true = [frame.alphas[0] for frame in frames]
            made = []
            for frame, alpha in zip(frames, true, strict=True):
                prompts = prompts_for(alpha, "box", np.random.default_rng((seed, number)))
                made.append(matter.decode(encoder.encode(frame.rgb), [prompts], frame.rgb).cpu().numpy())
            scores += [matting_scores(*pair) for pair in zip(made, true, strict=True)]
            changes.append(temporal_error(made, true))
        rows.append(MattingRow("sequences", "box", way, len(scores), mean_scores(scores), float(np.mean(changes))))
    return rows


def compared_folders(found: Path, true: Path) -> list[MattingRow]:
    """The scores of alphas in a folder against the true ones of the same names in another; in order, a sequence.

    Raises:
        SamNerfError: if a true alpha has no counterpart, or one of another size.
    """
    by_name = {path.stem: path for path in find_pictures([found])}
    made: list[Float32[np.ndarray, "height width"]] = []
    wanted: list[Float32[np.ndarray, "height width"]] = []
    for path in find_pictures([true]):
        if path.stem not in by_name:
            raise SamNerfError(f"{found} has no alpha called {path.stem}, which {true} has")
        made.append(read_alpha(by_name[path.stem]))
        wanted.append(read_alpha(path))
        if made[-1].shape != wanted[-1].shape:
            raise SamNerfError(f"alpha {by_name[path.stem]} is {made[-1].shape} but {path} is {wanted[-1].shape}")
    scores = [matting_scores(*pair) for pair in zip(made, wanted, strict=True)]
    same_size = len({alpha.shape for alpha in wanted}) == 1
    dtssd = temporal_error(made, wanted) if len(wanted) > 1 and same_size else None
    return [MattingRow(str(found), "", "files", len(scores), mean_scores(scores), dtssd)]


def document(rows: Sequence[MattingRow], about: Mapping[str, Any]) -> dict[str, Any]:
    """The rows as JSON; `about` says what was measured."""
    return {"format": FORMAT, "version": VERSION, **about, "rows": [row.as_dict() for row in rows]}


def table(rows: Sequence[MattingRow]) -> str:
    """The rows as Markdown."""
    head = "| examples | prompts | alpha | count | SAD | MAD | MSE | Grad | Conn | dtSSD |"
    lines = [head, "|" + "---|" * 3 + "---:|" * 7]
    for row in rows:
        numbers = [f"{value:.2f}" for value in row.scores.as_dict().values()]
        numbers.append("" if row.dtssd is None else f"{row.dtssd:.2f}")
        lines.append("| " + " | ".join([row.examples, row.prompts, row.alpha, str(row.count), *numbers]) + " |")
    return "\n".join(lines)
