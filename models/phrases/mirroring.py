"""Phrases for mirrored images, and which phrases forbid mirroring or cropping the image.

Words are matched whole: *bright* and *upright* hold no *right*.
"""

import re
from collections.abc import Sequence

_SIDE = re.compile(r"\b(left|right)(?=(?:most|er|ish|hand|handed|y|est)?\b)", re.IGNORECASE)
_COMPASS = re.compile(  # "Middle Eastern" stays
    r"\b((?:north|south)?)(east|west)(?=(?:ernmost|erly|wards?)?\b)", re.IGNORECASE
)
_CLOCK = re.compile(
    r"(?<!\w)(1[0-2]|[1-9]|one|two|three|four|five|seven|eight|nine|ten|eleven)"
    r"(?=\s*o\s?['\u2019]?\s?clock\b)",
    re.IGNORECASE,
)
_HOURS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven")
_OPPOSITE = {"left": "right", "right": "left", "east": "west", "west": "east"}

_NOT_A_SIDE = re.compile(
    r"\bright\s+(?:about|above|across|after|against|around|as|at|away|before|behind|below|beneath"
    r"|beside|between|by|down|here|in|inside|into|near|next|now|on|out|outside|over|there|through"
    r"|under|underneath|up|where|angles?)\b"
    r"|\ball\s+right\b|\bleft\s+(?:alone|behind|open|out|over|overs|unattended)\b"
    r"|\b(?:counter|anti)?-?clockwise\b",
    re.IGNORECASE,
)
_TEXT_ON_OBJECT = re.compile(
    r"[0-9\"\u201c\u201d#]|\b(?:numbers?|numbered|digits?|letters?|lettering|words?|text|written|writing"
    r"|says|saying|reads|reading|initials?|labell?ed|spells?|spelling)\b",
    re.IGNORECASE,
)
_PLACE = re.compile(
    r"\b(?:(?:left|right)\w*|top|bottom|middle|cent(?:er|re)|upper|lower|corner|edge|side|first"
    r"|second|third|fourth|fifth|last|near(?:er|est)?|far|farther|farthest|furthest"
    r"|close|closer|closest|front|back|background|foreground|behind|between|next|other|beside"
    r"|above|below|under|over|(?:north|south)?(?:east|west)\w*|north|south|o'clock"
    r"|whole|entire|image|picture|photo|pic|scene|screen|view|everything)\b",
    re.IGNORECASE,
)


def mirror_phrase(phrase: str) -> str:
    """Return the phrase for the mirrored image; mirrored twice, it is the original.

    Swaps left and right (also *leftmost*, *right-hand*), east and west, 3 and 9 o'clock.
    """
    swapped = _SIDE.sub(lambda match: _opposite(match[1]), phrase)
    swapped = _COMPASS.sub(lambda match: match[1] + _opposite(match[2]), swapped)
    return _CLOCK.sub(lambda match: _mirror_hour(match[1]), swapped)


def with_mirrored(phrases: Sequence[str]) -> list[str]:
    """Return the phrases, then the mirrored forms of those that mirroring changes."""
    mirrored = [mirror_phrase(phrase) if may_flip(phrase) else phrase for phrase in phrases]
    return [*phrases, *(new for new, old in zip(mirrored, phrases, strict=True) if new != old)]


def may_flip(phrase: str) -> bool:
    """Return whether the mirrored phrase is correct for the mirrored image.

    It is not when *right* is an adverb or *left* a verb (*right behind*, *left open*), nor when the
    phrase cites text or numbers, which mirroring makes unreadable.
    """
    cited = _CLOCK.sub("", phrase)
    return not (_NOT_A_SIDE.search(phrase) or _TEXT_ON_OBJECT.search(cited))


def may_crop(phrase: str) -> bool:
    """Return whether the phrase means the same in a crop: it names no place, order or relation."""
    return not _PLACE.search(phrase)


def _opposite(word: str) -> str:
    return _as_cased(_OPPOSITE[word.lower()], word)


def _mirror_hour(hour: str) -> str:
    if hour.isdigit():
        return str(12 - int(hour) or 12)
    return _as_cased(_HOURS[10 - _HOURS.index(hour.lower())], hour)


def _as_cased(word: str, model: str) -> str:
    """Return `word` in the case of `model`: LEFT, Left or left."""
    if model.isupper():
        return word.upper()
    return word.capitalize() if model[0].isupper() else word
