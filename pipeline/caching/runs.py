"""Runs of rows: the rows of many items in one array, and where those of each begin and end."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def row_offsets(counts: ArrayLike) -> NDArray[np.int64]:
    """Return where the rows of each of N items begin in their concatenation, and where it ends.

    Args:
        counts: rows of each item, integers (N,).

    Returns:
        Rows `offsets[n]` up to `offsets[n + 1]` are those of item n, int64 (N + 1,).
    """
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def check_runs(offsets: NDArray[np.int64], num_rows: int) -> None:
    """Check that offsets, int64 (N + 1,), cut rows into N runs, as `row_offsets` makes them.

    Raises:
        ValueError: they do not.
    """
    if offsets[0] != 0 or offsets[-1] != num_rows or (np.diff(offsets) < 0).any():
        raise ValueError(f"`offsets` do not cut {num_rows} rows into runs")
