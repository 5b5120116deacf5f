"""Which classes of a classifier a noun means.

Classes of ImageNet are looked up in a table made from WordNet (`imagenet.py` in this folder),
others by their names: synonyms with commas between.
"""

from collections.abc import Iterable, Sequence

from models.classifier.classifier import imagenet_classes
from models.noun_classes.imagenet import NounClasses, imagenet_classes_of


def find_classes(nouns: Iterable[str], classes: Sequence[str]) -> dict[str, NounClasses]:
    """Return the classes of each noun that has some, in the order of the nouns.

    Args:
        nouns: lower case.
        classes: name of every class, in order.
    """
    if tuple(classes) == imagenet_classes():
        by_table = {noun: imagenet_classes_of(noun) for noun in nouns}
        return {noun: own for noun, own in by_table.items() if own}
    named = {noun: match_classes(noun, classes) for noun in nouns}
    return {noun: NounClasses(indices, "name") for noun, indices in named.items() if indices}


def match_classes(noun: str, classes: Sequence[str]) -> tuple[int, ...]:
    """Return the indices of the classes that a noun names, ascending.

    A class counts if the noun is one of its synonyms or the last word of one.

    Args:
        noun: lower case.
        classes: name of every class, in order.
    """
    return tuple(index for index, name in enumerate(classes) if noun in _names_of(name))


def _names_of(class_name: str) -> set[str]:
    """Return every synonym and the last word of each, in lower case."""
    synonyms = [synonym.strip().lower() for synonym in class_name.split(",")]
    return {*synonyms, *(synonym.split()[-1] for synonym in synonyms if synonym)}
