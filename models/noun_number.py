"""Whether a phrase speaks of one thing or of several, by its words alone."""

import re

from models import noun_words as words
from models.noun_lemmas import lemmatise
from models.noun_rules import NounMention

_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*|\d+")


def speaks_of_several(phrase: str, head: NounMention | None) -> bool:
    """Return whether the thing meant is a number of things ("two men", "a group", "shirts").

    It is where its head noun is a plural or names a group, or where a number above one or a word
    such as "several" stands before it. What comes in pairs ("jeans") is one thing.

    Args:
        phrase: as it was given.
        head: its head noun; a phrase without one speaks of one thing.
    """
    if head is None:
        return False
    start, end = head.span
    noun = phrase[start:end].lower().split()[-1]
    before = _WORD.findall(phrase[:start].lower())
    counted = any(word in words.SEVERAL or (word.isdigit() and int(word) > 1) for word in before)
    return counted or lemmatise(noun) != noun or head.noun in words.GROUPS
