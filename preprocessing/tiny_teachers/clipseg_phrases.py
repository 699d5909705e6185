"""Phrases for the tiny CLIPSeg: true ones, nearly true ones, and words that it does not know."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from samnerf.preprocessing.synthetic.scene import COLOURS, MATERIALS, SHAPES, NamedObject
from samnerf.teachers.phrase_tokens import phrase_codes

ATTRIBUTES = {"colour": tuple(COLOURS), "material": MATERIALS, "shape": SHAPES}
"""Attribute -> its words, in the order of the classes that the auxiliary loss tells apart (0 is the background)."""
SYNONYMS = {
    "sphere": ("ball",),
    "cube": ("box", "block"),
    "torus": ("ring", "donut"),
    "capsule": ("pill",),
    "striped": ("stripy",),
    "checkered": ("chequered", "checked"),
    "plain": ("solid",),
}
NOUNS = ("thing", "object", "one")
OPENINGS = ("", "", "", "", "a ", "the ", "a photo of a ")
FOREIGN = ("table", "zebra", "window", "happy", "small", "shiny", "large", "wooden", "dog", "left", "nice", "car")
"""Words that the network sees and must learn to ignore; their embedding stays zero, like that of all others."""

SYNONYM_CHANCE = 0.12
SWAP_CHANCE = 0.15
FOREIGN_CHANCE = 0.08
KIND_CHANCES = {"name": 0.42, "near miss": 0.24, "part": 0.2, "any": 0.1, "everything": 0.02, "foreign": 0.02}


@dataclass(frozen=True)
class Description:
    """The attributes that an object must have; None does not matter, and a description of nothing fits nothing."""

    colour: str | None = None
    material: str | None = None
    shape: str | None = None
    nothing: bool = False

    def fits(self, thing: NamedObject) -> bool:
        """Whether the object has every attribute that is named."""
        named = {attribute: getattr(self, attribute) for attribute in ATTRIBUTES}
        return not self.nothing and all(
            word is None or getattr(thing, attribute) == word for attribute, word in named.items()
        )

    def phrase(self, random: np.random.Generator) -> str:
        """The description in words, said in one of many ways."""
        adjectives = [word for word in (self.material, self.colour) if word]
        if random.random() < SWAP_CHANCE:
            adjectives.reverse()
        words = [_said(word, random) for word in adjectives]
        if self.shape:
            words.append(_said(self.shape, random))
        elif not words or random.random() < 0.5:
            words.append(str(random.choice(NOUNS if not self.nothing else FOREIGN)))
        if self.nothing or random.random() < FOREIGN_CHANCE:
            words.insert(0, str(random.choice(FOREIGN)))
        return str(random.choice(OPENINGS)) + " ".join(words)


def full_name(thing: NamedObject) -> Description:
    """All three attributes of an object."""
    return Description(thing.colour, thing.material, thing.shape)


def drawn_description(kind: str, things: Sequence[NamedObject], random: np.random.Generator) -> Description:
    """A description of one kind for an image that shows these things.

    Args:
        kind: "name" (all attributes of a thing), "near miss" (a name with one attribute changed that fits
            nothing in the image), "part" (some attributes of a thing), "any" (of anything, here or not),
            "everything" or "foreign" (no attribute at all, every thing or none).
        things: at least one for the first three kinds; without one they become "any".
        random: source of randomness.
    """
    if kind == "everything":
        return Description()
    if kind == "foreign":
        return Description(nothing=True)
    if kind == "any" or not things:
        colour, material, shape = (str(random.choice(words)) for words in ATTRIBUTES.values())
        return _part(Description(colour, material, shape), random)
    name = full_name(things[int(random.integers(len(things)))])
    if kind == "part":
        return _part(name, random)
    return near_miss(name, things, random) if kind == "near miss" else name


def near_miss(name: Description, things: Sequence[NamedObject], random: np.random.Generator) -> Description:
    """A name that differs in one attribute and fits none of the things."""
    while True:
        attribute = str(random.choice(list(ATTRIBUTES)))
        changed: dict[str, Any] = {attribute: str(random.choice(ATTRIBUTES[attribute]))}
        other = replace(name, **changed)
        if not any(other.fits(thing) for thing in things):
            return other


def known_codes() -> list[int]:
    """Codes of every word that training teaches, with the marks of start and end."""
    words = {*NOUNS, "a", "the", "a photo of a"}
    words |= {word for attribute in ATTRIBUTES.values() for word in attribute}
    words |= {word for synonyms in SYNONYMS.values() for word in synonyms}
    return sorted({code for word in words for code in phrase_codes(word)})


def _part(name: Description, random: np.random.Generator) -> Description:
    attributes = list(ATTRIBUTES)
    dropped = random.choice(attributes, size=int(random.integers(1, len(attributes))), replace=False)
    return replace(name, **{str(attribute): None for attribute in dropped})


def _said(word: str, random: np.random.Generator) -> str:
    if word in SYNONYMS and random.random() < SYNONYM_CHANCE:
        return str(random.choice(SYNONYMS[word]))
    return word
