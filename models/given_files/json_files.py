"""JSON that others wrote, parsed with one kind of error."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from models.given_files.text_files import read_text

JsonObject = Callable[[list[tuple[str, Any]]], Any]


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


def read_json_value(path: Path) -> Any:
    """Return the value in a JSON file, UTF-8 with or without a byte order mark.

    Raises:
        OSError: the file cannot be read.
        ValueError: as `parse_json`; or it is not UTF-8.
    """
    return parse_json(read_text(path))
