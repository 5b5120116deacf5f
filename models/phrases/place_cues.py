"""Which words of a phrase are cues: a side or a size of the thing that is meant."""

from collections.abc import Mapping, Sequence

from models.phrases import place_words as words
from models.phrases import word_lists
from models.phrases.place_segments import BEFORE_SIDES, cue_of, relation_at
from models.phrases.place_words import BACK, LARGE, OPPOSITE, RIGHT, SMALL, TOP, TOUCHING
from models.phrases.tokens import NOUN_TAGS, TaggedToken, is_modifier, text_at


def cue_at(
    tokens: Sequence[TaggedToken],
    index: int,
    head_start: int | None,
    anchors: Mapping[int, object | None],
) -> str:
    """Return the cue that a word is, "" if it is none.

    None is what only strengthens a side ("farthest to the left"), where something looks ("facing
    left"), the adverb of "right behind", a part of a body or garment ("his back", "tank top"), the
    middle of another thing, and the size of one ("man with a big hat").
    """
    cue = cue_of(tokens[index].text)
    if _is_degree(tokens, index) or _is_heading(tokens, index):
        return ""
    if _is_worn(tokens, index, head_start) or _is_adverb(tokens, index, anchors):
        return ""
    if cue in (LARGE, SMALL):
        return "" if _describes_other(tokens, index, head_start) else cue
    is_part = cue not in OPPOSITE and text_at(tokens, index + 1) == "of"
    return "" if is_part and anchors.get(index + 1) else cue


def _is_degree(tokens: Sequence[TaggedToken], index: int) -> bool:
    return tokens[index].text in words.DEGREES and bool(cue_of(_behind(tokens, index)))


def _is_heading(tokens: Sequence[TaggedToken], index: int) -> bool:
    """Return whether a side is where something looks or goes: "facing to the left"."""
    before = index - 1
    while before >= 0 and tokens[before].text in ("to", "toward", "towards", "the"):
        before -= 1
    return before >= 0 and tokens[before].text in words.HEADINGS


def _is_worn(tokens: Sequence[TaggedToken], index: int, head_start: int | None) -> bool:
    """Return whether a word is of a body or a garment: "his back", "pink top", "left handed"."""
    text, before = tokens[index].text, tokens[index - 1] if index else None
    if text_at(tokens, index + 1) in words.NO_PLACES:
        return True
    if text == BACK and _behind(tokens, index) in words.VIEWERS | {"turned"}:
        return True
    if before is None or text not in (TOP, BACK):
        return False
    dyed = before.text in word_lists.GARMENT_TOPS or is_modifier(before.text)
    return before.text in word_lists.OWNERS or (
        text == TOP and dyed and before.start != head_start and not cue_of(before.text)
    )


def _is_adverb(
    tokens: Sequence[TaggedToken], index: int, anchors: Mapping[int, object | None]
) -> bool:
    """Return whether "right" only stresses what follows: "right behind", "right in the middle".

    After "the", "on" or another side it is a side: "on the right behind the car".
    """
    before = tokens[index - 1].text if index else ""
    if tokens[index].text != RIGHT or before in BEFORE_SIDES or cue_of(before):
        return False
    relation, _ = relation_at(tokens, index + 1)
    if relation == TOUCHING:
        return index + 1 in anchors and anchors[index + 1] is None
    is_place = bool(relation) and relation not in OPPOSITE
    return is_place or text_at(tokens, index + 1) in words.HERE


def _describes_other(tokens: Sequence[TaggedToken], index: int, head_start: int | None) -> bool:
    """Return whether an adjective behind the thing's noun stands before another noun."""
    if head_start is None or tokens[index].start < head_start:
        return False
    later = tokens[index + 1 :]
    following = (one for one in later if one.upos != "ADJ" and not is_modifier(one.text))
    return is_other(next(following, None))


def is_other(token: TaggedToken | None) -> bool:
    """Return whether a word is a noun that is no word of place."""
    return token is not None and token.upos in NOUN_TAGS and not is_place_word(token.text)


def is_place_word(text: str) -> bool:
    """Return whether a word may be one of a place, and names no thing."""
    return bool(cue_of(text)) or text in words.FILLERS


def _behind(tokens: Sequence[TaggedToken], index: int) -> str:
    """Return the word behind another and behind "to the" after it, "" at the end."""
    after = index + 1
    while text_at(tokens, after) in ("to", "the"):
        after += 1
    return text_at(tokens, after)
