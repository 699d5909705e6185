"""What a person says about an object: clicks, boxes, scribbles, words; plain data with a JSON form.

A prompt file (version 1) names objects and what was said of each:

    {"format": "samnerf-prompts", "version": 1, "objects": [
        {"name": "fox", "view": "frame_0003",
         "points": [{"xy": [120.5, 80.0], "label": 1}, {"xyz": [0.1, 0.2, 0.0], "label": 0}],
         "boxes": [[40, 30, 200, 180]],
         "scribbles": [{"path": [[60, 60], [90, 70]], "label": 1}],
         "phrase": {"text": "red cube", "threshold": 0.5, "top_k": 3}}]}

Image points are `(x, y)` in pixels of the view that `view` names (every view, if it is left out), boxes
`(x1, y1, x2, y2)`, world points `(x, y, z)` in nerfstudio's world. Label 1 adds, 0 takes away.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from samnerf.atomic_files import read_json, write_json
from samnerf.errors import SamNerfError

FORMAT = "samnerf-prompts"
VERSION = 1
CLICKS_PER_SCRIBBLE = 8


@dataclass(frozen=True)
class Point:
    """A click in an image, `x` and `y` in pixels; label 1 adds, 0 takes away."""

    x: float
    y: float
    label: int = 1


@dataclass(frozen=True)
class WorldPoint:
    """A click lifted to the world of the scene; label 1 adds, 0 takes away."""

    x: float
    y: float
    z: float
    label: int = 1


@dataclass(frozen=True)
class Box:
    """Corners of a rectangle in an image, pixels, `x1 < x2` and `y1 < y2`."""

    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True)
class Scribble:
    """A stroke through image points (x, y), pixels; label 1 adds, 0 takes away."""

    path: tuple[tuple[float, float], ...]
    label: int = 1

    @property
    def clicks(self) -> tuple["Point", ...]:
        """What decoders take instead of a stroke: clicks at equal steps along it, its ends among them."""
        x, y = np.array(self.path).T
        travelled = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
        if travelled[-1] == 0:
            return (Point(*self.path[0], self.label),)
        stops = np.linspace(0.0, travelled[-1], CLICKS_PER_SCRIBBLE)
        places = zip(np.interp(stops, travelled, x).tolist(), np.interp(stops, travelled, y).tolist(), strict=True)
        return tuple(Point(*place, self.label) for place in places)


@dataclass(frozen=True)
class Phrase:
    """Words, the relevancy a cell must reach (0 to 1), and how many cells may become points.

    A `top_k` above 0 asks for the best cells; one below 0 for that many cells drawn at random by `seed`.
    """

    text: str
    threshold: float = 0.5
    top_k: int = 1
    seed: int = 0


@dataclass(frozen=True)
class PromptSet:
    """Everything said of one object. `view` names the view that the image prompts belong to; None means any."""

    name: str = "object"
    points: tuple[Point, ...] = ()
    world_points: tuple[WorldPoint, ...] = ()
    boxes: tuple[Box, ...] = ()
    scribbles: tuple[Scribble, ...] = ()
    phrase: Phrase | None = None
    view: str | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing was said."""
        return not (self.points or self.world_points or self.boxes or self.scribbles or self.phrase)

    def check(self, image_size: tuple[int, int]) -> None:
        """Hold the image prompts against the size (H, W) of the image they are meant for.

        Raises:
            SamNerfError: naming the prompt that lies outside, or the box without area.
        """
        height, width = image_size
        strokes = [point for scribble in self.scribbles for point in scribble.path]
        for x, y in [(point.x, point.y) for point in self.points] + strokes:
            if not (0 <= x <= width and 0 <= y <= height):
                raise SamNerfError(
                    f"object {self.name!r}: point ({x:g}, {y:g}) lies outside the image of {width} x {height} pixels"
                )
        for box in self.boxes:
            if box.x1 >= width or box.y1 >= height or box.x2 <= 0 or box.y2 <= 0:
                raise SamNerfError(
                    f"object {self.name!r}: box ({box.x1:g}, {box.y1:g}, {box.x2:g}, {box.y2:g}) lies outside "
                    f"the image of {width} x {height} pixels"
                )


