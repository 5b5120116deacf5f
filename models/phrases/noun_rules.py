"""The head noun of a phrase, by rules on its words and their part of speech.

The head noun is the last noun of the first noun chunk before a preposition, a verb or a relative
clause; a known two-word compound ("teddy bear") is kept whole, any other run of nouns is named by
its last word ("soccer ball" is a ball). After a noun of place ("side") or measure ("group") the
head is the noun behind "of"; after an owner ("man's"), what is owned. Where the tagger missed every
noun, the last word before the first preposition is the head, unless it is a pronoun, a number or an
adjective. Other phrases ("left one", "second from right") have no head noun.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from models.phrases import word_lists as words
from models.phrases.noun_number import means_several
from models.phrases.tokens import (
    TaggedToken,
    compound_of,
    describes,
    is_modifier,
    is_noun,
    join_hyphens,
    may_be_noun,
    names_thing,
    singular,
    text_at,
    trails,
    trim,
)

HEAD, CONTEXT = "head", "context"
_NO_CONTEXT = words.MEASURES | words.VIEWPOINTS
_INFLECTED = ("ing", "ed", "s", "ly", "n't")


@dataclass(frozen=True)
class NounMention:
    """A noun of a phrase.

    Attributes:
        noun: singular, lower case; two words for a compound of `word_lists.COMPOUNDS`.
        role: `head`, the thing meant, or `context`, another thing that describes it.
        span: first character in the phrase and one past the last.
    """

    noun: str
    role: str
    span: tuple[int, int]


def find_nouns(tokens: Sequence[TaggedToken], context_nouns: int) -> tuple[NounMention, ...]:
    """Return the head noun, then other nouns in order of the phrase; () without a head.

    Args:
        tokens: the words of one phrase in order.
        context_nouns: how many nouns to keep beside the head, at most.
    """
    tokens = [trim(token) for token in join_hyphens(tokens)]
    head_index = _head(tokens, 0)
    if head_index is None:
        return ()
    head = _mention(tokens, head_index, HEAD)
    context: dict[str, NounMention] = {}
    for index in _runs(tokens, 0, len(tokens)):
        mention = _mention(tokens, index, CONTEXT)
        apart = index > head_index or _owns(tokens, index)  # nouns before the head modify it
        if apart and mention.noun != head.noun and tokens[index].text not in _NO_CONTEXT:
            context.setdefault(mention.noun, mention)
    return (head, *list(context.values())[:context_nouns])


def head_from(tokens: Sequence[TaggedToken], start: int) -> NounMention | None:
    """Return the head noun of what begins at word `start`, of words as `find_nouns` joins them."""
    index = _head(tokens, start)
    return None if index is None else _mention(tokens, index, HEAD)


def _head(tokens: Sequence[TaggedToken], start: int) -> int | None:
    """Return the index of the head noun at or after word `start`."""
    start = _skip_quantity(tokens, start)
    stop = _chunk_end(tokens, start)
    runs = (run for run in _runs(tokens, start, stop) if _stands(tokens, run, start, stop))
    head = next(runs, None)
    head = _fallback(tokens, start, stop) if head is None else _mistagged(tokens, head, stop)
    if text_at(tokens, stop) != "of" or _points_aside(tokens[start:stop]):
        return head
    if head is None or tokens[head].text in words.MEASURES:
        counted = _head(tokens, stop + 1)
        return head if counted is None else counted
    return head


def _skip_quantity(tokens: Sequence[TaggedToken], start: int) -> int:
    """Step over "at least" and the like where a number follows."""
    index = start
    while text_at(tokens, index) in words.QUANTIFIERS:
        index += 1
    number = text_at(tokens, index)
    return index if number in words.NUMBERS or number[:1].isdigit() else start


def _chunk_end(tokens: Sequence[TaggedToken], start: int) -> int:
    """Return the index of the first preposition at or after `start`, else the phrase's end."""
    for index in range(start, len(tokens)):
        word = tokens[index]
        doubtful = word.text in words.DOUBTFUL_PREPOSITIONS and word.upos in ("ADP", "SCONJ")
        inside = start < index < len(tokens) - 1 and tokens[index - 1].upos != "DET"
        if word.text in words.PREPOSITIONS or (doubtful and inside):
            return index
    return len(tokens)


