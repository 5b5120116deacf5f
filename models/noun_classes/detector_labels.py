"""Which labels of a detector a noun means."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.noun_classes.coco_synonyms import COCO_NOUNS

# labels whose last word alone means another thing
_WHOLE = frozenset({"hot dog", "teddy bear", "sea lion", "polar bear", "guinea pig", "ice cream"})

_IRREGULAR = {
    "people": "person",
    "men": "man",
    "women": "woman",
    "children": "child",
    "feet": "foot",
    "teeth": "tooth",
    "mice": "mouse",
    "geese": "goose",
    "leaves": "leaf",
    "shelves": "shelf",
    "knives": "knife",
    "scarves": "scarf",
}


def noun_label_matches(nouns: Sequence[str], labels: Sequence[str]) -> NDArray[np.bool_]:
    """Return which nouns mean which labels.

    A label of COCO has the nouns of `coco_synonyms`; any other label has its whole text and its
    last word ("baseball cap": "cap"), and their singulars. A noun may mean several labels.

    Args:
        nouns: N nouns, singular and lower case.
        labels: L class names of a detector, in any case.

    Returns:
        Whether noun n means label l, bool (N, L).
    """
    matches = np.zeros((len(nouns), len(labels)), np.bool_)  # (N, L)
    row_of = {noun: row for row, noun in enumerate(nouns)}
    for column, label in enumerate(labels):
        matches[[row_of[noun] for noun in nouns_of(label) if noun in row_of], column] = True
    return matches


def noun_label_similarity(
    nouns: Sequence[str], labels: Sequence[str], synonym: float
) -> NDArray[np.float32]:
    """Return how well each noun means each label, in [0, 1], float32 (N, L).

    1 where the noun is the label's own name, `synonym` where it means the label by another name
    ("cap" and "baseball cap", "boy" and "person"), 0 elsewhere.

    Args:
        nouns: N nouns, singular and lower case.
        labels: L class names of a detector, in any case.
        synonym: in [0, 1].
    """
    means = noun_label_matches(nouns, labels)  # (N, L)
    names = [{_plain(label), *_singulars(_plain(label))} for label in labels]
    similarity = (means * synonym).astype(np.float32)
    for noun, label in np.argwhere(means).tolist():
        if nouns[noun] in names[label]:
            similarity[noun, label] = 1
    return similarity


def nouns_of(label: str) -> frozenset[str]:
    """Return every noun that means the label."""
    return COCO_NOUNS.get(_plain(label)) or frozenset(names_of(label))


def names_of(label: str) -> tuple[str, ...]:
    """Return what a label is called, the best name first: its text, its last word, singulars."""
    text = _plain(label)
    last = text if text in _WHOLE else text.rpartition(" ")[2]
    return tuple(dict.fromkeys([text, *_singulars(text), last, *_singulars(last)]))


def _plain(label: str) -> str:
    return " ".join(label.lower().replace("_", " ").split())


def _singulars(word: str) -> list[str]:
    """Return the words that a word may be the plural of."""
    if word in _IRREGULAR:
        return [_IRREGULAR[word]]
    if not word.endswith("s") or word.endswith("ss"):
        return []
    stems = [word[:-1]]
    stems += [word[:-2]] if word.endswith("es") else []
    return [*stems, word[:-3] + "y"] if word.endswith("ies") else stems
