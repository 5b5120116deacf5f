"""Where an array lies in a file: enough to map it again and again without opening the cache."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class StoredArray:
    """One array of a cache, which lies in its file without a gap.

    Attributes:
        path: of the file.
        dtype: of the array.
        shape: of the array.
        offset: of its first byte in the file; None: it has no element and lies nowhere.
    """

    path: Path
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int | None

    def map(self) -> NDArray[Any]:
        """Return the array, read-only, as a map of the file.

        A page of it is read when it is looked at, and all processes that look share it.

        Raises:
            OSError: the file cannot be opened.
            ValueError: it is shorter than the array's end.
        """
        if self.offset is None:
            return np.zeros(self.shape, self.dtype)
        mapping = np.memmap(self.path, self.dtype, "r", self.offset, self.shape)
        return mapping.view(np.ndarray)  # indexing a `memmap` is slower
