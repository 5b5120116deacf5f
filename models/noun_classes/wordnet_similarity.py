"""How like the labels of a detector a noun is, by the senses that WordNet has of both.

Shapes: L labels, K senses of each.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.noun_classes.detector_labels import names_of
from models.noun_classes.wordnet import WordNet

Floats = NDArray[np.float32]


class LabelSenses:
    """The labels of a detector as senses of WordNet; made once, asked of many nouns."""

    def __init__(self, wordnet: WordNet, labels: Sequence[str], num_senses: int) -> None:
        """Look the labels up.

        Args:
            wordnet: of any version.
            labels: L class names of a detector, in any case.
            num_senses: K, of a label and of a noun; the most frequent count.
        """
        self._wordnet, self._num_senses = wordnet, num_senses
        self._information = np.zeros((len(labels), num_senses), np.float32)  # (L, K)
        kinds = defaultdict[int, list[int]](list)
        for row, label in enumerate(labels):
            for column, sense in enumerate(self._senses(label)):
                self._information[row, column] = wordnet.information(sense)
                for above in wordnet.above(sense):
                    kinds[above].append(row * num_senses + column)
        # where, among L * K senses of labels, the kinds of a sense stand
        self._kinds = {above: np.array(places) for above, places in kinds.items()}

    def similarity(self, noun: str) -> Floats:
        """Return how like each label a noun is, in [0, 1], float32 (L,).

        Lin's similarity (see `WordNet.similarity`) of the two senses of noun and label that are
        most alike, with the most informative sense that both are kinds of. 0 where there is none,
        or WordNet knows neither the name nor its last word.

        Args:
            noun: singular and lower case.
        """
        best = np.zeros(len(self._information), np.float32)  # (L,)
        for sense in self._senses(noun):
            np.maximum(best, self._of_sense(sense).max(axis=1), out=best)
        return best

    def _of_sense(self, sense: int) -> Floats:
        """Return Lin's similarity of one sense and those of the labels, float32 (L, K)."""
        information = self._wordnet.information
        shared = np.zeros(self._information.size, np.float32)  # (L * K,)
        for above in sorted(self._wordnet.above(sense) & self._kinds.keys(), key=information):
            shared[self._kinds[above]] = information(above)  # the most informative comes last
        total = information(sense) + self._information  # (L, K)
        least = np.finfo(np.float32).tiny  # of two roots, which share nothing
        return 2 * shared.reshape(total.shape) / np.maximum(total, least)

    def _senses(self, name: str) -> tuple[int, ...]:
        """Return the most frequent senses of the first of a label's names that has some."""
        known = self._wordnet.senses
        found = next((known[one] for one in names_of(name) if one in known), ())
        return found[: self._num_senses]
