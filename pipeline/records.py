"""The values that cross stage borders as JSON lines: images, phrases and, apart, ground truth."""

import json
import mmap
from array import array
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

import numpy as np
import orjson
from typing_extensions import override

from models.given_files.foreign_values import is_finite_number, short_text
from models.given_files.impostors import cause_of
from models.given_files.text_files import check_regular
from pipeline.errors import InputError
from pipeline.text_index import Hashes

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class ImageRecord:
    """One image of a dataset.

    Attributes:
        image_id: unique within the dataset.
        file: path below the dataset's image folder, with forward slashes.
        image_hw: height and width in pixels, as shown (after EXIF rotation).
        split: `train`, `val`, `test`, ...
    """

    image_id: str
    file: str
    image_hw: tuple[int, int]
    split: str


@dataclass(frozen=True)
class PhraseRecord:
    """One phrase to localise; it holds nothing about where the answer is.

    Attributes:
        phrase_id: unique within the dataset.
        image_id: the image it speaks of.
        split: the image's split.
        phrase: the text to localise, never empty.
        sentence: the caption the phrase was taken from, if any.
        span: first and last-plus-one character of the phrase in `sentence`, if any.
    """

    phrase_id: str
    image_id: str
    split: str
    phrase: str
    sentence: str | None = None
    span: tuple[int, int] | None = None


@dataclass(frozen=True)
class GroundTruth:
    """Where a phrase is: opened by the evaluate stage alone.

    Attributes:
        phrase_id: the phrase.
        boxes_xyxy: every annotated box, pixels of the original image, continuous corners.
        kinds: the dataset's own classes of the thing (Flickr30K Entities: `people`, ...).
    """

    phrase_id: str
    boxes_xyxy: tuple[Box, ...]
    kinds: tuple[str, ...] = ()


REMEDY = "`dvc repro -f annotations` makes it anew"
Record = TypeVar("Record", ImageRecord, PhraseRecord, GroundTruth)


def write_records(path: Path, records: Iterable[ImageRecord | PhraseRecord | GroundTruth]) -> None:
    """Write one JSON object a line, keys in field order; equal records give equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        for record in records:
            stream.write(json.dumps(asdict(record), ensure_ascii=False) + "\n")


def read_records(path: Path, kind: type[Record]) -> list[Record]:
    """Read every record of a file.

    Raises:
        InputError: the file is missing, is not UTF-8 or holds no record, or a line is not a record
            of this kind; the message names file, line and remedy.
    """
    return [record for _, record in _records(path, kind)]


class RecordFile(Sequence[Record]):
    """The records of a file, or those of some splits, as a map of the file.

    A record is made when it is asked for; in memory are 8 bytes a record, and 8 for every hash.
    """

    def __init__(
        self,
        path: Path,
        kind: type[Record],
        splits: Sequence[str] | None = None,
        hashed: Sequence[str] = (),
    ) -> None:
        """Read a file once.

        Args:
            path: what `write_records` wrote.
            kind: of the records.
            splits: that are kept; None keeps all.
            hashed: names of fields whose texts will be looked up, see `FieldTexts`.

        Raises:
            InputError: as `read_records`.
        """
        starts, columns = array("q"), {name: array("q") for name in hashed}
        for start, record in _records(path, kind):
            if splits is None or getattr(record, "split") in splits:  # noqa: B009
                starts.append(start)
                for name, column in columns.items():
                    column.append(hash(getattr(record, name)))
        self._path = path
        self._kind: type[Record] = kind
        self._starts = np.array(starts, np.int64)  # (N,)
        self.hashes = {name: np.array(column, np.int64) for name, column in columns.items()}
        self._map = _mapped(path)

    @override
    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, row: int) -> Record: ...

    @overload
    def __getitem__(self, row: slice) -> list[Record]: ...

    @override
    def __getitem__(self, row: int | slice) -> Record | list[Record]:
        if isinstance(row, slice):
            return [self[index] for index in range(len(self))[row]]
        start = int(self._starts[row])
        stop = self._map.find(b"\n", start)
        line = self._map[start:stop] if stop >= 0 else self._map[start:]
        return _record(self._kind, orjson.loads(line))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_map": None, "hashes": {}}  # hashes hold within a process

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _map=_mapped(state["_path"]))


class FieldTexts(Generic[Record]):
    """A field of records as texts that `TextIndex` finds and looks up."""

    def __init__(self, records: Sequence[Record], name: str) -> None:
        """Name a field of records."""
        self._records: Sequence[Record] = records
        self._name = name

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, row: int) -> str:
        return str(getattr(self._records[row], self._name))

    def hashes(self) -> Hashes:
        """Return Python's hash of every text, int64 (N,)."""
        known = self._records.hashes if isinstance(self._records, RecordFile) else {}
        if self._name in known:
            return known[self._name]
        texts = (getattr(record, self._name) for record in self._records)
        return np.fromiter(map(hash, texts), np.int64, len(self._records))


def _records(path: Path, kind: type[Record]) -> Iterator[tuple[int, Record]]:
    """Yield where each line of a file begins, and its record.

    Raises:
        InputError: as `read_records`.
    """
    start = 0
    try:
        check_regular(path)
        stream = path.open("rb")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error}; {REMEDY}") from error
    with stream:
        for number, line in enumerate(stream, start=1):
            if number == 1 and line.startswith(BOM_UTF8):
                start, line = len(BOM_UTF8), line.removeprefix(BOM_UTF8)
            try:
                record = _record(kind, orjson.loads(line))
                _check_types(vars(record))
            except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
                what = f"not a {kind.__name__}: {cause_of(path, error)}"
                raise InputError(f"{path}:{number}: {what}; {REMEDY}") from error
            yield start, record
            start += len(line)
    if not start:
        raise InputError(f"{path}: holds no {kind.__name__}; {REMEDY}")


def _mapped(path: Path) -> mmap.mmap:
    with path.open("rb") as stream:
        return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)


def _record(kind: type[Record], values: dict[str, Any]) -> Record:
    """Return a record with the tuples that JSON holds as lists."""
    return kind(**{key: _frozen(value) for key, value in values.items()})


def _check_types(values: Mapping[str, Any]) -> None:
    """Check the values of a record.

    Raises:
        KeyError: no record has such a key.
        ValueError: a value is of another type than its key's.
    """
    for key, value in values.items():
        if not _IS_RIGHT[key](value):
            raise ValueError(f"{key} cannot be {short_text(value)}")


def _are_two_ints(value: Any) -> bool:
    return isinstance(value, tuple) and [type(one) for one in value] == [int, int]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


_IS_RIGHT: Mapping[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("image_id", "file", "split", "phrase_id", "phrase"), _is_text),
    "image_hw": lambda value: _are_two_ints(value) and min(value) > 0,
    "sentence": lambda value: value is None or _is_text(value),
    "span": lambda value: value is None or _are_two_ints(value),
    "boxes_xyxy": lambda value: (
        isinstance(value, tuple)
        and all(isinstance(box, tuple) and len(box) == 4 for box in value)
        and all(is_finite_number(side) for box in value for side in box)
    ),
    "kinds": lambda value: isinstance(value, tuple) and all(map(_is_text, value)),
}


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
