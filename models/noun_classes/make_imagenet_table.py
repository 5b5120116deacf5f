"""Make `imagenet_nouns.tsv`: `python -m models.noun_classes.make_imagenet_table [WORDNET]`.

WORDNET is the folder of WordNet 3.0.

A noun means the classes that are kinds of its first sense that has any (hyponym closure within the
1,000 wnids). Where no sense has any, the direct hypernyms of the first sense are tried, and only
those whose classes are similar to the noun: the hypernym of "skateboard" is "board", of which
ImageNet has scoreboards alone. Nouns for which this is wrong are listed, with the reason, in
`imagenet_exceptions.tsv`: noun, wnid of the sense to take or `none`, reason.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from statistics import fmean

from models.noun_classes.imagenet import TABLE, NounClasses, format_row
from models.noun_classes.wordnet import WordNet, add_folder_argument, read_wordnet

EXCEPTIONS = Path(__file__).with_name("imagenet_exceptions.tsv")
NONE = "none"
LEAST_SIMILARITY = (
    0.8  # Lin's similarity, mean over the classes; "kayak" by canoe 0.92, "flag" by totem 0.75
)


class NounTable:
    """WordNet and the wnids of the classes, to look up the classes of nouns."""

    def __init__(self, wordnet: WordNet, wnids: Sequence[str]) -> None:
        """Take WordNet and the wnids of the classes, in the order of the classes."""
        self._wordnet = wordnet
        self._index = {_offset(wnid): index for index, wnid in enumerate(wnids)}

    def classes_below(self, offset: int) -> tuple[int, ...]:
        """Return the indices of the classes that are a sense or a kind of it, ascending."""
        below = self._wordnet.closure(offset) & self._index.keys()
        return tuple(sorted(self._index[kind] for kind in below))

    def find(self, noun: str) -> NounClasses | None:
        """Return the classes of a noun by its senses, or by what its first sense is a kind of."""
        senses = self._wordnet.senses[noun]
        for sense in senses:
            if classes := self.classes_below(sense):
                return NounClasses(classes, "first_sense" if sense == senses[0] else "later_sense")
        return self._by_hypernym(senses[0])

    def _by_hypernym(self, sense: int) -> NounClasses | None:
        """Return the classes of the most similar hypernym, if it is similar enough."""
        likest = max(
            ((self._likeness(sense, above), above) for above in self._hypernyms(sense)),
            default=(0.0, sense),
        )
        if likest[0] < LEAST_SIMILARITY:
            return None
        return NounClasses(self.classes_below(likest[1]), "hypernym")

    def _hypernyms(self, sense: int) -> Iterator[int]:
        above = self._wordnet.synsets[sense].hypernyms
        return (offset for offset in above if self.classes_below(offset))

    def _likeness(self, sense: int, above: int) -> float:
        """Return the mean similarity of a sense to the classes of its hypernym."""
        below = self._wordnet.closure(above) & self._index.keys()
        return fmean(self._wordnet.similarity(sense, kind, above) for kind in below)


def build_table(
    wordnet: WordNet, wnids: Sequence[str], exceptions: Mapping[str, str]
) -> dict[str, NounClasses]:
    """Return the classes of every noun that means some, in alphabetical order.

    Args:
        wordnet: of version 3.0.
        wnids: of the classes, in order.
        exceptions: noun -> wnid of the sense to take, or `none`.
    """
    table = NounTable(wordnet, wnids)
    by_noun = {noun: table.find(noun) for noun in wordnet.senses}
    for noun, wnid in exceptions.items():
        classes = () if wnid == NONE else table.classes_below(_offset(wnid))
        by_noun[noun] = NounClasses(classes, "exception") if classes else None
    return {noun: classes for noun, classes in sorted(by_noun.items()) if classes}


def read_exceptions() -> dict[str, str]:
    """Return the exceptions: noun -> wnid or `none`."""
    rows = (line.split("\t") for line in EXCEPTIONS.read_text(encoding="utf-8").splitlines())
    return {noun: wnid for noun, wnid, _ in rows}


def imagenet_wnids() -> list[str]:
    """Return the wnids of the 1,000 classes in the order of every ImageNet classifier."""
    return (
        (files("timm") / "data" / "_info" / "imagenet_synsets.txt")
        .read_text(encoding="utf-8")
        .split()
    )


def _offset(wnid: str) -> int:
    return int(wnid.removeprefix("n"))


def main() -> None:
    """Write the table and print the number of nouns of each route."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add_folder_argument(parser)
    folder = parser.parse_args().wordnet
    table = build_table(read_wordnet(folder), imagenet_wnids(), read_exceptions())
    TABLE.write_text("".join(format_row(*row) for row in table.items()), encoding="utf-8")
    routes = [entry.route for entry in table.values()]
    counts = ", ".join(f"{routes.count(route)} {route}" for route in sorted(set(routes)))
    sys.stdout.write(f"{len(table)} nouns: {counts}\n")


if __name__ == "__main__":
    main()
