"""The words of the drawn data set: classes, colours, sizes, textures, tagged words."""

from dataclasses import dataclass
from typing import NamedTuple

CLASSES: tuple[str, ...] = (
    "cup",
    "lamp",
    "ring",
    "star",
    "arrow",
    "book",
    "house",
    "tree",
    "heart",
    "moon",
    "fish",
    "umbrella",
    "flower",
    "mushroom",
    "crown",
    "bell",
)

PLURALS = {"fish": "fish"}  # all others take an s
SYNONYMS = {
    "cup": "mug",
    "lamp": "lantern",
    "ring": "hoop",
    "book": "notebook",
    "house": "cottage",
    "tree": "pine",
    "moon": "crescent",
    "umbrella": "parasol",
    "flower": "blossom",
    "mushroom": "toadstool",
}
HYPERNYMS = ("thing", "object", "one", "item")

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (205, 38, 36),
    "green": (44, 150, 58),
    "blue": (42, 82, 205),
    "yellow": (238, 208, 40),
    "purple": (138, 52, 168),
    "orange": (240, 130, 24),
    "white": (240, 240, 236),
    "black": (38, 38, 42),
}
TEXTURES = ("plain", "striped", "dotted")
SIZES = ("small", "medium", "large")  # medium is never named in a phrase
SIZES_PX = {"small": (26, 29), "medium": (34, 38), "large": (46, 59)}  # longer side, at 192 px


@dataclass(frozen=True)
class Attributes:
    """Attributes of one object.

    Attributes:
        colour: a key of `COLOURS`.
        texture: one of `TEXTURES`.
        size_name: one of `SIZES`.
    """

    colour: str
    texture: str
    size_name: str


class TaggedWord(NamedTuple):
    """A word with its Universal Dependencies part of speech, for the training of a tagger.

    `feats` is CoNLL-U's column: `Number=Sing`, pairs joined by `|`, or `_`.
    """

    text: str
    upos: str
    xpos: str
    feats: str


def plural(noun: str) -> str:
    """Return the plural of a noun of this vocabulary."""
    return PLURALS.get(noun, noun + "s")