def _runs(tokens: Sequence[TaggedToken], start: int, stop: int) -> Iterator[int]:
    """Yield, for each run of adjacent nouns, the index of the last that names a thing."""
    run: list[int] = []
    for index in range(start, stop + 1):
        if index < stop and is_noun(tokens, index, start, stop):
            run.append(index)
            continue
        named = [member for member in run if _may_name(tokens, member, run[0])]
        if named and tokens[run[-1]].text not in words.GENERIC:
            yield named[-1]
        run = []


def _may_name(tokens: Sequence[TaggedToken], index: int, first: int) -> bool:
    """Return whether a noun may name a run; not an adjective after a noun ("person cut" off)."""
    return names_thing(tokens, index) and (index == first or not is_modifier(tokens[index].text))


def _stands(tokens: Sequence[TaggedToken], index: int, start: int, stop: int) -> bool:
    """Return whether a noun is no owner ("man's shirt") and no modifier ("skinny red dog").

    After an unmarked noun ("guy red hat") or an animate one ("the man red hat") a new chunk begins.
    """
    if _owns(tokens, index):
        return False
    later = range(index + 1, stop)
    following = next((place for place in later if is_noun(tokens, place, start, stop)), stop)
    between = tokens[index + 1 : following]
    if following == stop or not between or not all(map(describes, between)):
        return True
    marked = tokens[start].upos in ("DET", "NUM", "PRON") or between[0].text.endswith("ed")
    return not marked or singular(tokens[index]) in words.ANIMATES


def _owns(tokens: Sequence[TaggedToken], index: int) -> bool:
    return text_at(tokens, index + 1) in words.POSSESSIVES


def _mistagged(tokens: Sequence[TaggedToken], head: int, stop: int) -> int:
    """Return the word after the head where that is the noun, taken for a verb.

    "a leather couch": the verb ends the chunk, but its form ("couch") asks for a plural before it.
    """
    index = head + 1
    ends = index < stop and (index + 1 == stop or tokens[index + 1].upos == "PUNCT")
    if not ends or tokens[index].upos != "VERB" or singular(tokens[head]) == "person":
        return head
    text = tokens[index].text
    finite = text in words.BASE_VERBS or text.endswith(_INFLECTED)
    plural = singular(tokens[head]) != tokens[head].text
    return index if may_be_noun(tokens, index) and not finite and not plural else head


def _fallback(tokens: Sequence[TaggedToken], start: int, stop: int) -> int | None:
    """Return the last word of the chunk if it may be a noun that the tagger missed."""
    later = range(start + 1, stop)
    clause = (index for index in later if tokens[index].text in words.RELATIVES)
    for index in reversed(range(start, next(clause, stop))):
        if not trails(tokens[index]):
            return index if may_be_noun(tokens, index) else None
    return None


def _points_aside(tokens: Sequence[TaggedToken]) -> bool:
    """Return whether words before "of" name no thing: "right of", not "right side of"."""
    aside = words.SIDES | words.ADVERBS | words.DETERMINERS
    return all(token.text in aside for token in tokens)


def _mention(tokens: Sequence[TaggedToken], index: int, role: str) -> NounMention:
    token, compound = tokens[index], compound_of(tokens, index)
    if compound not in words.COMPOUNDS:
        return NounMention(singular(token), role, (token.start, token.end))
    first = token if "-" in token.text else tokens[index - 1]
    return NounMention(compound, role, (first.start, token.end))


def speaks_of_several(phrase: str, head: NounMention | None) -> bool:
    """Return whether a phrase means several things ("two men", "a group", "shirts").

    The rules are those of `noun_number`: a number means several only where it counts things.
    Things that come in pairs ("jeans") are one thing.

    Args:
        phrase: the original phrase.
        head: its head noun; a phrase without one means one thing.
    """
    if head is None:
        return False
    start, end = head.span
    return means_several(phrase[:start], phrase[start:end].lower().split()[-1])
