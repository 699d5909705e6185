"""`samnerf export torchscript`: SAM for Nuke's own ML nodes, with scripts that set it up."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from samnerf.teachers.sam import SamEncoder, SamMaskDecoder

SHORT_NAMES = ("vit-b", "vit-l", "vit-h")


@dataclass
class ExportTorchscript:
    """SAM as TorchScript, a script that makes .cat files of it in Nuke, and a gizmo that runs these.

    With two networks of one size the gizmo has a fast mode, for which it takes the smaller one.
    """

    teacher: tuple[str, ...] = ()
    """Which SAM: vit-b, vit-l, vit-h, or tiny; or two of them, e.g. vit-h vit-b."""
    checkpoint: Path | None = None
    """An official checkpoint (sam_vit_*.pth) instead, wherever it lies."""
    output: Path = Path("outputs/torchscript")
    """Folder for the results."""

    def run(self) -> None:
        """Export, and say what was written."""
        import warnings

        from rich.console import Console

        from samnerf.atomic_files import write_bytes
        from samnerf.errors import SamNerfError
        from samnerf.export.torchscript import write_pair
        from samnerf.nuke.gizmo import PairDescription, cat_files, gizmo

        if (not self.teacher) == (self.checkpoint is None):
            raise SamNerfError("give either --teacher vit-b (or vit-l, vit-h, tiny) or --checkpoint FILE")
        if len(self.teacher) > 2 or len(set(map(_pair, self.teacher))) < len(self.teacher):
            raise SamNerfError("give one teacher, or two different ones: the second is for fast mode")
        # The networks were written for an older torch, which says so in every other line.
        warnings.filterwarnings("ignore", module="nerfstudio|torch|timm")
        console = Console()

        def say(text: str) -> None:
            console.print(text, markup=False, highlight=False, soft_wrap=True)

        descriptions = []
        for encoder, decoder in self._halves():
            written = write_pair(encoder, decoder, self.output)
            side = decoder.input_side
            descriptions.append(PairDescription.of_map(encoder.name, decoder.map_shape, side))
            say(f"written: {written.encoder}, at most {written.encoder_difference:.1e} from the network")
            say(f"written: {written.decoder}, at most {written.decoder_difference:.1e} from the network")
        folder = self.output.resolve()
        files = {"cat_files.nk": cat_files(descriptions, folder)}
        if descriptions[0].fits_nuke:
            files["SamNerfPoints.gizmo"] = gizmo(descriptions, folder)
        else:
            say(f"note: no gizmo: an Inference node keeps sizes, and {descriptions[0].teacher} does not")
        for name, text in files.items():
            write_bytes(self.output / name, text.encode())
            say(f"written: {self.output / name}")

    def _halves(self) -> "list[tuple[SamEncoder, SamMaskDecoder]]":
        import torch

        from samnerf.errors import SamNerfError
        from samnerf.teachers import meta_sam
        from samnerf.teachers.pairs import load_encoder, load_mask_decoder
        from samnerf.teachers.sam import SamEncoder, SamMaskDecoder

        cpu = torch.device("cpu")
        if self.checkpoint is not None:
            name = meta_sam.teacher_of(self.checkpoint)
            halves = (
                meta_sam.load_encoder(name, self.checkpoint, cpu),
                meta_sam.load_mask_decoder(name, self.checkpoint, cpu),
            )
            return [halves]
        found = []
        for pair in sorted(map(_pair, self.teacher), key=_thoroughness):
            encoder, decoder = load_encoder(pair, "sam"), load_mask_decoder(pair)
            if not (isinstance(encoder, SamEncoder) and isinstance(decoder, SamMaskDecoder)):
                raise SamNerfError(f"{pair} has another form than SAM's; export vit-b, vit-l, vit-h or tiny")
            found.append((encoder, decoder))
        return found


def _pair(teacher: str) -> str:
    return f"sam-{teacher}" if teacher in SHORT_NAMES else teacher


def _thoroughness(pair: str) -> int:
    order = ("sam-vit-h", "sam-vit-l", "sam-vit-b")
    return order.index(pair) if pair in order else len(order)
