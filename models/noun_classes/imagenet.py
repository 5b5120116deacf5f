"""Which of ImageNet's 1,000 classes a noun means: a table made from WordNet.

`imagenet_nouns.tsv` has a line per noun: noun, route, classes (`151-268 273`). It is made by
`make_imagenet_table.py`, from WordNet (c) Princeton University: see `WORDNET_LICENSE`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, cast

from models.phrases.lemmas import lemmatise

TABLE = Path(__file__).with_name("imagenet_nouns.tsv")
Route = Literal[
    "first_sense", "later_sense", "hypernym", "exception", "name", "label", "trained", "prompt"
]


@dataclass(frozen=True)
class NounClasses:
    """The classes that a noun means.

    Attributes:
        classes: indices, ascending, at least one.
        route: how the noun was mapped to them: by its `first_sense` or a `later_sense` in WordNet,
            by the `hypernym` of its first sense, by a hand-made `exception`, by the `name` of a
            class, by a `label` of a detector, an output `trained` for the noun itself, or by a
            `prompt`.
    """

    classes: tuple[int, ...]
    route: Route


@cache
def imagenet_nouns() -> Mapping[str, NounClasses]:
    """Return the table: noun -> classes, for every noun that means a class of ImageNet."""
    rows = (line.split("\t") for line in TABLE.read_text(encoding="utf-8").splitlines())
    return {noun: NounClasses(_indices(runs), cast("Route", route)) for noun, route, runs in rows}


def imagenet_classes_of(noun: str) -> NounClasses | None:
    """Return the classes that a noun means, or None; a plural counts as its singular.

    Args:
        noun: lower case, a word or several with blanks between; only the last one is put into the
            singular.
    """
    table = imagenet_nouns()
    first, blank, last = noun.rpartition(" ")
    return table.get(noun) or table.get(f"{first}{blank}{lemmatise(last)}")


def format_row(noun: str, entry: NounClasses) -> str:
    """Return a line of the table, as `imagenet_nouns` reads it."""
    runs: list[list[int]] = []
    for index in entry.classes:
        if runs and index == runs[-1][1] + 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    texts = [str(first) if first == last else f"{first}-{last}" for first, last in runs]
    return f"{noun}\t{entry.route}\t{' '.join(texts)}\n"


def _indices(runs: str) -> tuple[int, ...]:
    ends = [run.partition("-") for run in runs.split()]
    return tuple(
        index for first, _, last in ends for index in range(int(first), int(last or first) + 1)
    )
