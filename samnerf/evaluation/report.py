"""What an evaluation says, as plain data: goals, scores, tables, the worst cases.

The JSON form (`samnerf-evaluation`, version 1) holds every number; what was not measured is null.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import UInt8

from samnerf import __version__
from samnerf.evaluation.goals import Goal

FORMAT = "samnerf-evaluation"
VERSION = 1

Value = str | float | int | bool | None


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        key: of the rows.
        words: its heading.
        style: format of numbers.
        share: whether the numbers run from 0 to 1, so that a bar can show them.
    """

    key: str
    words: str
    style: str = "{:.3f}"
    share: bool = True

    def said(self, value: Value) -> str:
        """A value as it is printed; a dash for nothing."""
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return "-"
        if isinstance(value, bool):
            return "yes" if value else "no"
        return self.style.format(value) if isinstance(value, float) else str(value)


def words(key: str, heading: str) -> Column:
    """A column of names or whole numbers."""
    return Column(key, heading, share=False)


@dataclass(frozen=True)
class Table:
    """Rows of one kind.

    Attributes:
        name: of its CSV file and in the JSON form.
        title, note: above and below it.
        rows: with a value for each column; a row may say `"emphasis": True`.
        folded: whether the page shows it only on request.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: Sequence[Mapping[str, Value]]
    note: str = ""
    folded: bool = False


@dataclass(frozen=True, eq=False)
class CasePicture:
    """One case to look at: its words, and pictures with a caption each."""

    title: str
    panels: Sequence[tuple[str, UInt8[np.ndarray, "_ _ 3"]]]


@dataclass(frozen=True)
class Report:
    """Everything an evaluation says.

    Attributes:
        kind: "scene", "nvos", ...
        title, subtitle: of the page.
        about: what was measured how, in words.
        goals: the measures on top of the page.
        scores: their values, and others.
        tables: in the order of the page.
        pictures: the worst cases.
        notes: what a reader must know to read the numbers.
    """

    kind: str
    title: str
    subtitle: str
    about: Mapping[str, str]
    goals: Sequence[Goal]
    scores: Mapping[str, float]
    tables: Sequence[Table]
    pictures: Sequence[CasePicture] = ()
    notes: Sequence[str] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """All numbers; no pictures."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "samnerf": __version__,
            "kind": self.kind,
            "about": dict(self.about),
            "scores": finite(self.scores),
            "goals": {one.key: one.goal for one in self.goals if one.goal is not None},
            "tables": {table.name: [finite(row) for row in table.rows] for table in self.tables},
            "notes": list(self.notes),
        }


def finite(row: Mapping[str, Any]) -> dict[str, Any]:
    """The same with None for what is no finite number, as JSON wants it."""
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
