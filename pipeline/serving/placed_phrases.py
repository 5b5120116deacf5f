"""Phrases at their places in a sentence, of which the words around a phrase tell where it is."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

Span = tuple[int, int]


@dataclass(frozen=True)
class PlacedPhrase:
    """A phrase to look for, and where it stands in its sentence.

    Attributes:
        phrase: the text to look for.
        sentence: the sentence that it is from, if any.
        span: first and last-plus-one character of the phrase in `sentence`; None: it is not in it.
    """

    phrase: str
    sentence: str | None = None
    span: Span | None = None


def place_phrases(phrases: Sequence[str], sentence: str | None) -> list[PlacedPhrase]:
    """Return each phrase at its place in a sentence, whatever the case of its letters.

    A phrase is sought as whole words from the place of the phrase before it on, and then from the
    start of the sentence. The same phrase again gets its next place; where there are no more, the
    last one. A phrase that is not in the sentence has no place.

    Args:
        phrases: texts, in the order of the sentence as far as they are in it.
        sentence: where they are sought; None: nowhere.
    """
    if sentence is None:
        return [PlacedPhrase(phrase) for phrase in phrases]
    taken: set[Span] = set()
    start = 0
    placed = []
    for phrase in phrases:
        spans = _spans_of(phrase, sentence)
        free = [span for span in spans if span not in taken]
        ahead = [span for span in free if span[0] >= start]
        span = next(iter([*ahead, *free, *spans[-1:]]), None)
        if span is not None:
            taken.add(span)
            start = span[0]
        placed.append(PlacedPhrase(phrase, sentence, span))
    return placed


def _spans_of(phrase: str, sentence: str) -> list[Span]:
    """Return every place of a phrase in a sentence, in order; blanks may differ in length."""
    words = phrase.split()
    if not words:
        return []
    pattern = r"(?<!\w)" + r"\s+".join(map(re.escape, words)) + r"(?!\w)"
    return [match.span() for match in re.finditer(pattern, sentence, re.IGNORECASE)]
