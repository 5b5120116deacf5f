"""One's own pictures and phrases: a file per split, of which `train.jsonl` is trained on.

A line is a JSON object, one phrase. Required are `image` (path below the folder of the pictures),
`phrase` and, in evaluation splits, `boxes_xyxy` (one or more boxes: corners in pixels of the
picture, from 0), which training ignores. Optional are `id`, `sentence` with `span`, `kinds`, and
the `score` and `confidence` of a box that was predicted, which nothing looks at.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from models.given_files.foreign_values import short_text
from models.given_files.json_files import parse_json
from models.given_files.text_files import given_files, read_lines
from pipeline.datasets.files import check_file, check_inside, unique_keys
from pipeline.datasets.referring import TRAIN, Referral, ReferringData
from pipeline.errors import InputError
from pipeline.params.datasets import OwnDataset

REQUIRED = ("image", "phrase")
KEYS = (*REQUIRED, "boxes_xyxy", "id", "sentence", "span", "kinds", "score", "confidence")
_A_BOX = "a list of boxes, such as [[0, 0, 20, 10]]"
SUFFIX = ".jsonl"


def read_own_lines(name: str, section: OwnDataset) -> ReferringData:
    """Return the referring expressions in the files; each file's name is its split.

    Raises:
        InputError: a file is missing or not UTF-8, or a line is malformed.
    """
    key = f"datasets.{name}.root in params.yaml"
    root = Path(section.root)
    folder = root.parent if root.is_file() else root
    paths = sorted(given_files(folder, f"*{SUFFIX}"))
    if not paths:
        what = f"holds no file *{SUFFIX}" if folder.is_dir() else "no such folder"
        raise InputError(f"{folder}: {what}; {key} must name the folder of such files")
    referrals = [referral for path in paths for referral in _read_file(path)]
    return ReferringData(referrals, "xyxy")


def _read_file(path: Path) -> Iterator[Referral]:
    check_inside(path.parent, path)
    check_file(path)
    try:
        lines = read_lines(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8: {error}; save it as UTF-8") from error
    for number, line in enumerate(lines, start=1):
        if line.strip(" \t\r"):
            yield _referral(line, path.stem, number, f"{path}:{number}")


def _referral(line: str, split: str, number: int, where: str) -> Referral:
    values = _parse(line, where)
    phrase_id = values.get("id", f"{split}/{number}")
    _check(isinstance(phrase_id, str) or type(phrase_id) is int, where, "id", "a text or a number")
    boxes = [] if split == TRAIN else values.get("boxes_xyxy", [])
    kinds, sentence, span = values.get("kinds", []), values.get("sentence"), values.get("span")
    _check(_is_list_of(boxes, list), where, "boxes_xyxy", _A_BOX)
    _check(_is_list_of(kinds, str), where, "kinds", "a list of texts")
    _check(sentence is None or isinstance(sentence, str), where, "sentence", "a text")
    is_span = span is None or (_is_list_of(span, int) and len(span) == 2)
    _check(is_span, where, "span", "two whole numbers")
    return Referral(
        phrase_id=str(phrase_id),
        picture=values["image"],
        split=split,
        phrase=values["phrase"],
        boxes=tuple(boxes),
        kinds=tuple(kinds),
        sentence=sentence,
        span=(span[0], span[1]) if span else None,
    )


def _parse(line: str, where: str) -> Mapping[str, Any]:
    """Return the object of a line, with all it must have and nothing unknown.

    Raises:
        InputError: the message names file, line and key.
    """
    try:
        values = parse_json(line, unique_keys)
    except ValueError as error:  # also of a number with thousands of digits
        raise InputError(f"{where}: is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise InputError(f"{where}: must be a JSON object")
    unknown = sorted(set(values) - set(KEYS))
    if unknown:
        raise InputError(f"{where}: {short_text(unknown[0])} is unknown; known: {', '.join(KEYS)}")
    for key in REQUIRED:
        _check(isinstance(values.get(key), str), where, key, "a text")
    return values


def _check(is_right: bool, where: str, key: str, expected: str) -> None:
    if not is_right:
        raise InputError(f"{where}: {key} must be {expected}")


def _is_list_of(value: object, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)
