"""A reader of lists that torch saved, which calls nothing that the file names.

`torch.load(weights_only=True)` builds plain values. Lists of boxes also hold arrays of NumPy, whose
unpickling does not check its input: a damaged array changed NumPy's number types for the whole
process. So the names of NumPy are mapped to the classes below, which decode numbers from bytes.
"""

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.given_files.impostors import cause_of
from pipeline.datasets.files import check_inside
from pipeline.errors import InputError

_KINDS = ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "f4", "f8")  # of numbers in a box
_MOST_BYTES = 2**20  # of one array


class GivenDtype:
    """The dtype of an array in a file."""

    def __init__(self, kind: str, *_: object) -> None:
        """Take the dtype's code, one of `_KINDS`.

        Raises:
            ValueError: it is none of them.
        """
        if kind not in _KINDS:
            raise ValueError(f"an array of {kind!r} is no box")
        self.kind = kind
        self.order = "<"

    def __setstate__(self, state: Sequence[Any]) -> None:
        """Take the byte order, the second value of the state that NumPy pickles."""
        self.order = ">" if state[1] == ">" else "<"

    def numbers(self, content: bytes) -> list[float]:
        """Return the numbers encoded by bytes."""
        return np.frombuffer(content[:_MOST_BYTES], f"{self.order}{self.kind}").tolist()


class GivenArray:
    """An array in a file.

    Attributes:
        numbers: all of them, one after another.
    """

    def __init__(self, *_: object) -> None:
        """Begin without numbers, as NumPy does."""
        self.numbers: list[float] = []

    def __setstate__(self, state: Sequence[Any]) -> None:
        """Take the numbers; version, shape and order of the axes are ignored."""
        *_, dtype, _, content = state
        self.numbers = dtype.numbers(content)


def given_scalar(dtype: GivenDtype, content: bytes) -> float:
    """Return a single number in a file."""
    return dtype.numbers(content)[0]


_STAND_INS: list[Any] = [
    (GivenDtype, "numpy.dtype"),
    (GivenArray, "numpy.ndarray"),
    *((GivenArray, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
    *((given_scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
]


def load_list(path: Path) -> list[Any]:
    """Return the list in a file of torch; its arrays are `GivenArray`.

    Raises:
        InputError: the file is broken, names anything else to call, or holds no list.
    """
    from models.given_files.safe_load import BROKEN, load_torch, plain_reason  # slow to import

    check_inside(path.parent, path)
    try:
        content = load_torch(path, _STAND_INS)
    except (*BROKEN, pickle.UnpicklingError) as error:
        cause = cause_of(path, ValueError(plain_reason(error)))
        raise InputError(f"{path}: is refused as a list of torch: {cause}; get it anew") from error
    if not isinstance(content, list):
        raise InputError(f"{path}: must hold a list of tuples, holds a {type(content).__name__}")
    return content
