"""Read weight files that somebody else wrote, without running code in them; write JSON files."""

import io
import json
import pickle
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch


class ModelFileError(ValueError):
    """A file or folder of a model cannot be read or does not fit; the message names it and why."""


@contextmanager
def _refusing(path: Path, broken: tuple[type[Exception], ...]) -> Iterator[None]:
    """Raise `ModelFileError` for a file that cannot be read; `broken` is what a cut one raises."""
    try:
        yield
    except broken as error:
        raise ModelFileError(f"{path}: is no whole weight file: {_first_line(error)}") from error
    except pickle.UnpicklingError as error:
        raise ModelFileError(
            f"{path}: is no weight file, or holds code that will not be run: {_first_line(error)}"
        ) from error


def load_weights(path: Path) -> dict[str, Any]:
    """Return the mapping in a PyTorch weight file: tensors and plain values alone.

    Raises:
        ModelFileError: the file is missing, cut off, no weight file, or holds more than that.
    """
    with _refusing(path, (OSError, RuntimeError, EOFError, ValueError, KeyError)):
        content = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(content, dict):
        raise ModelFileError(f"{path}: holds {type(content).__name__}, not a mapping of tensors")
    return content


class _ArraysOnly(pickle.Unpickler):
    """An unpickler of numpy arrays and plain values that refuses every other global."""

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        """Return the function or class that rebuilds an array.

        Raises:
            UnpicklingError: the pickle names any other global.
        """
        allowed: dict[tuple[str, str], Callable[..., Any]] = {
            ("multiarray", "_reconstruct"): _REBUILD,
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
            ("collections", "OrderedDict"): OrderedDict,
            ("_codecs", "encode"): _latin1_bytes,
        }
        short = "multiarray" if module in _MULTIARRAY else module
        if (short, name) not in allowed:
            raise pickle.UnpicklingError(f"asks for {module}.{name}")
        return allowed[short, name]


_REBUILD = cast("Callable[..., Any]", np.empty(0).__reduce__()[0])
_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")


def load_arrays(path: Path) -> dict[str, Any]:
    """Return the mapping in a pickle of numpy arrays, as detectron2's model zoo has them.

    Raises:
        ModelFileError: the file is missing, cut off, no pickle, or holds more than that.
    """
    with _refusing(path, (OSError, EOFError, ValueError, TypeError, AttributeError, IndexError)):
        content = _ArraysOnly(io.BytesIO(path.read_bytes()), encoding="latin1").load()
    if not isinstance(content, dict):
        raise ModelFileError(f"{path}: holds {type(content).__name__}, not a mapping of arrays")
    return content


def _latin1_bytes(text: str, encoding: str) -> bytes:
    """Stand for `_codecs.encode`, by which Python 3 writes bytes into old pickles."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"asks for the encoding {encoding}")
    return text.encode("latin1")


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__


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
