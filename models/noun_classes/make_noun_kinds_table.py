"""Make `noun_kinds.tsv`: `python -m models.noun_classes.make_noun_kinds_table [WORDNET]`.

WORDNET is the folder of WordNet 3.0.

A noun names a being if its first sense is a kind of person, people or animal. Else it names a part
of the body if its first sense is one, and something worn if one of its first three senses is a kind
of clothing or a part of the body: a helmet is first of all armour, a trunk a part of a tree.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence

from models.noun_classes.noun_kinds import KINDS, TABLE, Kind
from models.noun_classes.wordnet import WordNet, add_folder_argument, read_wordnet

ROOTS: Mapping[Kind, Sequence[tuple[str, int]]] = {  # words and the number of their sense
    "being": [("person", 1), ("people", 1), ("social group", 1), ("animal", 1)],
    "body": [("body part", 1)],
    "worn": [
        *[("clothing", 1), ("garment", 1), ("footwear", 1), ("footwear", 2), ("headdress", 1)],
        *[("neckwear", 1), ("headband", 1), ("spectacles", 1), ("jewelry", 1), ("helmet", 2)],
    ],
}
SENSES_WORN = 3


def build_table(
    wordnet: WordNet, roots: Mapping[Kind, Sequence[tuple[str, int]]]
) -> dict[str, Kind]:
    """Return the kind of every noun of one word that has some, in alphabetical order.

    Args:
        wordnet: of version 3.0.
        roots: words of each kind, with the number of the sense meant, counted from 1.
    """
    below = {
        kind: frozenset[int]().union(
            *(wordnet.closure(wordnet.senses[word][number - 1]) for word, number in words)
        )
        for kind, words in roots.items()
    }
    table: dict[str, Kind] = {}
    for noun, senses in sorted(wordnet.senses.items()):
        if not noun.replace("-", "").isalpha():
            continue
        if senses[0] in below["being"]:
            table[noun] = "being"
        elif senses[0] in below["body"]:
            table[noun] = "body"
        elif (below["worn"] | below["body"]).intersection(senses[:SENSES_WORN]):
            table[noun] = "worn"
    return table


def main() -> None:
    """Write the table and print the number of nouns of each kind."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add_folder_argument(parser)
    table = build_table(read_wordnet(parser.parse_args().wordnet), ROOTS)
    TABLE.write_text("".join(f"{noun}\t{kind}\n" for noun, kind in table.items()), encoding="utf-8")
    counts = ", ".join(f"{[*table.values()].count(kind)} {kind}" for kind in KINDS)
    sys.stdout.write(f"{len(table)} nouns: {counts}\n")


if __name__ == "__main__":
    main()
