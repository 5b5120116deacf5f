"""Closed lists of words that say where a thing is, how large it is, and beside what; lower case."""

from collections.abc import Sequence


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


LEFT, RIGHT, TOP, BOTTOM, MIDDLE = "left", "right", "top", "bottom", "middle"
FRONT, BACK, LARGE, SMALL = "front", "back", "large", "small"
CUES = (LEFT, RIGHT, TOP, BOTTOM, MIDDLE, FRONT, BACK, LARGE, SMALL)  # their numbers in the cache
SIDES = (LEFT, RIGHT, TOP, BOTTOM, FRONT, BACK)  # those that things can be counted from

OPPOSITE = {LEFT: RIGHT, RIGHT: LEFT}  # in a mirror
FAR_SIDE = {**OPPOSITE, TOP: BOTTOM, BOTTOM: TOP, FRONT: BACK, BACK: FRONT}

NEAR, TOUCHING = "near", "touching"
RELATIONS = (*SIDES, NEAR, TOUCHING)  # of a thing to its anchor; their numbers in the cache

_CUE_LISTS = {
    LEFT: "left leftmost lefthand leftish lefty west leftward",
    RIGHT: "right rightmost righthand rightish righty east rightward",
    TOP: "top topmost upper uppermost highest upmost",
    BOTTOM: "bottom bottommost lower lowermost lowest",
    MIDDLE: "middle middlemost center centre centermost mid central centered",
    FRONT: "front frontmost foreground closest near nearest closer nearer",
    BACK: "back backmost background rear farthest furthest rearmost",
    LARGE: "big bigger biggest large larger largest huge giant tallest taller",
    SMALL: "small smaller smallest little littlest tiny tiniest shortest",
}
CUE_OF = {word: cue for cue, text in _CUE_LISTS.items() for word in text.split()}
VIEWERS = _words("us me you camera viewer photographer screen")  # "closest to us" is in front
NO_PLACES = _words("aged handed footed eastern east school")  # "middle aged", "left handed"
HERE = _words("here there now")  # "right there"
ROWS = _words("row rows column line shelf level floor")  # counted themselves: "second row"
# behind them a side is where something looks or goes: "facing left", "walking to the right"
HEADINGS = _words(
    """
    facing faces face faced looking looks pointing points pointed turned turning turns heading
    headed heads going walking moving running flying leaning pulled
    """
)
DEGREES = _words("closest nearest closer nearer farthest furthest")  # before a side

ORDINALS = {
    word: number
    for number, text in enumerate(
        (
            "first 1st",
            "second 2nd",
            "third 3rd",
            "fourth 4th forth",
            "fifth 5th",
            "sixth 6th",
            "seventh 7th",
        ),
        start=1,
    )
    for word in text.split()
}

# words of a place that name no thing of their own: "on the left hand side of the picture"
FRAMES = _words(
    """
    side sides hand corner edge end area part portion half row most far very all way just direct
    directly immediate immediately slightly the a an this that our your my its and or of
    picture pictures pic pics photo photograph image images frame screen shot view scene
    us me you camera viewer one ones it him her them there here
    """
)

COUNTING = _words("from to counting last")
FILLERS = FRAMES | ORDINALS.keys() | COUNTING  # what none of them says, only all together

# the longest that fits is taken; each is followed by what the thing is compared with
RELATION_WORDS: dict[tuple[str, ...], str] = {
    tuple(words.split()): relation
    for relation, phrases in {
        FRONT: ("in front of", "front of", "infront of", "before"),
        BACK: ("behind", "in back of", "back of", "beyond"),
        TOP: ("above", "over", "on top of", "atop"),
        BOTTOM: ("below", "under", "underneath", "beneath"),
        NEAR: (
            *("next to", "close to", "closest to", "nearest to", "nearest", "near", "nearby"),
            *("beside", "besides", "by", "adjacent to", "alongside", "against", "touching"),
        ),
        TOUCHING: (
            *(
                "in",
                "inside",
                "on",
                "onto",
                "upon",
                "within",
                "at",
                "with",
                "w/",
                "w /",
                "w",
                "wearing",
            ),
            *("holding", "carrying", "having", "riding", "has", "using", "of"),
        ),
    }.items()
    for words in phrases
}


def number_in(names: Sequence[str], name: str) -> int:
    """Return the index of a name, -1 if it is none of them."""
    return names.index(name) if name in names else -1
