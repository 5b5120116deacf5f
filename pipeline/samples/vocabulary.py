"""The word vocabulary that the reconstruction decoder spells phrases in."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

PAD, EOS, UNK = "<pad>", "<eos>", "<unk>"
_WORD = re.compile(r"\w+(?:['\u2019]\w+)*")


def split_words(phrase: str) -> list[str]:
    """Return the lower-case words of a phrase; punctuation is none, *man's* is one."""
    return _WORD.findall(phrase.lower())


@dataclass(frozen=True)
class WordVocabulary:
    """Every word that may be reconstructed, by id; the first three are <pad>, <eos>, <unk>."""

    words: tuple[str, ...]

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {word: index for index, word in enumerate(self.words)}

    def __len__(self) -> int:
        return len(self.words)

    def encode(
        self, phrases: Sequence[str], max_words: int
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the word ids of phrases.

        Args:
            phrases: P texts.
            max_words: words after these are left out.

        Returns:
            Ids, each row ending with <eos>, then <pad>, int64 (P, W); True where an id is no <pad>,
            bool (P, W). W is one more than the words of the longest phrase.
        """
        rows = [[self._id(word) for word in split_words(text)[:max_words]] for text in phrases]
        lengths = np.array([len(row) + 1 for row in rows], np.int64)
        word_mask = np.arange(lengths.max(initial=1)) < lengths[:, None]  # (P, W)
        word_ids = np.full(word_mask.shape, self._ids[PAD], np.int64)  # (P, W)
        for row, ids in zip(word_ids, rows, strict=True):
            row[: len(ids) + 1] = [*ids, self._ids[EOS]]
        return word_ids, word_mask

    def known_ids(self, phrases: Iterable[str]) -> list[int]:
        """Return the ids of the known words that phrases have, in order."""
        words = {word for phrase in phrases for word in split_words(phrase)}
        return sorted(self._ids[word] for word in words & self._ids.keys())

    def _id(self, word: str) -> int:
        return self._ids.get(word, self._ids[UNK])


def build_vocabulary(phrases: Iterable[str], min_count: int) -> WordVocabulary:
    """Return the words that occur at least `min_count` times, most frequent first."""
    counts: Counter[str] = Counter()
    for phrase, times in Counter(phrases).items():
        for word in split_words(phrase):
            counts[word] += times
    kept = sorted((-count, word) for word, count in counts.items() if count >= min_count)
    return WordVocabulary((PAD, EOS, UNK, *(word for _, word in kept)))
