"""`samnerf matting train` and `samnerf matting eval`: adapters that make alpha of masks, and how good alpha is."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from samnerf.errors import SamNerfError

if TYPE_CHECKING:
    from samnerf.matting.adapter_files import Adapter
    from samnerf.preprocessing.matting_training.examples import Examples
    from samnerf.teachers.contracts import Encoder
    from samnerf.teachers.prompted_decoder import PromptedDecoder

HELD_OUT = 1000
"""Added to the seed of the views that are trained on, it gives that of the views that are measured on."""


@dataclass
class Train:
    """Train an adapter on pictures with exact alpha; run again after an interruption to go on.

    Without --data the pictures are made in code. A folder of your own holds images/ and alphas/ of the same names.
    """

    teachers: str = "tiny"
    """Pair of teachers, e.g. tiny, sam-vit-h or sam2-hiera-large; its SAM gets the adapter."""
    output: Path = Path("outputs/matting")
    """Folder of the run: adapter, checkpoint, log.csv and its plot, and the pictures made in code."""
    data: Path | None = None
    """Folder with images/ and alphas/."""
    backgrounds: Path | None = None
    """Folder of pictures on which those of --data are composited."""
    views: int = 200
    """Scenes made in code, one view of each."""
    steps: int = 500
    """Training steps, of two pictures and at most six objects each."""
    rate: float | None = None
    """Learning rate of AdamW. Default: 1e-5, and that of the bundled adapter for the tiny SAM."""
    seed: int = 1
    """Of the pictures and of the training."""
    size: int = 256
    """Side of the pictures made in code, pixels."""
    workers: int = 1
    """Processes that make the pictures."""
    device: str = "auto"
    """Where to train, e.g. cpu or cuda; auto takes a GPU if there is one."""
    threads: int | None = None
    """Processor threads of the training; the default is all."""

    def run(self) -> None:
        """Make what is missing of the pictures, then train.

        Raises:
            SamNerfError: if a number makes no sense, data are missing, or the folder holds another run.
        """
        _check_numbers(self, ("views", "steps", "size", "workers", "threads"), self.seed)
        if self.backgrounds is not None and self.data is None:
            raise SamNerfError("--backgrounds are for the pictures of --data; give that, too")

        import torch

        from samnerf.cli.scene_session import chosen_device
        from samnerf.preprocessing.matting_training.training import MattingTraining, train_adapter, usual_rate
        from samnerf.teachers.pairs import feature_specs

        teacher = feature_specs(self.teachers)["sam"].teacher
        rate = usual_rate(teacher) if self.rate is None else self.rate
        settings = MattingTraining(rate=rate, steps=self.steps, seed=self.seed)
        if self.threads:
            torch.set_num_threads(self.threads)
        encoder, decoder = _teacher(self.teachers, chosen_device(self.device))
        path = train_adapter(self.output / teacher, encoder, decoder, self._examples(), settings)
        print(f"adapter: {path}\nmeasure it: samnerf matting eval --teachers {self.teachers} --adapter {path}")

    def _examples(self) -> "Examples":
        if self.data is not None:
            from samnerf.preprocessing.matting_training.folder_examples import FolderExamples

            return FolderExamples(self.data, self.backgrounds)
        from samnerf.preprocessing.matting_training.synthetic_examples import SyntheticExamples
        from samnerf.preprocessing.matting_training.synthetic_views import SyntheticViews

        views = SyntheticViews(self.output / "views", self.seed, self.views, self.size, self.workers)
        print(f"{views.count} views of seed {views.seed} in {views.folder}", flush=True)
        views.generate()
        return SyntheticExamples(views)


@dataclass
class Evaluate:
    """Measure alpha with the adapter and without: SAD, MAD, MSE, Grad, Conn, and dtSSD of sequences; table and JSON.

    Without --data pictures of another seed than that of the training are made in code. With --found and --true no
    teacher runs: alphas in one folder are held against those of the same names in the other.
    """

    teachers: str = "tiny"
    """Pair of teachers whose SAM is measured."""
    adapter: Path | None = None
    """Adapter to measure. Default: the teacher's own, where there is one."""
    output: Path = Path("outputs/matting")
    """Folder for scores.md and scores.json, and the pictures made in code."""
    data: Path | None = None
    """Folder with images/ and alphas/, to measure on these."""
    found: Path | None = None
    """Folder of alphas, PNG."""
    true: Path | None = None
    """Folder of the true ones; in the order of their names both are a sequence."""
    refine: bool = False
    """Let alpha follow the edges of the picture (guided filter)."""
    views: int = 40
    """Scenes made in code."""
    count: int = 40
    """Of the views, and of the composites, that are measured."""
    sequences: int = 8
    """Short sequences, in which one thing moves."""
    seed: int = 1
    """That of the training; the pictures measured are of another."""
    size: int = 256
    """Side of the pictures made in code, pixels."""
    device: str = "auto"
    """Where to compute, e.g. cpu or cuda; auto takes a GPU if there is one."""

    def run(self) -> None:
        """Measure, and print the table.

        Raises:
            SamNerfError: if a number makes no sense, data are missing, or the adapter is of another teacher.
        """
        _check_numbers(self, ("views", "count", "size"), self.seed)
        if self.sequences < 0:
            raise SamNerfError(f"--sequences is {self.sequences} but must not be negative")
        if (self.found is None) != (self.true is None):
            raise SamNerfError("--found and --true go together: the alphas, and the true ones")

        from samnerf.atomic_files import write_bytes, write_json
        from samnerf.evaluation.matting_protocol import compared_folders, document, table

        if self.found is not None and self.true is not None:
            rows, about = compared_folders(self.found, self.true), {"found": str(self.found), "true": str(self.true)}
        else:
            rows, about = self._measured()
        text = table(rows)
        write_bytes(self.output / "scores.md", f"{text}\n".encode())
        write_json(self.output / "scores.json", document(rows, about))
        print(f"{text}\n\nscores: {self.output / 'scores.json'}")

    def _measured(self) -> "tuple[list, dict]":
        import numpy as np

        from samnerf.cli.scene_session import chosen_device
        from samnerf.evaluation.matting_protocol import SEQUENCE_FRAMES, measured, measured_sequences, synthetic_sets
        from samnerf.matting.matter import Matter, load_matter

        encoder, decoder = _teacher(self.teachers, chosen_device(self.device))
        adapted = load_matter(decoder, self.adapter, self.refine)
        matters = {"sigmoid": Matter(decoder, None, self.refine)}
        if adapted.adapter is not None:
            matters["adapter"] = adapted
        about = {"teacher": decoder.teacher, "adapter": _fingerprint(adapted.adapter), "refine": self.refine}
        if self.data is not None:
            from samnerf.preprocessing.matting_training.folder_examples import FolderExamples

            pairs = FolderExamples(self.data)
            folder = {self.data.name: (pairs[i] for i in range(len(pairs)))}
            return measured(encoder, matters, folder, self.seed), about | {"data": str(self.data)}
        from samnerf.preprocessing.matting_training.synthetic_examples import SyntheticExamples
        from samnerf.preprocessing.matting_training.synthetic_views import SyntheticViews

        seed = self.seed + HELD_OUT
        examples = SyntheticExamples(SyntheticViews(self.output / "views", seed, self.views, self.size))
        rows = measured(encoder, matters, synthetic_sets(examples, self.count, seed), seed)
        if self.sequences:
            random = [np.random.default_rng((seed, 2, i)) for i in range(self.sequences)]
            drawn = [examples.sequence(SEQUENCE_FRAMES, one) for one in random]
            rows += measured_sequences(encoder, matters, drawn, seed)
        return rows, about | {"data": f"{examples.description}, {self.count} each"}


