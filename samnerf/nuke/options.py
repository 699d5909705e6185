"""Options of a model: a frozen dataclass here, knobs in Nuke, and lists of named values between them.

Each request brings all options of its model, is held against the dataclass, and gives an object of its own: nothing is
remembered from one request to the next. Field names become names of knobs.
"""

import math
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from samnerf.errors import SamNerfError

KNOBS_OF_THE_CLIENT = ("host", "port", "connect", "models", "serialiseKnob")
"""Names that no option may have; nor may a default hold `;`, `{` or `}`, which would break a saved script."""
MOST_CHARACTERS = 4096
_LISTS = {bool: "bool_options", int: "int_options", float: "float_options", str: "string_options"}
_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
Options = TypeVar("Options")


@dataclass(frozen=True)
class NoOptions:
    """Of a model that has none."""


def option(
    default: Any, least: int | float = -math.inf, most: int | float = math.inf, choices: tuple[str, ...] = ()
) -> Any:
    """A field of a dataclass of options.

    Args:
        default: true or false, a whole number, a number or text; its type is that of the option.
        least, most: of numbers, both included.
        choices: texts that are understood; none means any.
    """
    if type(default) not in _LISTS:
        raise TypeError(f"an option is {default!r} but must be one of {', '.join(kind.__name__ for kind in _LISTS)}")
    return field(default=default, metadata={"least": least, "most": most, "choices": choices})


def write_options(options: Any, model: Any) -> None:
    """Add an object of options to a `Model` message: the defaults in a description, what was chosen in a request."""
    for one in fields(options):
        value = getattr(options, one.name)
        getattr(model, _LISTS[type(one.default)]).add(name=one.name, values=[value])


def read_options(kind: type[Options], model: Any) -> Options:
    """The options in a `Model` message that came from outside; those that it leaves out have their defaults.

    Raises:
        SamNerfError: naming the option that is unknown, doubled, of another type or out of range, and what would be
            right.
    """
    known: dict[str, Any] = {one.name: one for one in fields(kind)}  # pyright: ignore[reportArgumentType]
    chosen: dict[str, Any] = {}
    given = [(kind_of, one) for kind_of, name in _LISTS.items() for one in getattr(model, name)]
    unknown = [one.name for one in (*model.button_options, *model.mc_options)]
    unknown += [one.name for _, one in given if one.name not in known]
    if unknown:
        raise SamNerfError(f"there is no option {unknown[0]!r}; there is {', '.join(known) or 'none'}")
    for kind_of, one in given:
        if one.name in chosen:
            raise SamNerfError(f"the option {one.name!r} is given twice")
        wanted = known[one.name]
        if kind_of is not type(wanted.default):
            raise SamNerfError(
                f"the option {one.name!r} is {_KINDS[kind_of]} but must be {_KINDS[type(wanted.default)]}"
            )
        if len(one.values) != 1:
            raise SamNerfError(f"the option {one.name!r} has {len(one.values)} values but must have one")
        chosen[one.name] = _checked(wanted, one.values[0])
    return kind(**chosen)


def _checked(wanted: Any, value: Any) -> Any:
    limits = wanted.metadata
    if isinstance(value, str):
        if limits["choices"] and value not in limits["choices"]:
            raise SamNerfError(
                f"the option {wanted.name!r} is {value!r} but must be one of {', '.join(limits['choices'])}"
            )
        if len(value) > MOST_CHARACTERS:
            raise SamNerfError(
                f"the option {wanted.name!r} has {len(value)} characters but at most {MOST_CHARACTERS} are taken"
            )
    elif not limits["least"] <= value <= limits["most"]:  # also false for what is no number
        raise SamNerfError(
            f"the option {wanted.name!r} is {value:g} but must lie between {limits['least']:g} and {limits['most']:g}"
        )
    return value
