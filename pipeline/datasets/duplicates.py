"""What a data set holds twice: phrases of one image, and images that several splits share."""

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
    """Images that two splits share, as `train, val`."""

    images: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Duplicates:
    """What is there twice.

    Attributes:
        repeated_phrases: of each split, phrases that an earlier one of the same image and split
            equals, letter case aside.
        shared_files: of two splits, files that both list.
        shared_copies: of two splits, files of other names with the same length and the same end.
    """

    repeated_phrases: Mapping[str, int]
    shared_files: Mapping[str, Shared]
    shared_copies: Mapping[str, Shared]


def find_duplicates(readings: Iterable[ImageReading]) -> Duplicates:
    """Look for what is there twice."""
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
    """Return what equal files share and others hardly do: the length, and a hash of the end."""
    with path.open("rb") as stream:
        length = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, length - _TAIL_BYTES))
        return f"{length}-{hashlib.sha256(stream.read()).hexdigest()}"


def _copies(
    by_mark: Mapping[str, Sequence[tuple[str, str]]],
) -> Iterable[Sequence[tuple[str, str]]]:
    """Yield groups of equal files, each file once: one that two splits list is told elsewhere."""
    for group in by_mark.values():
        once = {file: (split, file) for split, file in reversed(group)}
        yield list(reversed(once.values()))


def _shared(groups: Iterable[Sequence[tuple[str, str]]]) -> dict[str, Shared]:
    found: dict[str, list[str]] = defaultdict(list)
    for group in groups:
        files = dict(reversed(group))  # the first file of each split
        splits = list(dict.fromkeys(split for split, _ in group))
        for index, first in enumerate(splits):
            for second in splits[index + 1 :]:
                told = dict.fromkeys((files[first], files[second]))
                found[f"{first}, {second}"].append(" = ".join(told))
    return {pair: Shared(len(files), tuple(files[:NUM_EXAMPLES])) for pair, files in found.items()}
