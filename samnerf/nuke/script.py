"""Nuke's script language, as far as we write it: nodes with knobs, groups, and the stack that connects them.

    set N_plate [stack 0]        gives the node on top of the stack a name
    push $N_plate                puts it there again; `push 0` stands for nothing
    Switch { inputs 2 ... }      takes its inputs from the stack, the first from the top, and puts itself there

Every node that feeds another is named right after it is made, and pushed where it is needed, so the order of nodes is
free, as long as inputs come first. A node that nothing feeds takes nothing from the stack. The value of a knob is a
number, a word, a text in quotes, or an expression in two pairs of braces.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

_WORD = re.compile(r"[A-Za-z0-9_./:+-]+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Expression:
    """The value of a knob that Nuke computes: `parent.fast`, or with Tcl in it, `[exists parent.input1]`."""

    text: str


@dataclass(frozen=True)
class Lines:
    """The value of a knob that is a list of commands, e.g. of metadata; each in braces of its own."""

    commands: tuple[tuple[str, ...], ...]


Value = str | bool | int | float | Expression | Lines | tuple[float | Expression, ...]


@dataclass(frozen=True)
class UserKnob:
    """A knob of a group.

    Attributes:
        kind: number of its type (see the constants below).
        name: in expressions.
        label: what the panel shows.
        value: at first; None for none (tabs, buttons, dividers).
        tip: shown beside the pointer.
        choices: of a pulldown.
        limits: of a slider.
        text: of a divider, or the Python of a button.
        beside: whether it stands in the line of the knob before it.
    """

    kind: int
    name: str
    label: str
    value: Value | None = None
    tip: str = ""
    choices: tuple[str, ...] = ()
    limits: tuple[float, float] | None = None
    text: str = ""
    beside: bool = False


STRING, FILE, WHOLE, PULLDOWN, CHECK, SLIDER, POSITION, COLOUR, TAB, BUTTON, DIVIDER = (
    1,
    2,
    3,
    4,
    6,
    7,
    12,
    18,
    20,
    22,
    26,
)


@dataclass(frozen=True)
class Node:
    """A node.

    Attributes:
        kind: its class in Nuke.
        name: among its neighbours.
        knobs: values by name, in the order in which they are written.
        inputs: names of nodes, the first input first; None for one that stays open.
        user_knobs: of a group.
        children: of a group, inputs before what they feed.

    Raises:
        ValueError: if Nuke takes no such name.
    """

    kind: str
    name: str
    knobs: Mapping[str, Value] = field(default_factory=dict)
    inputs: tuple[str | None, ...] = ()
    user_knobs: tuple[UserKnob, ...] = ()
    children: tuple["Node", ...] = ()

    def __post_init__(self) -> None:
        for name in (self.name, *self.knobs, *(knob.name for knob in self.user_knobs)):
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name for a node or knob: letters, digits and underscores are")


def script(nodes: Sequence[Node]) -> str:
    """The text of a script, or of what is pasted into a node graph.

    Raises:
        ValueError: if a node has an input that does not come before it, or two have one name.
    """
    return "\n".join(_lines(nodes, "")) + "\n"


def _lines(nodes: Sequence[Node], indent: str) -> Iterator[str]:
    known: set[str] = set()
    feeding = {one for node in nodes for one in node.inputs}
    for node in nodes:
        if node.name in known or any(one is not None and one not in known for one in node.inputs):
            raise ValueError(f"node {node.name!r} comes before one of its inputs, or has the name of another")
        known.add(node.name)
        for one in reversed(node.inputs if any(node.inputs) else ()):
            yield f"{indent}push {'0' if one is None else f'$N_{one}'}"
        yield f"{indent}{node.kind} {{"
        yield f"{indent} inputs {len(node.inputs)}"
        for knob in node.user_knobs:
            yield f"{indent} addUserKnob {_user_knob(knob)}"
            if knob.value is not None:
                yield f"{indent} {knob.name} {_value(knob.value)}"
        for name, value in node.knobs.items():
            yield f"{indent} {name} {_value(value)}"
        yield f"{indent} name {node.name}"
        yield f"{indent}}}"
        if node.children:
            yield from _lines(node.children, f"{indent} ")
            yield f"{indent}end_group"
        if node.name in feeding:
            yield f"{indent}set N_{node.name} [stack 0]"


def _user_knob(knob: UserKnob) -> str:
    words = [str(knob.kind), knob.name, "l", _text(knob.label)]
    if knob.tip:
        words += ["t", _text(knob.tip)]
    if knob.beside:
        words.append("-STARTLINE")
    elif knob.kind in (CHECK, BUTTON):
        words.append("+STARTLINE")
    if knob.text:
        words += ["T", _text(knob.text)]
    if knob.choices:
        words += ["M", "{" + " ".join(map(_text, knob.choices)) + "}"]
    if knob.limits:
        words += ["R", *(f"{limit:g}" for limit in knob.limits)]
    return "{" + " ".join(words) + "}"


def _value(value: Value) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"{value:g}" if isinstance(value, float) else str(value)
        case str():
            return _text(value)
        case Expression(text):
            return "{{" + _expression(text) + "}}"
        case Lines(commands):
            inside = "".join(f"\n  {{{' '.join(map(_text, words))}}}" for words in commands)
            return "{" + inside + "\n }"
        case _:
            parts = (f"{{{_expression(one.text)}}}" if isinstance(one, Expression) else f"{one:g}" for one in value)
            return "{" + " ".join(parts) + "}"


def _text(text: str) -> str:
    """A word as it is, anything else in quotes, in which Tcl computes nothing now (a knob may later)."""
    if _WORD.fullmatch(text):
        return text
    escaped = re.sub(r'([\\"\[$])', r"\\\1", text).replace("\n", "\\n")
    return f'"{escaped}"'


def _expression(text: str) -> str:
    return text if re.fullmatch(r"[\w.]+", text) else _text(text)
