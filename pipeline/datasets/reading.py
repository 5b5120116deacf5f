"""Records of one image of any data set, and the plan by which a data set is read."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, Literal, TypeVar

from pipeline.errors import InputError
from pipeline.lifetime import end_with_parent
from pipeline.records import GroundTruth, ImageRecord, PhraseRecord


@dataclass(frozen=True)
class BadRecord:
    """Something in a data set that was skipped or repaired.

    Attributes:
        kind: whether it counts as a bad image or as a bad phrase.
        cause: the same text for every case.
        detail: file and record.
    """

    kind: Literal["image", "phrase"]
    cause: str
    detail: str


@dataclass(frozen=True)
class ImageReading:
    """The records of one image.

    Attributes:
        image: None if the image cannot be used.
        phrases: input of training and evaluation.
        ground_truth: of the phrases of evaluation splits alone; training boxes are never read.
        bad: what was skipped or repaired.
        file_mark: of `mark_file`, equal for equal files; empty if not computed.
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
        items: one picklable item per image, in the order of the image table.
        read: picklable function that reads one item.
        bad: what was skipped before any image was read.
        remarks: caveats on this data set, for the log and the report.
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
        work: picklable function, with picklable items and values.
        items: its arguments.
        workers: number of processes; 0 and 1 mean this process.

    Raises:
        InputError: one of the processes was killed, by the system for want of memory, say.
    """
    if workers <= 1:
        yield from map(work, items)
        return
    done = 0
    with ProcessPoolExecutor(workers, get_context("spawn"), end_with_parent) as pool:
        try:
            for value in pool.map(work, items, chunksize=ITEMS_PER_TASK):
                yield value
                done += 1
        except BrokenProcessPool as error:
            raise InputError(
                f"runtime.workers: one of {workers} processes was killed; the first item that is "
                f"missing is {items[done]!r:.200}; were it memory, fewer workers need less"
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
