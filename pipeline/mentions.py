"""What the nouns stage found out about phrases: nouns, number, place."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress, pairwise
from pathlib import Path

from models.phrases.place_words import CUES, RELATIONS, SIDES
from models.phrases.places import Anchor, Place
from pipeline.caching.cache import Cache, damage_as_cache_error
from pipeline.errors import InputError
from pipeline.records import ImageRecord, PhraseRecord

HEAD_ROLE = 0


@dataclass(frozen=True)
class Mention:
    """A noun of a phrase, and 0 if it is the head or 1 if it is context."""

    noun: str
    role: int


@dataclass(frozen=True)
class PhraseFacts:
    """What is known of a phrase's text.

    Attributes:
        mentions: its nouns, head first.
        is_plural: whether it means several things.
        has_direction: whether a word of place, order or relation such as "left" stands in it.
        place: where it says that its thing is.
        subject: its words that describe the thing itself.
    """

    mentions: tuple[Mention, ...]
    is_plural: bool
    has_direction: bool
    place: Place
    subject: str

    @property
    def head(self) -> str | None:
        """The head noun; None if there is none."""
        return next((item.noun for item in self.mentions if item.role == HEAD_ROLE), None)

    @property
    def is_plain(self) -> bool:
        """Whether it says no more of its thing than the head noun."""
        return self.head is not None and len(self.subject.split()) <= len(self.head.split())

    @property
    def anchor(self) -> str | None:
        """The noun that the phrase's relation leads to; None if there is none."""
        return self.place.anchor.noun if self.place.anchor else None

    @property
    def nouns(self) -> set[str]:
        """Its distinct nouns."""
        return {item.noun for item in self.mentions}


def read_phrase_facts(path: Path) -> dict[str, PhraseFacts]:
    """Return the facts of every phrase that the nouns stage has seen, by text.

    Args:
        path: the cache `nouns.h5`.

    Raises:
        CacheError: the cache is missing, damaged or foreign.
    """
    cache = Cache(path, stage="nouns")
    with damage_as_cache_error(path):
        return _phrase_facts(cache)


def _phrase_facts(cache: Cache) -> dict[str, PhraseFacts]:
    nouns, offsets = cache.texts("noun"), cache.array("offsets").tolist()
    mentions = [
        Mention(nouns[index], int(role))
        for index, role in zip(cache.array("noun_index"), cache.array("noun_role"), strict=True)
    ]
    spans = [slice(*bounds) for bounds in pairwise(offsets)]
    plural, direction = cache.array("is_plural").tolist(), cache.array("has_direction").tolist()
    places, subjects = _read_places(cache, nouns), cache.texts("subject")
    columns = zip(spans, plural, direction, places, subjects, strict=True)
    return {
        phrase: PhraseFacts(tuple(mentions[span]), *rest)
        for phrase, (span, *rest) in zip(cache.texts("phrase"), columns, strict=True)
    }


def _read_places(cache: Cache, nouns: Sequence[str]) -> Iterator[Place]:
    """Yield where each phrase says that its thing is."""
    names = ("place_cues", "place_rank", "place_side", "relation", "anchor_index", "anchor_span")
    for cues, rank, side, relation, anchor, span in zip(
        *(cache.array(name).tolist() for name in names), strict=True
    ):
        yield Place(
            frozenset(compress(CUES, cues)),
            rank,
            SIDES[side] if side >= 0 else "",
            RELATIONS[relation] if relation >= 0 else "",
            Anchor(nouns[anchor], tuple(span)) if anchor >= 0 else None,
        )


def nouns_of_images(
    facts: Mapping[str, PhraseFacts],
    images: Sequence[ImageRecord],
    phrases: Sequence[PhraseRecord],
) -> list[set[str]]:
    """Return the nouns in the phrases of each image, in the order of `images`.

    Args:
        facts: by text, of every phrase.
        images: some of the images that the phrases belong to.
        phrases: of these images and perhaps others.

    Raises:
        InputError: the nouns stage has not seen a phrase.
    """
    nouns: dict[str, set[str]] = {image.image_id: set() for image in images}
    for record in phrases:
        if record.phrase not in facts:
            raise InputError(
                f"nouns.h5: has no phrase {record.phrase!r}; `dvc repro nouns` makes it anew"
            )
        if record.image_id in nouns:
            nouns[record.image_id] |= facts[record.phrase].nouns
    return list(nouns.values())
