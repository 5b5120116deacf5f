"""Texts without a Python object each, and the row in which a text stands.

A list or dictionary of a million texts takes some 100 bytes an entry beside the text itself, and a
forked process that only looks at an entry gets its own copy of the page, for looking counts
references. Arrays are shared by all processes.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Protocol, overload

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

Hashes = NDArray[np.int64]
_AT_ONCE = 1 << 16  # texts that are decoded together


class HashedTexts(Protocol):
    """N texts by row, and Python's hash of each, int64 (N,)."""

    def __len__(self) -> int: ...

    def __getitem__(self, row: int, /) -> str: ...

    def hashes(self) -> Hashes:
        """Return the hash of every text, int64 (N,)."""
        ...


class PackedTexts(Sequence[str]):
    """N texts in two arrays, as a cache holds them."""

    def __init__(self, utf8: NDArray[np.uint8], offsets: NDArray[np.int64]) -> None:
        """Join the texts, one after another, uint8 (bytes,), and their bounds, int64 (N + 1,)."""
        self._utf8, self._offsets = utf8, offsets

    @classmethod
    def pack(cls, texts: Sequence[str]) -> "PackedTexts":
        """Return texts as arrays."""
        encoded = [text.encode() for text in texts]
        offsets = np.concatenate([[0], np.cumsum([*map(len, encoded)])]).astype(np.int64)
        return cls(np.frombuffer(b"".join(encoded), np.uint8), offsets)

    @override
    def __len__(self) -> int:
        return len(self._offsets) - 1

    @overload
    def __getitem__(self, row: int) -> str: ...

    @overload
    def __getitem__(self, row: slice) -> list[str]: ...

    @override
    def __getitem__(self, row: int | slice) -> str | list[str]:
        if isinstance(row, slice):
            return [self[index] for index in range(len(self))[row]]
        index = range(len(self))[row]
        return self._utf8[self._offsets[index] : self._offsets[index + 1]].tobytes().decode()

    @override
    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), _AT_ONCE):
            bounds = self._offsets[start : start + _AT_ONCE + 1]
            utf8 = self._utf8[bounds[0] : bounds[-1]].tobytes()
            for low, high in pairwise((bounds - bounds[0]).tolist()):
                yield utf8[low:high].decode()

    def hashes(self) -> Hashes:
        """Return Python's hash of every text, int64 (N,)."""
        return np.fromiter(map(hash, self), np.int64, len(self))


class TextIndex:
    """Finds the row of a text among N different ones, by 12 bytes a text.

    Python's hashes of texts hold within a process and its forks; an index that is pickled is made
    anew where it arrives.
    """

    def __init__(self, texts: HashedTexts) -> None:
        """Sort the hashes of the texts."""
        hashes = texts.hashes()
        order = np.argsort(hashes, kind="stable")  # (N,)
        self._texts = texts
        self._sorted = hashes[order]  # (N,)
        self._rows = order.astype(np.int32)  # (N,)
        self._has_ties = bool((self._sorted[1:] == self._sorted[:-1]).any())

    def find(self, text: str) -> int | None:
        """Return the row of a text, the last one of equal texts; None if there is none."""
        stop = int(np.searchsorted(self._sorted, hash(text), side="right"))
        while stop > 0 and self._sorted[stop - 1] == hash(text):
            stop -= 1
            if self._texts[int(self._rows[stop])] == text:
                return int(self._rows[stop])
        return None

    def find_all(self, texts: HashedTexts) -> NDArray[np.int64]:
        """Return the row of each of P texts, int64 (P,); -1 where no text has its hash.

        A text that is not there but has the 64-bit hash of one that is gets the row of that one.
        """
        if self._has_ties:
            found = (self.find(texts[row]) for row in range(len(texts)))
            return np.array([-1 if row is None else row for row in found], np.int64)
        if not len(self._sorted):
            return np.full(len(texts), -1)
        hashes = texts.hashes()  # (P,)
        places = np.searchsorted(self._sorted, hashes).clip(max=len(self._sorted) - 1)
        return np.where(self._sorted[places] == hashes, self._rows[places], -1)

    def __reduce__(self) -> tuple[Any, ...]:
        return TextIndex, (self._texts,)
