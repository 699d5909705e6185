"""`samnerf download`: weights that do not ship with the package, fetched and checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import tyro

from samnerf.errors import SamNerfError

if TYPE_CHECKING:
    from rich.console import Console

    from samnerf.teachers.checkpoints import Weights


@dataclass
class Download:
    """Fetch weights that do not ship with the package. Without a name: list what there is, and what you have.

    They go to the folder that SAMNERF_CHECKPOINTS names, or to ~/.cache/samnerf. An interrupted download goes on
    where it stopped when the same command runs again.
    """

    names: tyro.conf.Positional[tuple[str, ...]] = ()
    """Weights to fetch, e.g. sam-vit-h clipseg-rd64-refined."""
    check: bool = False
    """Fetch nothing; hold what is there (of these names, or of all) against the known SHA-256."""

    def run(self) -> None:
        """List, check or fetch.

        Raises:
            SamNerfError: if there are no weights of a name, one cannot be fetched, or one that is there is damaged.
        """
        from rich.console import Console

        from samnerf.teachers.checkpoints import all_weights, weights_of

        console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
        chosen = [weights_of(name) for name in dict.fromkeys(self.names)]
        if self.check:
            _check(chosen or list(all_weights().values()), console)
        elif chosen:
            _fetch(chosen, console)
        else:
            _list(list(all_weights().values()), console)


def _list(weights: "Sequence[Weights]", console: "Console") -> None:
    from rich.table import Table

    from samnerf.teachers.checkpoints import checkpoint_folder

    table = Table("weights", "", "size", "licence", "what they are", box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    table.columns[2].justify = "right"
    for one in weights:
        state = "bundled" if one.bundled and one.state() == "present" else one.state()
        table.add_row(one.teacher, state, _readable_size(one.size), one.licence, one.description)
    console.print(table)
    console.print(f"\nsamnerf download NAME... fetches them into {checkpoint_folder()}")


def _check(weights: "Sequence[Weights]", console: "Console") -> None:
    damaged = []
    for file in (file for one in weights for file in one.files if file.path.exists()):
        flaw = file.flaw()
        if flaw:
            damaged.append(file)
            console.print(f"damaged    {file.path}: {flaw}")
        elif file.expected_sha256() is None:
            console.print(f"unknown    {file.path}: no checksum is listed, and none was recorded")
        else:
            console.print(f"whole      {file.path}")
    for one in weights:
        if one.state() != "present":
            console.print(f"{one.state():<10} {one.teacher}")
    if damaged:
        names = ", ".join(str(file.path) for file in damaged)
        raise SamNerfError(f"damaged: {names}; delete what is damaged and run samnerf download again")


def _fetch(weights: "Sequence[Weights]", console: "Console") -> None:
    from samnerf.teachers.downloads import fetch

    for one in weights:
        for file in one.files:
            there = file.path.exists()
            fetch(file, console)
            how = "ships with the package" if file.bundled else "was there" if there else "fetched"
            console.print(f"{one.teacher}: {file.path} ({how})")
    if missing := _missing_partners([one.teacher for one in weights]):
        console.print(f"used together with {' '.join(missing)}, still missing: samnerf download {' '.join(missing)}")


def _missing_partners(teachers: list[str]) -> list[str]:
    """The other halves of the pairs to which these teachers belong, where one teacher alone leaves no choice."""
    from samnerf.teachers.checkpoints import weights_of
    from samnerf.teachers.pairs import PAIRS

    partners = []
    for pair in (pair for name, pair in PAIRS.items() if name in teachers):
        partners += [spec.teacher for spec in pair.values() if weights_of(spec.teacher).state() != "present"]
    return list(dict.fromkeys(partners))


def _readable_size(size: int) -> str:
    for unit, bytes_in_unit in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= bytes_in_unit:
            return f"{size / bytes_in_unit:.1f} {unit}"
    return f"{size} B"
