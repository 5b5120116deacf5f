"""What all folders of models have in common: JSON files of fixed bytes, and one error."""

import json
from pathlib import Path


class ModelFileError(ValueError):
    """A file or folder of a model cannot be read or does not fit; the message names it and why."""


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
