"""The colours that a phrase gives to the thing it means: "the white dog", "man in a red shirt".

The names are the eleven basic colour terms of English (Berlin and Kay, Basic Color Terms, 1969).
"""

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


COLOURS = (
    *("black", "white", "gray", "red", "orange", "brown", "yellow", "green", "blue", "purple"),
    "pink",
)
_ALSO_CALLED = {
    "gray": _words("grey silver"),
    "red": _words("crimson maroon"),
    "brown": _words("tan beige khaki"),
    "yellow": _words("golden gold"),
    "blue": _words("navy turquoise teal"),
    "purple": _words("violet"),
}
_TERMS = {name: name for name in COLOURS} | {
    other: name for name, others in _ALSO_CALLED.items() for other in others
}
# what follows belongs to another thing, unless the thing meant wears it or is made of it
_PREPOSITIONS = _words(
    """
    on at with without near by next behind beside besides between among from to for into onto
    under underneath beneath below above over against across along through towards toward around
    during within upon atop beyond holding carrying facing using having
    """
)
_WORN = ("in", "wearing")
_SIDES = ("left", "right", "front", "side", "top", "bottom", "back", "middle", "center", "centre")
_WORD = re.compile(r"[^\W\d_]+(?:[-'\u2019][^\W\d_]+)*")


def colours_of(phrase: str) -> frozenset[str]:
    """Return the colours of the thing that the phrase means, members of `COLOURS`.

    These are the colour words before the first preposition and after an "in" or "wearing", up to
    the next preposition. "Of" is one only after a side: "left of the red cup", but "row of red
    cups". A word with a hyphen ("red-haired") is no colour; "red-and-white" is two.
    """
    colours, counts = set(), True
    words = _WORD.findall(phrase.lower().replace("-and-", " and "))
    for before, word in zip(["", *words], words, strict=False):
        if word in _WORN:
            counts = True
        elif word in _PREPOSITIONS or (word == "of" and before in _SIDES):
            counts = False
        elif counts and word in _TERMS:
            colours.add(_TERMS[word])
    return frozenset(colours)
