"""Duplicates in a data set: repeated phrases of an image, images that several splits share."""

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.datasets.reading import ImageReading

NUM_EXAMPLES = 5
_TAIL_BYTES = 4096


@dataclass(frozen=True)
class Shared:
    """Images that two splits share.

    Attributes:
        images: how many.
        examples: the first of them: a file, or two files with `=` between.
    """

    images: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Duplicates:
    """Duplicates of a data set.

    Attributes:
        repeated_phrases: by split, the number of phrases that equal an earlier one of the same
            image and split, letter case aside.
        shared_files: by pair of splits (`train, val`), the files that both list.
        shared_copies: by pair of splits, files of other names with equal length and end.
    """

    repeated_phrases: Mapping[str, int]
    shared_files: Mapping[str, Shared]
    shared_copies: Mapping[str, Shared]


def find_duplicates(readings: Iterable[ImageReading]) -> Duplicates:
    """Return the duplicates among the images and phrases of a data set."""
    repeated: Counter[str] = Counter()
    by_file: dict[str, list[tuple[str, str]]] = defaultdict(list)  # (split, file)
    by_mark: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for reading in readings:
        if reading.image is None:
            continue
        place = (reading.image.split, reading.image.file)
        phrases = [phrase.phrase.casefold() for phrase in reading.phrases]
        repeated[place[0]] += len(phrases) - len(set(phrases))
        by_file[place[1]].append(place)
        if reading.file_mark:
            by_mark[reading.file_mark].append(place)
    return Duplicates(dict(repeated), _shared(by_file.values()), _shared(_copies(by_mark)))


def mark_file(path: Path) -> str:
    """Return a mark that is equal for equal files: the length, and a hash of the last bytes."""
    with path.open("rb") as stream:
        length = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, length - _TAIL_BYTES))
        return f"{length}-{hashlib.sha256(stream.read()).hexdigest()}"


def _copies(
    by_mark: Mapping[str, Sequence[tuple[str, str]]],
) -> Iterable[Sequence[tuple[str, str]]]:
    """Yield groups of equal files, each file once: `shared_files` holds files that splits share."""
    for group in by_mark.values():
        once = {file: (split, file) for split, file in reversed(group)}
        yield list(reversed(once.values()))


def _shared(groups: Iterable[Sequence[tuple[str, str]]]) -> dict[str, Shared]:
    examples: dict[str, list[str]] = defaultdict(list)
    for group in groups:
        files = dict(reversed(group))  # the first file of each split
        splits = list(dict.fromkeys(split for split, _ in group))
        for index, first in enumerate(splits):
            for second in splits[index + 1 :]:
                names = dict.fromkeys((files[first], files[second]))
                examples[f"{first}, {second}"].append(" = ".join(names))
    return {pair: Shared(len(own), tuple(own[:NUM_EXAMPLES])) for pair, own in examples.items()}
