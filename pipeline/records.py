"""The values that cross stage borders as JSON lines: images, phrases and, apart, ground truth."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from models.given_files.foreign_values import is_finite_number, short_text
from models.given_files.impostors import cause_of
from models.given_files.json_files import parse_json
from models.given_files.text_files import read_lines
from pipeline.errors import InputError

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
    records = []
    try:
        lines = read_lines(path)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}; {REMEDY}") from error
    for number, line in enumerate(lines, start=1):
        try:
            values = {key: _frozen(value) for key, value in parse_json(line).items()}
            _check_types(values)
            records.append(kind(**values))
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
            what = f"not a {kind.__name__}: {cause_of(path, error)}"
            raise InputError(f"{path}:{number}: {what}; {REMEDY}") from error
    if not records:
        raise InputError(f"{path}: holds no {kind.__name__}; {REMEDY}")
    return records


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
    """Turn JSON lists back into the tuples that records hold."""
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
