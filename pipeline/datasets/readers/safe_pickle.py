"""A reader of pickles of plain values; pickles that name anything to call are refused.

A pickle is a program: `pickle.load` runs whatever the author of the file put into it. Lists of
annotations need plain values alone.
"""

import io
import pickle
import struct
from pathlib import Path
from typing import Any

from models.given_files.careful_unpickler import CarefulUnpickler
from models.given_files.foreign_values import ValueBudget
from models.given_files.impostors import cause_of
from models.given_files.text_files import read_bytes
from pipeline.datasets.files import check_inside
from pipeline.errors import InputError

BROKEN_PICKLE = (  # what unpicklers raise on bytes that are no pickle
    pickle.UnpicklingError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
)


class _PlainValues(CarefulUnpickler):
    """An unpickler of lists, tuples, mappings, sets, texts and numbers that refuses all else."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which plain values do not need")


def read_plain_pickle(path: Path) -> Any:
    """Return the value in a pickle of any protocol, also one that Python 2 wrote.

    Byte strings, which is what Python 2's `str` was, become texts: UTF-8 where they are, else
    Latin-1.

    Raises:
        InputError: the file cannot be read, is broken, or holds anything but plain values.
    """
    check_inside(path.parent, path)
    try:
        pickled = read_bytes(path)
        values = _PlainValues(io.BytesIO(pickled), encoding="bytes").load()
        return _with_texts(values, ValueBudget(len(pickled)))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except BROKEN_PICKLE as error:
        cause = cause_of(path, error)
        raise InputError(f"{path}: is refused as a pickle: {cause}; get it anew") from error


def _with_texts(value: Any, budget: ValueBudget) -> Any:
    """Turn byte strings into texts, however deep they lie.

    Raises:
        ValueError: the values are more than the budget.
    """
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return value.decode("latin-1")
    if isinstance(value, dict):
        budget.spend(2 * len(value))
        pairs = value.items()
        return {_with_texts(key, budget): _with_texts(item, budget) for key, item in pairs}
    if isinstance(value, list | tuple):
        budget.spend(len(value))
        return type(value)(_with_texts(item, budget) for item in value)
    return value
