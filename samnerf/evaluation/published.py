"""Figures that others have published, as `configs/published.toml` lists them; second-hand, and quoted as such."""

import importlib.resources
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from samnerf.errors import SamNerfError

LIST = "configs/published.toml"
SECOND_HAND = "second-hand"


@dataclass(frozen=True)
class PublishedSystem:
    """One system.

    Attributes:
        figures: by measure, such as "nvos_miou": the least and the greatest that was published, 0 to 1.
        query, train: what was said of time and memory, in words; empty where nothing was.
    """

    name: str
    figures: Mapping[str, tuple[float, float]]
    query: str = ""
    train: str = ""

    def said(self, measure: str) -> str:
        """A figure in percent, or its range; a dash where there is none."""
        if measure not in self.figures:
            return "-"
        least, greatest = (f"{100 * value:.1f}" for value in self.figures[measure])
        return least if least == greatest else f"{least}-{greatest}"


def published_systems() -> tuple[PublishedSystem, ...]:
    """All systems of the list.

    Raises:
        SamNerfError: if the list is not in the package, or an entry is malformed.
    """
    try:
        text = importlib.resources.files("samnerf").joinpath(*LIST.split("/")).read_text(encoding="utf-8")
    except OSError as error:
        raise SamNerfError(f"the published figures {LIST} are not in the package; install samnerf again") from error
    return tuple(_system(entry) for entry in tomllib.loads(text)["systems"])


def best_published(measure: str) -> float | None:
    """The greatest figure of a measure, 0 to 1; None where nobody published one."""
    found = [one.figures[measure][1] for one in published_systems() if measure in one.figures]
    return max(found, default=None)


def _system(entry: dict[str, Any]) -> PublishedSystem:
    words = {key: entry.pop(key) for key in ("name", "query", "train") if key in entry}
    for measure, values in entry.items():
        numbers = isinstance(values, list) and all(isinstance(v, int | float) and 0 < v <= 100 for v in values)
        if not numbers or not 1 <= len(values) <= 2 or sorted(values) != values:
            raise SamNerfError(f"{LIST}: {measure} of {words.get('name')} is {values!r}, but must be percent, or two")
    return PublishedSystem(figures={key: (v[0] / 100, v[-1] / 100) for key, v in entry.items()}, **words)
