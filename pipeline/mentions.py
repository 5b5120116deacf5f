"""What the nouns stage found out about phrases: nouns, number, place."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.phrases.place_words import CUES, RELATIONS, SIDES
from models.phrases.places import Anchor, Place
from pipeline.caching.cache import Cache, damage_as_cache_error
from pipeline.caching.runs import check_runs
from pipeline.errors import InputError
from pipeline.records import ImageRecord, PhraseRecord
from pipeline.text_index import HashedTexts, TextIndex

HEAD_ROLE = 0
_KEPT = 1 << 14  # phrases whose facts are kept once made: the frequent ones
_ARRAYS = (
    "offsets",
    "noun_index",
    "noun_role",
    "is_plural",
    "has_direction",
    "place_cues",
    "place_rank",
    "place_side",
    "relation",
    "anchor_index",
    "anchor_span",
)


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


class PhraseFactsTable(Mapping[str, PhraseFacts]):
    """The facts of every phrase that the nouns stage has seen, by text, as a map of its cache.

    The facts of a phrase are made when they are asked for; in memory are 12 bytes a phrase, and the
    distinct nouns.
    """

    def __init__(self, path: Path) -> None:
        """Open `nouns.h5`.

        Raises:
            CacheError: the cache is missing, damaged or foreign.
        """
        cache = Cache(path, stage="nouns")
        self._path = path
        self._nouns = cache.texts("noun")
        self._phrases, self._subjects = cache.packed_texts("phrase"), cache.packed_texts("subject")
        self._arrays = {name: cache.mapped(name) for name in _ARRAYS}
        cache.close()
        with damage_as_cache_error(path):
            self._index = TextIndex(self._phrases)
            self._check()
        self._recent = lru_cache(_KEPT)(self.facts)

    def _check(self) -> None:
        """Check that all arrays are of these phrases, and that numbers count in their lists.

        Raises:
            ValueError: they are not, or do not.
        """
        num_nouns, num_mentions = len(self._nouns), len(self._arrays["noun_index"])
        check_runs(self._arrays["offsets"], num_mentions)
        sizes = {"offsets": len(self) + 1, "noun_index": num_mentions, "noun_role": num_mentions}
        for name, column in self._arrays.items():
            if len(column) != sizes.get(name, len(self)):
                raise ValueError(f"`{name}` is of {len(column)} phrases or nouns, not of all")
        counts = {"noun_role": 2, "noun_index": num_nouns, "anchor_index": num_nouns}
        counts |= {"place_side": len(SIDES), "relation": len(RELATIONS)}
        for name, count in counts.items():
            column, least = self._arrays[name], 0 if name.startswith("noun") else -1
            if len(column) and not least <= int(column.min()) <= int(column.max()) < count:
                raise ValueError(f"`{name}` counts beyond its {count} entries")

    def __len__(self) -> int:
        return len(self._phrases)

    def __iter__(self) -> Iterator[str]:
        return iter(self._phrases)

    def __getitem__(self, phrase: str) -> PhraseFacts:
        row = self._index.find(phrase)
        if row is None:
            raise KeyError(phrase)
        return self._recent(row)

    def rows(self, texts: HashedTexts) -> NDArray[np.int64]:
        """Return the row of each of some phrases, -1 for one not seen; see `TextIndex.find_all`."""
        return self._index.find_all(texts)

    def phrase(self, row: int) -> str:
        """Return the text of a row."""
        return self._phrases[row]

    def facts(self, row: int) -> PhraseFacts:
        """Return what is known of the phrase of a row."""
        start, stop = self._arrays["offsets"][row : row + 2].tolist()
        indices = self._arrays["noun_index"][start:stop].tolist()
        roles = self._arrays["noun_role"][start:stop].tolist()
        return PhraseFacts(
            tuple(
                Mention(self._nouns[index], role)
                for index, role in zip(indices, roles, strict=True)
            ),
            bool(self._arrays["is_plural"][row]),
            bool(self._arrays["has_direction"][row]),
            self._place(row),
            self._subjects[row],
        )

    def compared_nouns(self, rows: NDArray[np.int64]) -> set[str]:
        """Return the head nouns and anchors of the phrases of some rows."""
        is_asked = np.zeros(len(self), np.bool_)
        is_asked[rows] = True
        anchors = self._arrays["anchor_index"][is_asked]
        counts = np.diff(self._arrays["offsets"])
        heads = np.flatnonzero(self._arrays["noun_role"] == HEAD_ROLE)  # among the mentions
        owners = np.repeat(np.arange(len(self)), counts)[heads]
        owners, first = np.unique(owners, return_index=True)
        heads = self._arrays["noun_index"][heads[first[is_asked[owners]]]]
        return {self._nouns[index] for index in {*heads.tolist(), *anchors.tolist()} - {-1}}

    def __reduce__(self) -> tuple[Any, ...]:
        return PhraseFactsTable, (self._path,)

    def _place(self, row: int) -> Place:
        """Return where a phrase says that its thing is."""
        names = ("place_rank", "place_side", "relation", "anchor_index")
        rank, side, relation, anchor = (int(self._arrays[name][row]) for name in names)
        span = self._arrays["anchor_span"][row].tolist()
        return Place(
            frozenset(compress(CUES, self._arrays["place_cues"][row].tolist())),
            rank,
            SIDES[side] if side >= 0 else "",
            RELATIONS[relation] if relation >= 0 else "",
            Anchor(self._nouns[anchor], tuple(span)) if anchor >= 0 else None,
        )


def read_phrase_facts(path: Path) -> dict[str, PhraseFacts]:
    """Return the facts of every phrase of `nouns.h5` in memory, for many passes over all of them.

    Raises:
        CacheError: as `PhraseFactsTable`.
    """
    table = PhraseFactsTable(path)
    return {phrase: table.facts(row) for row, phrase in enumerate(table)}


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