@dataclass
class Matting:
    """True alpha: train an adapter for a teacher's mask decoder, or measure alpha."""

    action: tyro.conf.OmitArgPrefixes[
        Annotated[Train, tyro.conf.subcommand("train", prefix_name=False)]
        | Annotated[Evaluate, tyro.conf.subcommand("eval", prefix_name=False)]
    ]

    def run(self) -> None:
        """Do what was chosen."""
        self.action.run()


def _teacher(pair: str, device: str) -> "tuple[Encoder, PromptedDecoder]":
    from samnerf.teachers.pairs import load_encoder, load_mask_decoder
    from samnerf.teachers.prompted_decoder import PromptedDecoder

    decoder = load_mask_decoder(pair, device)
    if not isinstance(decoder, PromptedDecoder):
        raise SamNerfError(f"the mask decoder of {pair} takes no matting adapter")
    return load_encoder(pair, "sam", device), decoder


def _fingerprint(adapter: "Adapter | None") -> str | None:
    return None if adapter is None else adapter.fingerprint


def _check_numbers(options: object, names: tuple[str, ...], seed: int) -> None:
    for name in names:
        value = getattr(options, name)
        if value is not None and value < 1:
            raise SamNerfError(f"--{name} is {value} but must be at least 1")
    if seed < 0:
        raise SamNerfError(f"--seed is {seed} but must not be negative")
