"""The nouns of phrases, as the nouns stage found them."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.cache import Cache

HEAD_ROLE = 0


@dataclass(frozen=True)
class Mention:
    """A noun of a phrase, and 0 if it is the head or 1 if it is context."""

    noun: str
    role: int


def read_mentions(path: Path) -> dict[str, list[Mention]]:
    """Return the nouns of every phrase that the nouns stage has seen, head first.

    Raises:
        CacheError: the cache is missing, damaged or foreign.
    """
    cache = Cache(path, stage="nouns")
    names, offsets = cache.texts("noun"), cache.array("offsets").tolist()
    flat = [
        Mention(names[index], int(role))
        for index, role in zip(cache.array("noun_index"), cache.array("noun_role"), strict=True)
    ]
    phrases = enumerate(cache.texts("phrase"))
    return {phrase: flat[offsets[index] : offsets[index + 1]] for index, phrase in phrases}
