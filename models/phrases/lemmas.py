"""Singular forms of English nouns, so that "men", "man" and "Man" share one class.

A table for the irregular ones, then suffix rules after WordNet's morphy (`-ies` to `-y`; `-ches`,
`-shes`, `-sses`, `-xes`, `-zzes` and `-oes` lose `-es`; other `-s` is dropped) with the exceptions
that occur in captions of photographs.
"""

import re

IRREGULAR = {
    "men": "man", "women": "woman", "children": "child", "people": "person", "peoples": "person",
    "persons": "person", "teeth": "tooth", "feet": "foot", "geese": "goose", "mice": "mouse",
    "oxen": "ox", "lice": "louse", "dice": "die", "kids": "kid", "wolves": "wolf",
    "calves": "calf", "halves": "half", "knives": "knife", "leaves": "leaf", "lives": "life",
    "loaves": "loaf", "scarves": "scarf", "shelves": "shelf", "thieves": "thief",
    "wives": "wife", "elves": "elf", "hooves": "hoof", "wharves": "wharf", "selves": "self",
    "buses": "bus", "busses": "bus", "gases": "gas", "lenses": "lens", "canvases": "canvas",
    "irises": "iris", "octopuses": "octopus", "cacti": "cactus", "fungi": "fungus",
    "movies": "movie", "cookies": "cookie", "hoodies": "hoodie", "brownies": "brownie",
    "ties": "tie", "pies": "pie", "bowties": "bowtie", "zombies": "zombie", "birdies": "birdie",
    "smoothies": "smoothie", "veggies": "veggie", "rookies": "rookie", "goalies": "goalie",
    "doggies": "doggie", "collies": "collie", "beanies": "beanie", "selfies": "selfie",
    "shoes": "shoe", "horseshoes": "horseshoe", "snowshoes": "snowshoe", "toes": "toe",
    "canoes": "canoe", "hoes": "hoe", "axes": "axe", "pickaxes": "pickaxe", "quizzes": "quiz",
    "mustaches": "mustache", "moustaches": "moustache", "headaches": "headache",
    "skis": "ski", "corgis": "corgi", "taxis": "taxi", "bikinis": "bikini", "jet-skis": "jet-ski",
    "bookshelves": "bookshelf", "lily-pads": "lily-pad", "tiptoes": "tiptoe",
    "pizzas": "pizza", "bras": "bra", "cafes": "cafe", "aircrafts": "aircraft",
    "police": "police", "policemen": "policeman", "pants": "pants", "horses": "horse",
    "neckties": "necktie", "magpies": "magpie", "prairies": "prairie", "calories": "calorie",
    "genies": "genie", "walkie-talkies": "walkie-talkie", "potpies": "potpie",
    "pixies": "pixie", "hippies": "hippie", "groupies": "groupie", "newbies": "newbie",
    "avalanches": "avalanche", "quiches": "quiche", "caches": "cache", "brioches": "brioche",
    "huaraches": "huarache", "oboes": "oboe", "aloes": "aloe", "staves": "staff",
    "tvs": "tv", "cds": "cd", "pcs": "pc", "ads": "ad",
}  # fmt: skip

INVARIANT = frozenset(
    """
    glasses sunglasses eyeglasses goggles binoculars scissors shears tongs pliers tweezers pants
    jeans shorts trousers overalls khakis slacks tights leggings pajamas pyjamas sweats
    sweatpants scrubs clothes stairs headphones bus gas lens canvas tennis iris octopus cactus
    campus circus walrus chess christmas atlas species series sheep deer fish moose bison swiss
    hippopotamus rhinoceros athletics gymnastics news mathematics bias pus plus asparagus citrus
    hummus focus dress grass glass this is was has mars texas kansas paris lotus virus discus
    cosmos debris abs
    alias alms ananas aries asbestos aurochs barracks bedclothes bellows biceps brussels chaos
    charles crossroads douglas forceps gallows headquarters james kudos molasses
    nightclothes pancreas phillips thermos triceps triceratops vegas
    """.split()  # noqa: SIM905 - a list of words reads better so
)

_POSSESSIVE = re.compile(r"(?<=\w)['\u2019]s?$")
_NOT_MEN = frozenset(
    """
    abdomen specimen semen omen regimen ramen stamen acumen dolmen bitumen lumen hymen cyclamen
    amen yemen
    """.split()  # noqa: SIM905
)
_DROP_ES = ("ches", "shes", "sses", "xes", "zzes")
_OE = ("shoes", "backhoes", "floes")
_KEEP = ("ss", "us", "is")


def lemmatise(word: str) -> str:
    """Return the singular of a lower-case noun; a word that is no plural is returned unchanged.

    A possessive ending that was left on the noun is no part of it: "lady's" is "lady".
    """
    word = without_possessive(word)
    if word in IRREGULAR:
        return IRREGULAR[word]
    if word in INVARIANT or len(word) <= 3 or not word.endswith("s") or word.endswith(_KEEP):
        return _compound_of_man(word)
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(_DROP_ES) or (word.endswith("oes") and not word.endswith(_OE)):
        return word[:-2]
    return word[:-1]


def without_possessive(word: str) -> str:
    """Return a word without "'s" or "'" at its end."""
    return _POSSESSIVE.sub("", word)


def _compound_of_man(word: str) -> str:
    """Return the singular of "firemen", "sportswomen" and "schoolchildren"."""
    for plural, singular in (("women", "woman"), ("men", "man"), ("children", "child")):
        if word.endswith(plural) and word not in _NOT_MEN:
            return word.removesuffix(plural) + singular
    return word
