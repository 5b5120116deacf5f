"""English templates of the meanings of the drawn data set.

{N} stands for the described noun, {L} for the landmark with its article, {K} for `second`
or `third`, {D} for a side, {V} {H} for a corner.
A word is tagged as LEXICON says, unless the template writes the tag after a slash.
"""

from pipeline.datasets.shapes.vocabulary import COLOURS, HYPERNYMS, PLURALS, SYNONYMS, TaggedWord

SIZE_WORDS = {"small": ("small", "little", "tiny"), "large": ("big", "large")}
TEXTURE_WORDS = {"striped": ("striped",), "dotted": ("dotted", "spotted"), "plain": ("plain",)}
TEXTURE_TAILS = {"striped": "with stripes", "dotted": "with dots"}
RANKS = {2: "second", 3: "third"}

SIDES = {
    "left": (
        *("the left/ADJ {N}", "the {N} on the left", "the {N} on the left/ADJ side"),
        *("{N} on left", "the {N} to the left", "left/ADJ {N}"),
    ),
    "right": (
        *("the right/ADJ {N}", "the {N} on the right", "the {N} on the right/ADJ side"),
        *("{N} on right", "the {N} to the right", "right/ADJ {N}"),
    ),
    "top": ("the top/ADJ {N}", "the {N} at the top", "the upper {N}", "{N} at top"),
    "bottom": ("the bottom/ADJ {N}", "the {N} at the bottom", "the lower {N}", "{N} at bottom"),
}
EXTREMES = {
    "left": (
        *("the leftmost {N}", "the left/ADV most {N}", "the {N} on the far left"),
        *("the {N} farthest to the left", "far left/ADJ {N}"),
    ),
    "right": (
        *("the rightmost {N}", "the right/ADV most {N}", "the {N} on the far right"),
        *("the {N} farthest to the right", "far right/ADJ {N}"),
    ),
    "top": ("the topmost {N}", "the top/ADV most {N}", "the highest {N}", "the uppermost {N}"),
    "bottom": ("the lowest {N}", "the bottom/ADV most {N}", "the {N} closest to the bottom"),
}
RANKED = ("the {K} {N} from the {D}", "{K} {N} from {D}", "the {K} {N} counting from the {D}")
CORNERS = (
    *("the {N} in the {V} {H}/ADJ corner", "{V} {H}/ADJ {N}", "the {V} {H}/ADJ {N}"),
    *("{N} in {V} {H}/ADJ corner", "the {N} at the {V} {H}"),
)
CORNER_WORDS = {"top": ("upper", "top/ADJ"), "bottom": ("lower", "bottom/ADJ")}
BIGGEST = ("the biggest {N}", "the largest {N}")
SMALLEST = ("the smallest {N}", "the tiniest {N}")
RELATIONS = {
    "left": (
        *("the {N} left/ADV of {L}", "the {N} to the left of {L}", "the {N} on the left of {L}"),
        "the {N} that is left/ADV of {L}",
    ),
    "right": (
        *("the {N} right/ADV of {L}", "the {N} to the right of {L}", "the {N} on the right of {L}"),
        "the {N} that is right/ADV of {L}",
    ),
    "top": ("the {N} above {L}", "the {N} over {L}", "the {N} that is above {L}"),
    "bottom": ("the {N} below {L}", "the {N} under {L}", "the {N} beneath {L}"),
    "near": (
        *("the {N} next to {L}", "the {N} beside {L}", "the {N} near {L}"),
        *("the {N} closest to {L}", "the {N} close to {L}"),
    ),
}
GROUPS = {
    1: ("the {N}",),
    2: ("both {N}", "the two {N}", "two {N}", "the {N}", "the pair of {N}"),
    3: ("all three {N}", "the three {N}", "the {N}", "all {N}"),
}

_NOUNS = (
    *("left", "right", "top", "bottom", "side", "corner", "pair"),
    *HYPERNYMS,
    *SYNONYMS,
    *SYNONYMS.values(),
)
_ADJECTIVES = (
    *("upper", "lower", "far", "close", "leftmost", "rightmost", "topmost", "uppermost"),
    *("small", "little", "tiny", "big", "large", "striped", "dotted", "spotted", "plain"),
    *COLOURS,
)
_SUPERLATIVES = ("highest", "lowest", "biggest", "largest", "smallest", "tiniest", "closest")
_ADPOSITIONS = (
    *("of", "on", "in", "at", "to", "from", "with", "above", "over", "below", "under"),
    *("beneath", "beside", "near"),
)
_OTHERS = {
    "the": ("DET", "DT", "Definite=Def|PronType=Art"),
    "a": ("DET", "DT", "Definite=Ind|PronType=Art"),
    "all": ("DET", "DT", "PronType=Tot"),
    "both": ("DET", "DT", "PronType=Tot"),
    "two": ("NUM", "CD", "NumForm=Word|NumType=Card"),
    "three": ("NUM", "CD", "NumForm=Word|NumType=Card"),
    "second": ("ADJ", "JJ", "Degree=Pos|NumType=Ord"),
    "third": ("ADJ", "JJ", "Degree=Pos|NumType=Ord"),
    "farthest": ("ADV", "RBS", "Degree=Sup"),
    "next": ("ADV", "RB", "_"),
    "most": ("ADV", "RBS", "Degree=Sup"),
    "counting": ("VERB", "VBG", "VerbForm=Ger"),
    "that": ("PRON", "WDT", "PronType=Rel"),
    "is": ("AUX", "VBZ", "Mood=Ind|Number=Sing|Person=3|Tense=Pres|VerbForm=Fin"),
}
_BY_TAG = {
    "NOUN": ("NOUN", "NN", "Number=Sing"),
    "ADJ": ("ADJ", "JJ", "Degree=Pos"),
    "ADV": ("ADV", "RB", "_"),
    "ADP": ("ADP", "IN", "_"),
}
LEXICON: dict[str, tuple[str, str, str]] = {
    **dict.fromkeys(_ADJECTIVES, _BY_TAG["ADJ"]),
    **dict.fromkeys(_SUPERLATIVES, ("ADJ", "JJS", "Degree=Sup")),
    **dict.fromkeys(_ADPOSITIONS, _BY_TAG["ADP"]),
    **dict.fromkeys(_NOUNS, _BY_TAG["NOUN"]),
    **dict.fromkeys(("stripes", "dots", *PLURALS.values()), ("NOUN", "NNS", "Number=Plur")),
    **_OTHERS,
}


def tagged(words: str) -> list[TaggedWord]:
    """Return the words of a template with their tags; an unknown word is a singular noun."""
    return [_tagged_word(*word.partition("/")[::2]) for word in words.split()]


def tagged_noun(noun: str, is_plural: bool) -> TaggedWord:
    """Return a noun in its number."""
    if is_plural:
        return TaggedWord(noun, "NOUN", "NNS", "Number=Plur")
    return TaggedWord(noun, *_BY_TAG["NOUN"])


def _tagged_word(text: str, tag: str) -> TaggedWord:
    return TaggedWord(text, *(_BY_TAG[tag] if tag else LEXICON[text]))
