"""Find and read the files of a data set; what is missing or broken is named."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import InputError


def find_file(root: Path, names: Sequence[str], key: str) -> Path:
    """Return the first of some files below a root, or the root if it is such a file itself.

    Args:
        root: folder of the data set.
        names: paths below it, the most usual first.
        key: of params.yaml that names the root, for messages.

    Raises:
        InputError: there is none.
    """
    if root.is_file() and any(root.name == Path(name).name for name in names):
        return root
    for name in names:
        if (root / name).is_file():
            return root / name
    if not root.exists():
        raise InputError(f"{root}: no such folder; set {key} to where the data set lies")
    raise InputError(f"{root}: holds none of {', '.join(names)}; {key} must name their folder")


def read_json(path: Path, keep: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """Return the content of a JSON file.

    Args:
        path: the file, UTF-8.
        keep: what to make of each object as soon as it is read; None keeps it.

    Raises:
        InputError: the file cannot be read or is not JSON.
    """
    try:
        with path.open(encoding="utf-8-sig") as stream:
            return json.load(stream, object_hook=keep)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path}: is not JSON: {error}; fetch or convert it again") from error
