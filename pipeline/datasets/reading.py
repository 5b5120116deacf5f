"""What reading one image of any data set gives: records, and what was wrong with it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, Literal, TypeVar

from pipeline.records import GroundTruth, ImageRecord, PhraseRecord


@dataclass(frozen=True)
class BadRecord:
    """Something in a data set that was skipped or repaired.

    Attributes:
        kind: what it counts against: the images read, or their phrases.
        cause: the same words for every case of it.
        detail: file and record, for a person to find it.
    """

    kind: Literal["image", "phrase"]
    cause: str
    detail: str


@dataclass(frozen=True)
class ImageReading:
    """All that one image of a data set gives.

    Attributes:
        image: None if the image cannot be used.
        phrases: what training and evaluation may see.
        ground_truth: of the phrases of evaluation splits alone; training boxes are never read.
        bad: what was skipped or repaired.
        file_mark: what equal files share; empty if it was not asked for.
    """

    image: ImageRecord | None
    phrases: tuple[PhraseRecord, ...] = ()
    ground_truth: tuple[GroundTruth, ...] = ()
    bad: tuple[BadRecord, ...] = ()
    file_mark: str = ""


@dataclass(frozen=True)
class ReadingPlan:
    """How to read a data set: `read` of each item, in any order, in any process.

    Attributes:
        items: what stands for each image, picklable, in the order of the image table.
        read: picklable; reads one item.
        bad: what was skipped before any image was looked at.
        remarks: what a person must know of this data set.
    """

    items: tuple[Any, ...]
    read: Callable[[Any], ImageReading]
    bad: tuple[BadRecord, ...] = ()
    remarks: tuple[str, ...] = ()


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