@dataclass(frozen=True)
class PromptFile:
    """The prompt sets of several objects, in the order of their IDs (the first is 1)."""

    objects: tuple[PromptSet, ...] = field(default=())

    def select(self, names: list[str]) -> "PromptFile":
        """Only the named objects.

        Raises:
            SamNerfError: if a name is not in the file.
        """
        known = {prompts.name: prompts for prompts in self.objects}
        for name in names:
            if name not in known:
                raise SamNerfError(f"no object is called {name!r}; the prompt file has {', '.join(known) or 'none'}")
        return PromptFile(tuple(known[name] for name in names))

    def save(self, path: Path) -> None:
        """Write the JSON form."""
        objects = [prompts_to_json(prompts) for prompts in self.objects]
        write_json(path, {"format": FORMAT, "version": VERSION, "objects": objects})

    @staticmethod
    def load(path: Path) -> "PromptFile":
        """Read and check the JSON form.

        Raises:
            SamNerfError: naming the file, the object and the field that is wrong, and what would be right.
        """
        document = read_json(path, "prompt file")
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise SamNerfError(f'prompt file {path} does not say "format": "{FORMAT}"')
        if document.get("version") != VERSION:
            raise SamNerfError(
                f"prompt file {path} is of version {document.get('version')!r}; this program reads version {VERSION}"
            )
        objects = document.get("objects")
        if not isinstance(objects, list) or not objects:
            raise SamNerfError(f'prompt file {path} has no "objects": expected a list with at least one object')
        sets = tuple(prompts_from_json(entry, f"prompt file {path}, object {i + 1}") for i, entry in enumerate(objects))
        names = [prompts.name for prompts in sets]
        for name in names:
            if names.count(name) > 1:
                raise SamNerfError(f"prompt file {path} has two objects called {name!r}; names must differ")
        return PromptFile(sets)


def prompts_to_json(prompts: PromptSet) -> dict[str, Any]:
    """What prompt files say of one object."""
    entry: dict[str, Any] = {"name": prompts.name}
    if prompts.view is not None:
        entry["view"] = prompts.view
    points = [{"xy": [p.x, p.y], "label": p.label} for p in prompts.points]
    points += [{"xyz": [p.x, p.y, p.z], "label": p.label} for p in prompts.world_points]
    if points:
        entry["points"] = points
    if prompts.boxes:
        entry["boxes"] = [[b.x1, b.y1, b.x2, b.y2] for b in prompts.boxes]
    if prompts.scribbles:
        entry["scribbles"] = [{"path": [list(p) for p in s.path], "label": s.label} for s in prompts.scribbles]
    if prompts.phrase is not None:
        phrase = prompts.phrase
        entry["phrase"] = {"text": phrase.text, "threshold": phrase.threshold, "top_k": phrase.top_k}
        if phrase.seed != Phrase.seed:
            entry["phrase"]["seed"] = phrase.seed
    return entry


