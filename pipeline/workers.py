"""Spread work over processes; the order of what comes back is the order of what went in."""

from collections.abc import Callable, Iterator, Sequence
from multiprocessing import get_context
from typing import TypeVar

Item = TypeVar("Item")
Value = TypeVar("Value")
ITEMS_PER_TASK = 16


def map_in_processes(
    work: Callable[[Item], Value], items: Sequence[Item], workers: int
) -> Iterator[Value]:
    """Yield `work(item)` of every item, in order.

    Args:
        work: picklable, and so are its items and values.
        items: what to work on.
        workers: processes; 0 and 1 work in this one.
    """
    if workers <= 1:
        yield from map(work, items)
        return
    with get_context("spawn").Pool(workers) as pool:
        yield from pool.imap(work, items, chunksize=ITEMS_PER_TASK)
