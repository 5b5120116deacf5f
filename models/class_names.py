"""Which of a classifier's own classes a noun means, by their names.

A class name is words, or several synonyms with commas between, as ImageNet's are written.
"""

from collections.abc import Sequence
from itertools import chain

# Nouns that ImageNet's class names do not say: names of classes, and (first, last) of a run.
_WIDER_NOUNS: dict[str, tuple[str | tuple[str, str], ...]] = {
    "airplane": ("airliner", "warplane"),
    "ape": (("orangutan", "siamang"),),
    "bag": ("backpack", "plastic bag", "purse"),
    "beach": ("seashore", "sandbar"),
    "bicycle": ("mountain bike", "bicycle-built-for-two"),
    "bike": ("mountain bike", "bicycle-built-for-two"),
    "bird": (
        ("cock", "great grey owl"),
        ("black grouse", "black swan"),
        ("white stork", "albatross"),
    ),
    "boat": (
        "canoe",
        "catamaran",
        "fireboat",
        "gondola",
        "lifeboat",
        "speedboat",
        "trimaran",
        "yawl",
    ),
    "bus": ("minibus", "school bus", "trolleybus"),
    "butterfly": (("admiral", "lycaenid"),),
    "car": (
        "beach wagon",
        "cab",
        "convertible",
        "jeep",
        "limousine",
        "minivan",
        "Model T",
        "racer",
        "sports car",
    ),
    "cat": (("tabby", "Egyptian cat"),),
    "cellphone": ("cellular telephone",),
    "couch": ("studio couch",),
    "cow": ("ox", "water buffalo"),
    "dog": (("Chihuahua", "Mexican hairless"),),
    "dress": ("gown", "hoopskirt"),
    "fish": (("tench", "stingray"), ("barracouta", "puffer")),
    "glasses": ("sunglass", "sunglasses"),
    "hat": ("bearskin", "bonnet", "cowboy hat", "sombrero"),
    "horse": ("sorrel", "horse cart"),
    "jeans": ("jean",),
    "kitten": (("tabby", "Egyptian cat"),),
    "lake": ("lakeside",),
    "lizard": (("banded gecko", "Komodo dragon"),),
    "monkey": (("guenon", "squirrel monkey"),),
    "motorbike": ("moped", "motor scooter"),
    "motorcycle": ("moped", "motor scooter"),
    "mountain": ("alp", "volcano"),
    "ocean": ("breakwater", "seashore"),
    "phone": ("cellular telephone", "dial telephone", "pay-phone"),
    "puppy": (("Chihuahua", "Mexican hairless"),),
    "sheep": ("bighorn", "ram"),
    "shirt": ("jersey", "sweatshirt"),
    "snake": (("thunder snake", "sidewinder"),),
    "sofa": ("studio couch",),
    "train": ("bullet train", "electric locomotive", "steam locomotive"),
    "truck": ("fire engine", "garbage truck", "pickup", "tow truck", "trailer truck"),
    "turtle": (("loggerhead", "box turtle"),),
    "tv": ("television",),
}


def match_classes(noun: str, classes: Sequence[str]) -> tuple[int, ...]:
    """Return the classes that a noun covers, in ascending order.

    A class counts if the noun is one of its synonyms or the last word of one; for some wider nouns
    (`dog`, `car`, ...) a table adds ImageNet classes, where all names of an entry are present.

    Args:
        noun: lower case.
        classes: name of every class, in order.
    """
    by_name = [index for index, name in enumerate(classes) if noun in _spoken_names(name)]
    entries = _WIDER_NOUNS.get(noun, ())
    by_table = chain.from_iterable(_run(entry, classes) for entry in entries)
    return tuple(sorted({*by_name, *by_table}))


def _spoken_names(class_name: str) -> set[str]:
    """Return every synonym and the last word of each, in lower case."""
    synonyms = [synonym.strip().lower() for synonym in class_name.split(",")]
    return {*synonyms, *(synonym.split()[-1] for synonym in synonyms if synonym)}


def _run(entry: str | tuple[str, str], classes: Sequence[str]) -> Sequence[int]:
    first, last = (entry, entry) if isinstance(entry, str) else entry
    if first not in classes or last not in classes:
        return ()
    return range(classes.index(first), classes.index(last) + 1)
