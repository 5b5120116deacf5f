"""Which nouns name somebody, what one wears, or a part of the body: a table made from WordNet.

`noun_kinds.tsv` has a line per noun: noun, kind. It is made by `make_noun_kinds_table.py`, from
WordNet (c) Princeton University: see `WORDNET_LICENSE`.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal, cast, get_args

Kind = Literal["being", "worn", "body"]
KINDS: tuple[Kind, ...] = get_args(Kind)
TABLE = Path(__file__).with_name("noun_kinds.tsv")


@cache
def noun_kinds() -> Mapping[str, Kind]:
    """Return the table: noun -> kind, for every noun of one word that is of some kind."""
    rows = (line.split("\t") for line in TABLE.read_text(encoding="utf-8").splitlines())
    return {noun: cast("Kind", kind) for noun, kind in rows}


def kind_of(noun: str) -> Kind | None:
    """Return what kind of thing a noun names, None for any other thing.

    Args:
        noun: singular and lower case; one that has no singular in English may lack its "s"
            ("short" for "shorts").
    """
    table = noun_kinds()
    return table.get(noun) or table.get(f"{noun}s")
