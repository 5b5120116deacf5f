"""Where a phrase says that its thing is: sides, size, order, and a relation to another thing.

"the second cup from the left" has an order, "big dog at the top right" three cues, "the man left of
the red car" a relation to an anchor. A place word of another thing ("guy with the big hat") is none
of the thing that is meant.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.phrases import place_words as words
from models.phrases.noun_rules import head_from
from models.phrases.place_cues import cue_at, is_other, is_place_word
from models.phrases.place_segments import Segment, cue_of, find_segments, follows
from models.phrases.place_words import BACK, FRONT, NEAR, OPPOSITE, SIDES, TOUCHING
from models.phrases.tokens import TaggedToken, join_hyphens, text_at, trim

_ALONE = {NEAR: FRONT, FRONT: FRONT, BACK: BACK}  # "closest to us", "in front", "behind"


@dataclass(frozen=True)
class Anchor:
    """The thing that a relation leads to.

    Attributes:
        noun: its head noun, singular and lower case.
        span: first character of its words in the phrase and one past the last of its noun.
    """

    noun: str
    span: tuple[int, int]


@dataclass(frozen=True)
class Place:
    """Where a phrase says that its thing is.

    Attributes:
        cues: members of `place_words.CUES`.
        rank: 2 for "second", counted among things of the same name; 0 without an order.
        rank_side: the side that the count starts from, a member of `SIDES`; "" without an order.
        relation: to the anchor, a member of `place_words.RELATIONS`; "" without one.
        anchor: None without a relation.
    """

    cues: frozenset[str] = frozenset()
    rank: int = 0
    rank_side: str = ""
    relation: str = ""
    anchor: Anchor | None = None

    def mirrored(self) -> "Place":
        """Return the place in the mirrored image; mirrored twice, it is the original."""
        return Place(
            frozenset(OPPOSITE.get(cue, cue) for cue in self.cues),
            self.rank,
            OPPOSITE.get(self.rank_side, self.rank_side),
            OPPOSITE.get(self.relation, self.relation),
            self.anchor,
        )


def find_place(tokens: Sequence[TaggedToken], head_start: int | None) -> Place:
    """Return what a phrase says of where its thing is.

    Args:
        tokens: the words of one phrase in order.
        head_start: the character that its head noun starts at; None without a head.
    """
    tokens = [trim(token) for token in join_hyphens(tokens)]
    segments = list(find_segments(tokens))
    anchors = {segment.marker: _anchor(tokens, segment) for segment in segments if segment.relation}
    named = [
        (segment.relation, anchor)
        for segment in segments
        if segment.relation
        and (anchor := anchors[segment.marker])
        and follows(tokens, segment, head_start)
    ]
    own = _own_words(tokens, segments, head_start, anchors)
    cues = {cue_at(tokens, index, head_start, anchors) for index in own} - {""}
    cues |= {
        _ALONE[segment.relation] for segment in segments if _is_alone(tokens, segment, anchors)
    }
    named_side, side = _counted_side(tokens, own)
    if named_side != side:  # "last from the left" is on the right
        cues = cues - {named_side} | {side}
    rank, side = _order(tokens, own, [side] if side else [side for side in SIDES if side in cues])
    relation, anchor = min(named, key=lambda pair: pair[0] == TOUCHING, default=("", None))
    return Place(frozenset(cues - {side}), rank, side, relation, anchor)


def find_subject(tokens: Sequence[TaggedToken], head: tuple[int, int] | None) -> str:
    """Return the words that describe the thing itself: "red cup" of "the red cup left of the box".

    Left out are words of place and what a relation of place leads to, not what the thing touches,
    wears or holds, which is seen on it ("man in a red shirt"). A phrase of nothing else keeps all.

    Args:
        tokens: the words of one phrase in order.
        head: first character of its head noun and one past the last; None without a head.
    """
    tokens = [trim(token) for token in join_hyphens(tokens)]
    segments = list(find_segments(tokens))
    anchors = {segment.marker: _anchor(tokens, segment) for segment in segments if segment.relation}
    start = head[0] if head else None
    own = set(_own_words(tokens, segments, start, anchors))
    for segment in segments:
        if segment.relation == TOUCHING and _is_seen(tokens, segment):
            own |= set(range(segment.marker, segment.stop))
    kept = [
        tokens[index].text
        for index in sorted(own)
        if (head and head[0] <= tokens[index].start < head[1])
        or not (cue_at(tokens, index, start, anchors) or tokens[index].text in words.FILLERS)
    ]
    return " ".join(kept or [token.text for token in tokens])


def _is_seen(tokens: Sequence[TaggedToken], segment: Segment) -> bool:
    """Return whether the words of a segment tell more than a place."""
    return not all(is_place_word(token.text) for token in tokens[segment.start : segment.stop])


def _anchor(tokens: Sequence[TaggedToken], segment: Segment) -> Anchor | None:
    """Return the thing that the words of a segment name; None if they name only places."""
    own = tokens[segment.start : segment.stop]
    named = (index for index, token in enumerate(own) if not is_place_word(token.text))
    first = next(named, None)
    mention = None if first is None else head_from(own, first)
    return Anchor(mention.noun, (own[0].start, mention.span[1])) if mention else None


def _own_words(
    tokens: Sequence[TaggedToken],
    segments: Sequence[Segment],
    head_start: int | None,
    anchors: Mapping[int, Anchor | None],
) -> list[int]:
    """Return the indices of the words that describe the thing itself, in order.

    Those are the words outside relations, those after a relation that names no other thing ("on the
    left"), and place words behind the other thing ("with the hat left").
    """
    own: list[int] = []
    for segment in segments:
        start = segment.start
        if _leads_away(tokens, segment, head_start, anchors):
            start = _trailing_start(tokens, segment)
        elif segment.relation in OPPOSITE:
            marker = range(segment.marker, segment.start)
            own += [index for index in marker if cue_of(tokens[index].text) == segment.relation]
        own += range(start, segment.stop)
    return own


def _leads_away(
    tokens: Sequence[TaggedToken],
    segment: Segment,
    head_start: int | None,
    anchors: Mapping[int, Anchor | None],
) -> bool:
    """Return whether the words of a segment are of another thing: "with the smallest piece"."""
    if not segment.relation or not follows(tokens, segment, head_start):
        return False
    own = tokens[segment.start : segment.stop]
    return bool(anchors[segment.marker]) or (
        segment.relation == TOUCHING and any(map(is_other, own))
    )


def _trailing_start(tokens: Sequence[TaggedToken], segment: Segment) -> int:
    """Return where the place words at the end of a segment begin; it has other words, too."""
    index = segment.stop
    while is_place_word(tokens[index - 1].text):
        index -= 1
    return index


def _is_alone(
    tokens: Sequence[TaggedToken], segment: Segment, anchors: Mapping[int, Anchor | None]
) -> bool:
    """Return whether a relation leads to no thing: "behind", "closest to us"."""
    if segment.relation not in _ALONE or anchors[segment.marker]:
        return False
    texts = {token.text for token in tokens[segment.start : segment.stop]}
    if segment.relation == NEAR and texts and not texts & words.VIEWERS:
        return False
    return not any(map(cue_of, texts))


def _order(
    tokens: Sequence[TaggedToken], own: Sequence[int], sides: Sequence[str]
) -> tuple[int, str]:
    """Return the rank, at least 2, and the only side; (0, "") without both.

    The order of rows ("second row") is none of the thing.
    """
    counts = (index for index in own if text_at(tokens, index + 1) not in words.ROWS)
    ranks = (words.ORDINALS.get(_without_last(tokens[index].text), 0) for index in counts)
    rank = next(filter(None, ranks), 1)
    return (rank, sides[0]) if rank > 1 and len(sides) == 1 else (0, "")


def _counted_side(tokens: Sequence[TaggedToken], own: Sequence[int]) -> tuple[str, str]:
    """Return the side named behind "from" and the one that the count starts from; "" without.

    They differ where the last are counted: "second to last from the left", "last from the left".
    """
    texts = [tokens[index].text for index in own]
    counted = texts[texts.index("from") :] if "from" in texts else ()
    side = next((side for text in counted if (side := cue_of(text)) in SIDES), "")
    is_last = any(
        text.split("-")[-1] == "last" and _counts_from(texts[at + 1 :])
        for at, text in enumerate(texts)
    )
    return side, words.FAR_SIDE[side] if side and is_last else side


def _counts_from(behind: Sequence[str]) -> bool:
    """Return whether the words behind "last" tell where the count starts: not so of rows."""
    return "from" in behind and behind[0] not in words.ROWS and not words.ORDINALS.keys() & behind


def _without_last(text: str) -> str:
    """Return the order of "second-to-last", any other word as it is."""
    return text.removesuffix("-last").removesuffix("-to")
