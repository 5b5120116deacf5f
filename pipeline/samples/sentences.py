"""The phrases that stand before a phrase in its sentence, as far as they bear on its box.

Shapes: P phrases, E earlier phrases of each, L labels of the detector.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.noun_classes.noun_kinds import kind_of
from pipeline.mentions import PhraseFacts
from pipeline.records import PhraseRecord
from pipeline.samples.label_similarity import LabelSimilarity
from pipeline.samples.sample_facts import EarlierPhrases

MAX_EARLIER = 4  # E; the nearest are kept
_ON_SOMEBODY = ("worn", "body")


@dataclass(frozen=True)
class SentenceReader:
    """Finds what stands before phrases of an image in their sentences.

    Attributes:
        records: every phrase of the image.
        facts: by text.
        similarity: of nouns and labels.
    """

    records: Sequence[PhraseRecord]
    facts: Mapping[str, PhraseFacts]
    similarity: LabelSimilarity

    def before(self, asked: Sequence[PhraseRecord]) -> EarlierPhrases:
        """Return what stands before each of P phrases of the image."""
        found = [self._before(record) for record in asked]
        heads: list[list[str | None]] = [[fact.head for fact in facts] for facts in found]
        rows = [noun for row in heads for noun in [*row, *[None] * (MAX_EARLIER - len(row))]]
        similarity = self.similarity.of_others(rows)  # (P E, L + 1)
        is_plural = np.zeros((len(asked), MAX_EARLIER), np.bool_)  # (P, E)
        for several, facts in zip(is_plural, found, strict=True):
            several[: len(facts)] = [fact.is_plural for fact in facts]
        kinds = [_kind(self.facts[record.phrase].head) for record in asked]
        wearers = [
            _last_being(row) if kind in _ON_SOMEBODY else -1
            for kind, row in zip(kinds, heads, strict=True)
        ]
        return EarlierPhrases(
            similarity.reshape(len(asked), MAX_EARLIER, similarity.shape[-1]),
            is_plural,
            np.array(wearers, np.int64),
            np.array([kind == "body" for kind in kinds], np.bool_),
        )

    def _before(self, record: PhraseRecord) -> list[PhraseFacts]:
        """Return the nearest phrases that end before one begins, in order, each place once."""
        if record.sentence is None or record.span is None:
            return []
        places: dict[tuple[int, int], PhraseFacts] = {}
        for other in self.records:
            if other.sentence != record.sentence or other.span is None:
                continue
            if other.span[1] <= record.span[0] and self._competes(other):
                places[other.span] = self.facts[other.phrase]
        return [places[span] for span in sorted(places)][-MAX_EARLIER:]

    def _competes(self, record: PhraseRecord) -> bool:
        """Return whether a label tells what the phrase means, and nobody wears it."""
        head = self.facts[record.phrase].head
        return self.similarity.knows(head) and _kind(head) not in _ON_SOMEBODY


def _kind(head: str | None) -> str | None:
    return None if head is None else kind_of(head)


def _last_being(heads: Sequence[str | None]) -> int:
    """Return the number of the last head noun that names somebody, -1 if none does."""
    beings = [number for number, head in enumerate(heads) if _kind(head) == "being"]
    return beings[-1] if beings else -1
