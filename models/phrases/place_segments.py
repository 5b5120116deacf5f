"""The runs of words of a phrase: those of the thing itself, and those that a relation leads to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from models.phrases import place_words as words
from models.phrases import word_lists
from models.phrases.place_words import CUE_OF, OPPOSITE
from models.phrases.tokens import TaggedToken, text_at

LONGEST = max(map(len, words.RELATION_WORDS))
BEFORE_SIDES = ("to", "on", "at", "in", "from", "the", "far", "just", "directly", "immediately")


@dataclass(frozen=True)
class Segment:
    """A run of words: those of the thing itself (no relation), or those that a relation leads to.

    Attributes:
        relation: a member of `RELATIONS`, "" for the thing itself.
        marker: index of the first word of what names the relation.
        start: index of the first word after that.
        stop: one past the last word.
    """

    relation: str
    marker: int
    start: int
    stop: int


def find_segments(tokens: Sequence[TaggedToken]) -> Iterator[Segment]:
    """Yield the runs of words between those that name a relation, in order."""
    relation, marker, start, index = "", 0, 0, 0
    while index < len(tokens):
        found, length = relation_at(tokens, index)
        if found or tokens[index].text in word_lists.RELATIVES or tokens[index].text == ",":
            yield Segment(relation, marker, start, index)
            relation, marker, start = found, index, index + max(length, 1)
            index = start
        else:
            index += 1
    yield Segment(relation, marker, start, len(tokens))


def relation_at(tokens: Sequence[TaggedToken], index: int) -> tuple[str, int]:
    """Return the relation that the words from `index` name and how many they are; ("", 0) if none.

    "(to the) left (side) of" names a side; "right behind" is "behind".
    """
    side, length = _side_of(tokens, index)
    if length:
        return side, length
    if _is_nearest(tokens, index):
        return "", 0
    texts = [token.text for token in tokens[index : index + LONGEST]]
    for size in range(len(texts), 0, -1):
        relation = words.RELATION_WORDS.get(tuple(texts[:size]))
        if relation:
            return relation, size
    return "", 0


def _is_nearest(tokens: Sequence[TaggedToken], index: int) -> bool:
    """Return whether a word is the adjective of "near zebra", not the preposition before "the"."""
    is_first = index == 0 or tokens[index - 1].text == "the"
    is_near, after = text_at(tokens, index) in ("near", "nearest"), text_at(tokens, index + 1)
    return is_near and is_first and bool(after) and after not in words.FRAMES


def _side_of(tokens: Sequence[TaggedToken], index: int) -> tuple[str, int]:
    """Return left or right and the number of words of "to the left side of"; ("", 0) else."""
    after = index
    while text_at(tokens, after) in BEFORE_SIDES:
        after += 1
    side = cue_of(text_at(tokens, after))
    if side not in OPPOSITE:
        return "", 0
    after += 1
    while text_at(tokens, after) in ("hand", "side"):
        after += 1
    return (side, after + 1 - index) if text_at(tokens, after) == "of" else ("", 0)


def follows(tokens: Sequence[TaggedToken], segment: Segment, head_start: int | None) -> bool:
    """Return whether the relation stands after the thing's noun: not so in "front of the bus"."""
    return head_start is None or tokens[segment.marker].start > head_start


def cue_of(text: str) -> str:
    """Return the cue that a word may be ("left-most": left), "" if none."""
    return CUE_OF.get(text.replace("-", ""), "")
