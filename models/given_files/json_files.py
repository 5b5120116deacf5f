"""JSON files: what others wrote is parsed with one kind of error, ours have equal bytes."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from models.given_files.text_files import read_text

JsonObject = Callable[[list[tuple[str, Any]]], Any]
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse_json(text: str | bytes, make_object: JsonObject | None = None) -> Any:
    """Return the value of a JSON text.

    Args:
        text: the text, or its bytes in UTF-8.
        make_object: makes a value of the keys and values of each object; None: `dict`.

    Raises:
        ValueError: it is not JSON, holds a number of thousands of digits, or lists and objects lie
            too deep in each other; or `make_object` raises it.
    """
    try:
        return json.loads(text, object_pairs_hook=make_object)
    except RecursionError as error:
        raise ValueError("lists or objects lie too deep in each other") from error


def parse_writable_json(text: str) -> Any:
    """Return the value of a JSON text, of which every text can be written again.

    Raises:
        ValueError: as `parse_json`; or a text in it holds half of a character (a lone surrogate).
    """
    value = parse_json(text)
    if _SURROGATE.search(text):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise ValueError("a text holds half of a character (a lone surrogate)") from error
    return value


def read_json_value(path: Path) -> Any:
    """Return the value in a JSON file, UTF-8 with or without a byte order mark.

    Raises:
        OSError: the file cannot be read.
        ValueError: as `parse_writable_json`; or it is not UTF-8.
    """
    return parse_writable_json(read_text(path))


def write_json(path: Path, content: object, *, indent: int, sort_keys: bool = False) -> None:
    """Write a JSON file in UTF-8 that ends with a newline; equal contents give equal bytes.

    Args:
        path: in a folder that is there.
        content: mappings, sequences and plain values.
        indent: spaces a level.
        sort_keys: whether keys are ordered by the alphabet instead of as they come.
    """
    text = json.dumps(content, indent=indent, sort_keys=sort_keys, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")
