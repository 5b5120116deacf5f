"""The nouns of WordNet 3.0: their senses, hypernyms and hyponyms, and similarity of senses.

The database files are read as Princeton distributes them (format: the manual page wndb(5WN));
Debian's package `wordnet-base` puts them into /usr/share/wordnet. A sense is named by its offset in
`data.noun`, which is also the number in a wnid of ImageNet.
"""

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from models.given_files.impostors import impostor_of
from models.given_files.safe_load import ModelFileError

HYPERNYM, HYPONYM = "@", "~"  # pointer symbols; those of instances (`@i`, `~i`) are not followed


@dataclass(frozen=True)
class Synset:
    """One sense.

    Attributes:
        hypernyms: offsets of the more general senses one step up.
        hyponyms: offsets of the more special senses one step down.
    """

    hypernyms: tuple[int, ...]
    hyponyms: tuple[int, ...]


class WordNet:
    """The noun part of the database.

    Attributes:
        synsets: by offset.
        senses: offsets for each word or compound, the most frequent sense first; lower case, with
            blanks between the parts of a compound.
    """

    def __init__(self, synsets: dict[int, Synset], senses: dict[str, tuple[int, ...]]) -> None:
        self.synsets = synsets
        self.senses = senses
        self.closure = cache(self._closure)
        self.above = cache(self._above)

    def _closure(self, offset: int) -> frozenset[int]:
        """Return a sense and all its direct and indirect hyponyms."""
        below = (self.closure(hyponym) for hyponym in self.synsets[offset].hyponyms)
        return frozenset({offset}).union(*below)

    def _above(self, offset: int) -> frozenset[int]:
        """Return a sense and all its direct and indirect hypernyms."""
        above = (self.above(hypernym) for hypernym in self.synsets[offset].hypernyms)
        return frozenset({offset}).union(*above)

    def information(self, offset: int) -> float:
        """Return the information content of a sense, in [0, 1]: 1 for a leaf, 0 for the root.

        Intrinsic information content: 1 - log(kinds) / log(senses) (Seco et al. 2004, "An intrinsic
        information content metric for semantic similarity in WordNet", equation 2).
        """
        return 1 - math.log(len(self.closure(offset))) / math.log(len(self.synsets))

    def similarity(self, first: int, second: int, subsumer: int) -> float:
        """Return Lin's similarity, in [0, 1], of two senses that are kinds of a third.

        2 I(subsumer) / (I(first) + I(second)) with the information content I (Lin 1998, "An
        information-theoretic definition of similarity", equation 5).
        """
        return 2 * self.information(subsumer) / (self.information(first) + self.information(second))


def read_wordnet(folder: Path) -> WordNet:
    """Return the nouns of a database folder, which holds `data.noun` and `index.noun`.

    Raises:
        ModelFileError: a file is missing, cut off, or is not of this format.
    """
    try:
        for name in ("data.noun", "index.noun"):
            what = impostor_of(folder / name)
            if what:
                raise ModelFileError(f"{folder / name}: holds no nouns of WordNet: it is {what}")
        synsets = dict(_synset(line) for line in _lines(folder / "data.noun"))
        senses = dict(_senses(line) for line in _lines(folder / "index.noun"))
    except (OSError, ValueError, IndexError) as error:
        raise ModelFileError(f"{folder}: holds no nouns of WordNet: {error}") from error
    named = {offset for offsets in senses.values() for offset in offsets}
    named.update(*(synset.hypernyms + synset.hyponyms for synset in synsets.values()))
    if absent := named - synsets.keys():
        raise ModelFileError(
            f"{folder / 'data.noun'}: lacks {len(absent)} senses that it or index.noun names, such "
            f"as {min(absent):08d}: it is cut off, or of another version than index.noun"
        )
    return WordNet(synsets, senses)


def add_folder_argument(parser: argparse.ArgumentParser) -> None:
    """Let a program be told the folder of WordNet's files; `wordnet` of what it reads."""
    parser.add_argument(
        "wordnet",
        type=Path,
        nargs="?",
        default=Path("/usr/share/wordnet"),
        help="folder of WordNet's files; default: %(default)s",
    )


def _lines(file: Path) -> Iterator[str]:
    """Yield the entries; the licence before them is indented."""
    with file.open(encoding="utf-8-sig", newline="\n") as stream:
        yield from (line for line in stream if not line.startswith("  "))


def _synset(line: str) -> tuple[int, Synset]:
    """Read `offset lex_filenum ss_type w_cnt word lex_id ... p_cnt symbol offset pos target ..`."""
    fields = line.partition("|")[0].split()
    start = 4 + 2 * int(fields[3], 16)
    pointers = [fields[start + 1 + 4 * number :][:3] for number in range(int(fields[start]))]
    hypernyms, hyponyms = (
        tuple(int(to) for symbol, to, part in pointers if (symbol, part) == (relation, "n"))
        for relation in (HYPERNYM, HYPONYM)
    )
    return int(fields[0]), Synset(hypernyms, hyponyms)


def _senses(line: str) -> tuple[str, tuple[int, ...]]:
    """Read `lemma pos synset_cnt p_cnt symbol ... sense_cnt tagsense_cnt offset ...`."""
    fields = line.split()
    offsets = fields[-int(fields[2]) :]
    return fields[0].replace("_", " "), tuple(int(offset) for offset in offsets)
