"""Tests on a word of a tagged phrase, given its neighbours: noun, modifier, stop word."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from models.phrases import word_lists as words
from models.phrases.lemmas import lemmatise

NOUN_TAGS = ("NOUN", "PROPN")
_MISTAKEN = (*NOUN_TAGS, "VERB", "ADJ", "ADV", "INTJ", "X")  # what a tagger may take a noun for
_LETTERS = re.compile(r"[^\W\d_]{2}|[^\W\d_a-z]")  # two of them, or one that is not ASCII
_NO_NOUN = (
    words.PRONOUNS
    | words.DETERMINERS
    | words.NUMBERS
    | words.PREPOSITIONS
    | words.STOP_NOUNS
    | words.RELATIVES
    | words.ADVERBS
)
_ADJECTIVE_ENDINGS = ("est", "ful", "ish", "ous", "less", "able", "ly")
_EDGES = '-.,;:!?()"\u201c\u201d'


@dataclass(frozen=True)
class TaggedToken:
    """One word of a phrase.

    Attributes:
        text: lower case.
        upos: universal part of speech.
        start: its first character in the phrase.
        end: one past its last character.
    """

    text: str
    upos: str
    start: int
    end: int


def join_hyphens(tokens: Sequence[TaggedToken]) -> list[TaggedToken]:
    """Return the words, hyphenated ones joined ("long", "-", "haired") and tagged as the last."""
    joined: list[TaggedToken] = []
    for token in tokens:
        before = joined[-1] if joined else None
        if before and _are_joined(before, token):
            upos = before.upos if token.text == "-" else token.upos
            joined[-1] = TaggedToken(before.text + token.text, upos, before.start, token.end)
        else:
            joined.append(token)
    return joined


def trim(token: TaggedToken) -> TaggedToken:
    """Return a word without punctuation at its ends ("dog.")."""
    bare = token.text.strip(_EDGES)
    if not bare:
        return token
    start = token.start + token.text.index(bare)
    return TaggedToken(bare, token.upos, start, start + len(bare))


def is_noun(tokens: Sequence[TaggedToken], index: int, start: int, stop: int) -> bool:
    """Return whether a word is a noun, not an adjective or verb that the tagger took for one.

    Args:
        tokens: a phrase.
        index: of the word.
        start: first word of its chunk.
        stop: one past the last word of its chunk.
    """
    if tokens[index].upos not in NOUN_TAGS:
        return False
    before = tokens[index - 1] if index > start else None
    after_noun = before and before.upos in NOUN_TAGS and not is_modifier(before.text)
    before_noun = index + 1 < len(tokens) and tokens[index + 1].upos in NOUN_TAGS
    if after_noun and not before_noun and is_gerund(tokens[index].text):
        return False
    noun_follows = any(token.upos in NOUN_TAGS for token in tokens[index + 1 : stop])
    return not (noun_follows and is_modifier(tokens[index].text))


def is_modifier(text: str) -> bool:
    """Return whether a word is an adjective or a colour, whatever its tag."""
    return text in words.ADJECTIVES or text in words.COLOUR_WORDS or text == "orange"


def is_gerund(text: str) -> bool:
    """Return whether a word is a gerund ("riding"), not a noun ("building", "ring")."""
    return text.endswith("ing") and len(text) > 5 and text not in words.ING_NOUNS


def names_thing(tokens: Sequence[TaggedToken], index: int) -> bool:
    """Return whether a word names a thing; stop words do in "tank top", "pink top", "his back"."""
    text, before = tokens[index].text, text_at(tokens, index - 1) if index else ""
    garment = text == "top" and (before in words.GARMENT_TOPS or is_modifier(before))
    if garment or (text == "back" and before in words.OWNERS):
        return True
    return text not in _NO_NOUN and _LETTERS.search(text) is not None


def may_be_noun(tokens: Sequence[TaggedToken], index: int) -> bool:
    """Return whether a word that is not tagged as a noun may be one."""
    token, text = tokens[index], tokens[index].text
    if token.upos not in _MISTAKEN or text in words.ADJECTIVES or not names_thing(tokens, index):
        return False
    if token.upos != "VERB" and text.endswith(_ADJECTIVE_ENDINGS):
        return False
    return not is_gerund(text) and not _is_participle(token)


def describes(token: TaggedToken) -> bool:
    """Return whether a word may stand between a modifier and its noun."""
    if token.upos == "ADJ" or token.text == ",":
        return True
    return _is_participle(token) or is_modifier(token.text)


def trails(token: TaggedToken) -> bool:
    """Return whether a word may follow its noun: "couch left", "man standing there"."""
    after = token.text in words.SIDES or token.text in words.ADVERBS or token.upos == "PUNCT"
    return after or (token.upos == "VERB" and is_gerund(token.text))


def compound_of(tokens: Sequence[TaggedToken], index: int) -> str:
    """Return a word and the one before it, or the parts of "teddy-bear": "teddy bear"."""
    noun = singular(tokens[index])
    if "-" in noun or index == 0:
        return noun.replace("-", " ")
    return f"{tokens[index - 1].text} {noun}"


def singular(token: TaggedToken) -> str:
    """Return the word's singular, as if it were a noun."""
    return lemmatise(token.text)


def text_at(tokens: Sequence[TaggedToken], index: int) -> str:
    """Return the text of a word, "" past the end."""
    return tokens[index].text if index < len(tokens) else ""


def _are_joined(before: TaggedToken, token: TaggedToken) -> bool:
    """Return whether a hyphen, and no space, stands between two words."""
    hyphen = token.text.startswith("-") or before.text.endswith("-")
    return before.end == token.start and hyphen and before.text != "-"


def _is_participle(token: TaggedToken) -> bool:
    """Return whether a word is a participle ("covered"), not "sled" or "seaweed"."""
    text = token.text
    return token.upos == "VERB" and text.endswith("ed") and len(text) > 5 and text[-3] != "e"
