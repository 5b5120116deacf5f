"""Tags of plain English words, so that phrases can be written as people write them."""

import re

from models.phrases.noun_rules import find_nouns
from models.phrases.places import find_place
from models.phrases.tokens import TaggedToken

_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*|['\u2019]s\b|\S")
_WORDS_OF = {
    "DET": "a an the all both no this that",
    "PRON": "us me you it him her them his my their your its who which",
    "NUM": "one two three",
    "ADP": """
        of on in at to from with by near behind beside above over below under underneath beneath
        inside against next atop onto between for like infront before beyond nearby besides
        alongside upon within w along
    """,
    "AUX": "is are was",
    "CCONJ": "and or",
    "PART": "'s",
    "ADV": "far very most just directly immediately slightly there here not almost",
    "ADJ": """
        left right top upper lower big small little large tall short first second third fourth 2nd
        3rd last red blue white black green yellow brown gray pink striped furthest farthest closest
        nearest closer nearer leftmost rightmost left-most right-most topmost highest lowest biggest
        largest smallest tiniest tallest shortest young old empty open other main tiny bottommost
        middle front center adjacent close bigger smaller larger taller shorter
        immediate whole long bald full bottom foremost
    """,
    "VERB": """
        wearing holding riding sitting standing facing looking touching leaning running walking
        playing having using has eating throwing petting carrying reaching jumping
        sits counting cut hanging lying parked
    """,
    "PUNCT": ", . ! ( )",
}
_TAG_OF = {word: upos for upos, words in _WORDS_OF.items() for word in words.split()}


def tag(phrase):
    """Return the words of a phrase, lower case; one that is not listed is a noun."""
    return [
        TaggedToken(match[0], _TAG_OF.get(match[0], "NOUN"), *match.span())
        for match in _WORD.finditer(phrase.lower())
    ]


def place_of(tokens):
    """Return where tagged words say that their thing is, as the parser asks for it."""
    nouns = find_nouns(tokens, 1)
    return find_place(tokens, nouns[0].span[0] if nouns else None)