def prompts_from_json(entry: Any, where: str) -> PromptSet:
    """The inverse of `prompts_to_json`; `where` begins messages ("prompt file a.json, object 1").

    Raises:
        SamNerfError: naming the field that is wrong, and what would be right.
    """
    known = {"name", "view", "points", "boxes", "scribbles", "phrase"}
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or not entry["name"].strip():
        raise SamNerfError(f'{where}: expected an object with a "name"')
    where = f"{where} ({entry['name']!r})"
    if unknown := set(entry) - known:
        raise SamNerfError(f"{where}: unknown field {sorted(unknown)[0]!r}; known are {', '.join(sorted(known))}")
    view = entry.get("view")
    if view is not None and not isinstance(view, str):
        raise SamNerfError(f'{where}: "view" is {view!r} but must be the name of a view')
    points: list[Point] = []
    world_points: list[WorldPoint] = []
    for point in _list(entry, "points", where):
        label = _label(point, where)
        if "xyz" in point:
            x, y, z = finite_numbers(point["xyz"], 3, f"{where}: xyz")
            world_points.append(WorldPoint(x, y, z, label))
        else:
            x, y = finite_numbers(point.get("xy"), 2, f"{where}: xy")
            points.append(Point(x, y, label))
    boxes = [_box(box, where) for box in _list(entry, "boxes", where)]
    scribbles = []
    for scribble in _list(entry, "scribbles", where):
        label = _label(scribble, where)
        path = tuple(tuple(finite_numbers(p, 2, f"{where}: scribble path")) for p in _list(scribble, "path", where))
        if not path:
            raise SamNerfError(f"{where}: a scribble has no points in its path")
        scribbles.append(Scribble(path, label))  # pyright: ignore[reportArgumentType]
    prompts = PromptSet(
        entry["name"], tuple(points), tuple(world_points), tuple(boxes), tuple(scribbles), _phrase(entry, where), view
    )
    if prompts.empty:
        raise SamNerfError(f"{where}: nothing is said of it; give points, boxes, scribbles or a phrase")
    return prompts


def _list(entry: dict[str, Any], key: str, where: str) -> list[Any]:
    value = entry.get(key, [])
    if not isinstance(value, list):
        raise SamNerfError(f"{where}: {key!r} is {value!r} but must be a list")
    return value


def finite_numbers(value: Any, count: int, where: str) -> list[float]:
    """A list of numbers that came from outside; `where` names it in messages.

    Raises:
        SamNerfError: if it is no list of so many finite numbers.
    """
    numeric = isinstance(value, list) and all(isinstance(v, int | float) and not isinstance(v, bool) for v in value)
    if not numeric or len(value) != count or not all(abs(v) < 1e30 for v in value):
        raise SamNerfError(f"{where} is {value!r} but must be {count} finite numbers")
    return [float(v) for v in value]


def _label(entry: Any, where: str) -> int:
    if not isinstance(entry, dict):
        raise SamNerfError(f'{where}: {entry!r} must be an object such as {{"xy": [12, 34], "label": 1}}')
    if unknown := set(entry) - {"xy", "xyz", "path", "label"}:
        raise SamNerfError(f"{where}: unknown field {sorted(unknown)[0]!r}; known are xy, xyz, path, label")
    label = entry.get("label", 1)
    if isinstance(label, bool) or label not in (0, 1):
        raise SamNerfError(f"{where}: label is {label!r} but must be 1 (add) or 0 (take away)")
    return int(label)


def _box(value: Any, where: str) -> Box:
    box = Box(*finite_numbers(value, 4, f"{where}: box"))
    if not (box.x1 < box.x2 and box.y1 < box.y2):
        raise SamNerfError(f"{where}: box {value!r} has no area; expected x1 < x2 and y1 < y2")
    return box


def _phrase(entry: dict[str, Any], where: str) -> Phrase | None:
    value = entry.get("phrase")
    if value is None:
        return None
    if isinstance(value, str):
        value = {"text": value}
    if not isinstance(value, dict) or not isinstance(value.get("text"), str) or not value["text"].strip():
        raise SamNerfError(f'{where}: the phrase is empty; expected words such as "red cube"')
    threshold = value.get("threshold", Phrase.threshold)
    top_k = value.get("top_k", Phrase.top_k)
    if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0 <= threshold <= 1:
        raise SamNerfError(f"{where}: the phrase's threshold is {threshold!r} but must lie between 0 and 1")
    if isinstance(top_k, bool) or not isinstance(top_k, int) or top_k == 0:
        raise SamNerfError(
            f"{where}: the phrase's top_k is {top_k!r} but must be a whole number from 1, or below 0 for random cells"
        )
    seed = value.get("seed", Phrase.seed)
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise SamNerfError(f"{where}: the phrase's seed is {seed!r} but must be a whole number from 0")
    return Phrase(value["text"].strip(), float(threshold), top_k, seed)
