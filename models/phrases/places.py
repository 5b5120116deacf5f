"""Where a phrase says that its thing is: sides, size, order, and a relation to another thing.

"the second cup from the left" has an order, "big dog at the top right" three cues, "the man left of
the red car" a relation to an anchor. A place word of another thing ("guy with the big hat") is none
of the thing that is meant.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from models.phrases import place_words as words
from models.phrases import word_lists
from models.phrases.noun_rules import head_from
from models.phrases.place_words import BACK, CUE_OF, FRONT, LEFT, NEAR, RIGHT, SIDES, TOP, TOUCHING
from models.phrases.tokens import TaggedToken, is_modifier, join_hyphens, text_at, trim

_LONGEST = max(map(len, words.RELATION_WORDS))
_BEFORE_SIDES = ("to", "on", "at", "in", "from", "the", "far", "just", "directly", "immediately")
_ALONE = {NEAR: FRONT, FRONT: FRONT, BACK: BACK}  # "closest to us", "in front", "behind"
_OPPOSITE = {LEFT: RIGHT, RIGHT: LEFT}


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
            frozenset(_OPPOSITE.get(cue, cue) for cue in self.cues),
            self.rank,
            _OPPOSITE.get(self.rank_side, self.rank_side),
            _OPPOSITE.get(self.relation, self.relation),
            self.anchor,
        )


@dataclass(frozen=True)
class _Segment:
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


def find_place(tokens: Sequence[TaggedToken], head_start: int | None) -> Place:
    """Return what a phrase says of where its thing is.

    Args:
        tokens: the words of one phrase in order.
        head_start: the character that its head noun starts at; None without a head.
    """
    tokens = [trim(token) for token in join_hyphens(tokens)]
    segments = list(_segments(tokens))
    anchors = {segment.marker: _anchor(tokens, segment) for segment in segments if segment.relation}
    named = [
        (segment.relation, anchor)
        for segment in segments
        if (anchor := anchors.get(segment.marker)) and _follows(tokens, segment, head_start)
    ]
    own = _own_words(tokens, segments, head_start, anchors)
    cues = {_cue(tokens, index, anchors) for index in own} - {""}
    cues |= {
        _ALONE[segment.relation] for segment in segments if _is_alone(tokens, segment, anchors)
    }
    rank, side = _order([tokens[index].text for index in own], cues)
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
    segments = list(_segments(tokens))
    anchors = {segment.marker: _anchor(tokens, segment) for segment in segments if segment.relation}
    own = set(_own_words(tokens, segments, head[0] if head else None, anchors))
    for segment in segments:
        if segment.relation == TOUCHING and _is_seen(tokens, segment):
            own |= set(range(segment.marker, segment.stop))
    kept = [
        tokens[index].text
        for index in sorted(own)
        if (head and head[0] <= tokens[index].start < head[1])
        or not (_cue(tokens, index, anchors) or _is_filler(tokens[index].text))
    ]
    return " ".join(kept or [token.text for token in tokens])


def _is_seen(tokens: Sequence[TaggedToken], segment: _Segment) -> bool:
    """Return whether the words of a segment tell more than a place."""
    return not all(_places(token.text) for token in tokens[segment.start : segment.stop])


def _is_filler(text: str) -> bool:
    return text in words.FRAMES or text in words.ORDINALS or text in words.COUNTING


def _segments(tokens: Sequence[TaggedToken]) -> Iterator[_Segment]:
    """Yield the runs of words between those that name a relation, in order."""
    relation, marker, start, index = "", 0, 0, 0
    while index < len(tokens):
        found, length = _relation_at(tokens, index)
        if found or tokens[index].text in word_lists.RELATIVES or tokens[index].text == ",":
            yield _Segment(relation, marker, start, index)
            relation, marker, start = found, index, index + max(length, 1)
            index = start
        else:
            index += 1
    yield _Segment(relation, marker, start, len(tokens))


def _relation_at(tokens: Sequence[TaggedToken], index: int) -> tuple[str, int]:
    """Return the relation that the words from `index` name and how many they are; ("", 0) if none.

    "(to the) left (side) of" names a side; "right behind" is "behind".
    """
    side, length = _side_of(tokens, index)
    if length:
        return side, length
    texts = [token.text for token in tokens[index : index + _LONGEST]]
    for size in range(len(texts), 0, -1):
        relation = words.RELATION_WORDS.get(tuple(texts[:size]))
        if relation:
            return relation, size
    return "", 0


def _side_of(tokens: Sequence[TaggedToken], index: int) -> tuple[str, int]:
    """Return left or right and the number of words of "to the left side of"; ("", 0) else."""
    after = index
    while text_at(tokens, after) in _BEFORE_SIDES:
        after += 1
    side = cue_of(text_at(tokens, after))
    if side not in _OPPOSITE:
        return "", 0
    after += 1
    while text_at(tokens, after) in ("hand", "side"):
        after += 1
    return (side, after + 1 - index) if text_at(tokens, after) == "of" else ("", 0)


def _follows(tokens: Sequence[TaggedToken], segment: _Segment, head_start: int | None) -> bool:
    """Return whether the relation stands after the thing's noun: not so in "front of the bus"."""
    return head_start is None or tokens[segment.marker].start > head_start


