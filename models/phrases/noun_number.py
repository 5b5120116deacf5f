"""Grammatical number of a noun phrase, from the words before its noun and from the noun's form.

A number means several things only where it counts them. It does not in "number 52 bike", "22 year
old woman", "2 story house", "1957 car" or "the 2nd man": there it is a name, a measure, a year or a
place in an order. English tells them apart by agreement: what a number above one counts stands in
the plural, or has no plural form of its own ("3 sheep").
"""

import re
from collections.abc import Sequence

from models.phrases import word_lists as words
from models.phrases.lemmas import lemmatise, without_possessive

_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*|[#\u2116$\u20ac\u00a3]")
_DIGIT = re.compile(r"\d")
_COUNT = re.compile(r"(?:[2-9]|[1-9]\d{1,2})(?:-[1-9]\d{0,2})?\+?|[1-9]\d{0,2}(?:,\d{3})+")
_ORDINAL = re.compile(r"\d+(?:st|nd|rd|th)")
_EDGES = "-.,;:!?()\"'\u201c\u201d\u2018\u2019"


def means_several(before: str, noun: str) -> bool:
    """Return whether a noun means several things.

    It does if it is a plural, names a group ("team"), or stands behind a word of quantity
    ("several") or a number that counts it (`_counts_noun`). One of several is one
    (`_picks_one`): "one of the two men", "tallest of the trees".

    Args:
        before: the phrase up to the noun, in any case.
        noun: the noun as it stands in the phrase, lower case; of a compound its last word.
    """
    preceding = _split(before.lower())
    if _picks_one(preceding):
        return False
    if is_plural_form(noun) or noun in words.GROUPS:
        return True
    return any(
        word in words.QUANTITIES or _counts_noun(preceding, index, noun)
        for index, word in enumerate(preceding)
    )


def is_plural_form(noun: str) -> bool:
    """Return whether a lower-case noun has the form of a plural; "jeans" is one thing."""
    return lemmatise(noun) != without_possessive(noun)


def _split(text: str) -> list[str]:
    """Return words without punctuation; what holds a digit stays whole ("2nd", "5-year-old")."""
    split: list[str] = []
    for chunk in text.split():
        split += [chunk.strip(_EDGES)] if _DIGIT.search(chunk) else _WORD.findall(chunk)
    return split


def _is_count(word: str) -> bool:
    """Return whether a word is a cardinal above one: "two", "12", "2-3", "1,500".

    Ordinals, decimals, times and sizes ("2nd", "2.5", "8:30", "50mm") are none, nor are numbers
    that begin with a zero or have four digits and more without a comma: names or years ("007",
    "1957").
    """
    return word in words.NUMERALS or _COUNT.fullmatch(word) is not None


def _is_label(preceding: Sequence[str], index: int) -> bool:
    """Return whether the number at `index` is a name: "number 7", "# 5", "jersey 10"."""
    return index > 0 and preceding[index - 1] in words.NUMBERED


def _counts_noun(preceding: Sequence[str], index: int, noun: str) -> bool:
    """Return whether the word at `index` is a number that counts the noun, or parts of it.

    It must be no name ("number 7 sheep") and measure nothing ("5 inch fish", "2 feet of snow").
    Before "of" it counts what stands there: "two of the sheep", "2 slices of pizza".
    """
    if not _is_count(preceding[index]) or _is_label(preceding, index):
        return False
    following = [*preceding[index + 1 :], noun]
    if following[0] in words.UNITS:
        return False
    counted = following[: following.index("of")] if "of" in following else following
    return not counted or _agrees(preceding[index], counted)


def _agrees(number: str, counted: Sequence[str]) -> bool:
    """Return whether a number agrees with the words behind it, of which the last is a noun.

    It agrees with a plural among them, and with a noun whose plural looks no different ("sheep";
    also any that is not ASCII, as of a language without plurals). A number in letters also agrees
    with a singular that it counts by a slip: behind adjectives alone ("two white dog"), or if it is
    animate ("two football player"). "Two story house", "three wheeled car" and "22 shirt" are none.
    """
    noun, modifiers, in_letters = counted[-1], counted[:-1], number in words.NUMERALS
    alike = any(map(_has_no_plural_form, counted if in_letters else [noun]))
    if alike or any(map(is_plural_form, counted)):
        return True
    if not in_letters or any(word.endswith("ed") and not _describes(word) for word in modifiers):
        return False
    animate = noun in words.ANIMATES or noun.endswith(("man", "woman"))
    return animate or all(map(_describes, modifiers))


def _has_no_plural_form(word: str) -> bool:
    alike = word in words.PLURALS_ALIKE or word.endswith(words.ALIKE_ENDINGS)
    return alike or not word.isascii()


def _describes(word: str) -> bool:
    return word in words.ADJECTIVES or word in words.COLOUR_WORDS or "-" in word


def _picks_one(preceding: Sequence[str]) -> bool:
    """Return whether "of" follows a word that picks one of several.

    That is "one", an ordinal, a comparative or superlative, or a numbered name: "one of",
    "2nd of", "taller of", "biggest of", "number two of"; not "every one of", "a third of".
    """
    ends = (index for index in range(1, len(preceding)) if preceding[index] == "of")
    return any(_is_single(preceding, index - 1) for index in ends)


def _is_single(preceding: Sequence[str], index: int) -> bool:
    word, before = preceding[index], preceding[index - 1] if index else ""
    if word in ("one", "1", "another", "either"):
        return before not in ("each", "every", "but", "than")
    if word in words.ORDINALS or _ORDINAL.fullmatch(word):
        return before not in ("a", "one")
    superlative = word.endswith("est") and word not in words.EST_NOUNS
    return superlative or word in words.COMPARATIVES or _is_label(preceding, index)
