"""Which of a classifier's own classes a noun means.

ImageNet's classes are found by way of WordNet (`imagenet.py` beside this file), any others by their
names: words, or several synonyms with commas between.
"""

from collections.abc import Iterable, Sequence

from models.classifier.classifier import imagenet_classes
from models.noun_classes.imagenet import NounClasses, imagenet_classes_of


def find_classes(nouns: Iterable[str], classes: Sequence[str]) -> dict[str, NounClasses]:
    """Return the classes of each noun that means some, in the order of the nouns.

    Args:
        nouns: lower case.
        classes: name of every class, in order.
    """
    if tuple(classes) == imagenet_classes():
        found = {noun: imagenet_classes_of(noun) for noun in nouns}
        return {noun: meant for noun, meant in found.items() if meant}
    named = {noun: match_classes(noun, classes) for noun in nouns}
    return {noun: NounClasses(indices, "name") for noun, indices in named.items() if indices}


def match_classes(noun: str, classes: Sequence[str]) -> tuple[int, ...]:
    """Return the classes that a noun names, in ascending order.

    A class counts if the noun is one of its synonyms or the last word of one.

    Args:
        noun: lower case.
        classes: name of every class, in order.
    """
    return tuple(index for index, name in enumerate(classes) if noun in _spoken_names(name))


def _spoken_names(class_name: str) -> set[str]:
    """Return every synonym and the last word of each, in lower case."""
    synonyms = [synonym.strip().lower() for synonym in class_name.split(",")]
    return {*synonyms, *(synonym.split()[-1] for synonym in synonyms if synonym)}