def _anchor(tokens: Sequence[TaggedToken], segment: _Segment) -> Anchor | None:
    """Return the thing that the words of a segment name; None if they name only places."""
    own = tokens[segment.start : segment.stop]
    if all(token.text in words.FRAMES or cue_of(token.text) for token in own):
        return None
    mention = head_from(own, 0)
    return Anchor(mention.noun, (own[0].start, mention.span[1])) if mention else None


def _own_words(
    tokens: Sequence[TaggedToken],
    segments: Sequence[_Segment],
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
        if segment.relation and anchors[segment.marker] and _follows(tokens, segment, head_start):
            start = _trailing_start(tokens, segment)
        elif segment.relation in _OPPOSITE:
            marker = range(segment.marker, segment.start)
            own += [index for index in marker if cue_of(tokens[index].text) == segment.relation]
        own += range(start, segment.stop)
    return own


def _trailing_start(tokens: Sequence[TaggedToken], segment: _Segment) -> int:
    """Return where the place words at the end of a segment begin."""
    index = segment.stop
    while index > segment.start + 1 and _places(tokens[index - 1].text):
        index -= 1
    return index


def _places(text: str) -> bool:
    return bool(cue_of(text)) or text in words.FRAMES or text in words.ORDINALS


def _cue(tokens: Sequence[TaggedToken], index: int, anchors: Mapping[int, Anchor | None]) -> str:
    """Return the cue that a word is, "" if it is none.

    None is the top that is worn, somebody's back, the middle of another thing, the adverb of "right
    behind", and what only strengthens a side ("farthest to the left").
    """
    text, cue = tokens[index].text, cue_of(tokens[index].text)
    before, after = tokens[index - 1].text if index else "", text_at(tokens, index + 1)
    is_worn = cue == TOP and (before in word_lists.GARMENT_TOPS or is_modifier(before))
    is_part = cue not in _OPPOSITE and after == "of" and anchors.get(index + 1) is not None
    is_adverb = text == RIGHT and after in words.AFTER_ADVERB
    owned = text in (TOP, BACK) and before in word_lists.OWNERS
    return "" if is_worn or is_part or is_adverb or owned or _is_degree(tokens, index) else cue


def _is_degree(tokens: Sequence[TaggedToken], index: int) -> bool:
    after = index + 1
    while text_at(tokens, after) in ("to", "the"):
        after += 1
    return tokens[index].text in words.DEGREES and bool(cue_of(text_at(tokens, after)))


def _is_alone(
    tokens: Sequence[TaggedToken], segment: _Segment, anchors: Mapping[int, Anchor | None]
) -> bool:
    """Return whether a relation leads to no thing: "behind", "closest to us"."""
    if segment.relation not in _ALONE or anchors[segment.marker]:
        return False
    return not any(cue_of(token.text) for token in tokens[segment.start : segment.stop])


def _order(texts: Sequence[str], cues: set[str]) -> tuple[int, str]:
    """Return the rank, at least 2, and the side that it is counted from; (0, "") without both.

    The side is the one behind "from", else the only one that is named.
    """
    rank = next((words.ORDINALS[text] for text in texts if text in words.ORDINALS), 0)
    counted = texts[texts.index("from") :] if "from" in texts else ()
    sides = [side for text in counted if (side := cue_of(text)) in SIDES]
    sides = sides[:1] or [side for side in SIDES if side in cues]
    return (rank, sides[0]) if rank > 1 and len(sides) == 1 else (0, "")


def cue_of(text: str) -> str:
    """Return the cue that a word may be ("left-most": left), "" if none."""
    return CUE_OF.get(text.replace("-", ""), "")
