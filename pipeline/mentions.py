"""The nouns of phrases, as the nouns stage found them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.caching.cache import Cache
from pipeline.errors import InputError
from pipeline.records import ImageRecord, PhraseRecord

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


def read_plurals(path: Path) -> dict[str, bool]:
    """Say of every phrase that the nouns stage has seen whether it speaks of several things.

    Raises:
        CacheError: the cache is missing, damaged or foreign.
    """
    cache = Cache(path, stage="nouns")
    return dict(zip(cache.texts("phrase"), cache.array("is_plural").tolist(), strict=True))


def nouns_of_images(
    mentions: Mapping[str, Sequence[Mention]],
    images: Sequence[ImageRecord],
    phrases: Sequence[PhraseRecord],
) -> list[set[str]]:
    """Return the nouns in the phrases of each image, in the order of `images`.

    Raises:
        InputError: the nouns stage has not seen a phrase.
    """
    nouns: dict[str, set[str]] = {image.image_id: set() for image in images}
    for record in phrases:
        if record.phrase not in mentions:
            raise InputError(
                f"nouns.h5: has no phrase {record.phrase!r}; `dvc repro nouns` makes it anew"
            )
        if record.image_id in nouns:
            nouns[record.image_id] |= {mention.noun for mention in mentions[record.phrase]}
    return list(nouns.values())
