"""Stand-ins for what NumPy and mmengine write into checkpoints; they hold values and call nothing.

NumPy's own unpickling does not check its input: a damaged array changes NumPy's number types for
the whole process. So the names of NumPy in a file are mapped to the classes below.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.given_files.foreign_values import ValueBudget

_KINDS = ("b1", "i1", "i2", "i4", "i8", "u1", "f2", "f4", "f8")  # of numbers that torch has


class PickledDtype:
    """The dtype of an array in a file."""

    def __init__(self, kind: str, *_: object) -> None:
        """Take the dtype's code, such as `f4`."""
        self.kind, self.order = str(kind), "<"

    def __setstate__(self, state: Sequence[Any]) -> None:
        """Take the byte order, the second value of the state that NumPy pickles."""
        self.order = ">" if state[1] == ">" else "<"

    def numpy(self) -> np.dtype[Any]:
        """Return NumPy's dtype.

        Raises:
            ValueError: it is none of numbers.
        """
        if self.kind not in _KINDS:
            raise ValueError(f"an array of {self.kind!r} holds no weights")
        return np.dtype(f"{self.order}{self.kind}")


class PickledArray:
    """An array in a file."""

    def __init__(self, *_: object) -> None:
        """Begin without values, as NumPy does."""
        self._state: Sequence[Any] = ()

    def __setstate__(self, state: Sequence[Any]) -> None:
        """Take version, shape, dtype, order of the axes and bytes."""
        self._state = state

    @property
    def has_numbers(self) -> bool:
        """Whether the array holds numbers that torch has."""
        dtype = self._state[2] if len(self._state) == 5 else None
        return isinstance(dtype, PickledDtype) and dtype.kind in _KINDS

    def numpy(self) -> NDArray[Any]:
        """Return the values, in this machine's byte order.

        Raises:
            ValueError: they are no numbers, or fewer or more than the shape says.
        """
        if len(self._state) != 5:
            raise ValueError("an array has no values")
        _, shape, dtype, is_fortran, content = self._state
        raw = content.encode("latin1") if isinstance(content, str) else content
        if not isinstance(dtype, PickledDtype) or not isinstance(raw, bytes | bytearray):
            raise ValueError("an array of objects holds no weights")
        flat = np.frombuffer(raw, dtype.numpy())
        values = flat.reshape(shape, order="F" if is_fortran else "C")
        return np.array(values, dtype.numpy().newbyteorder("="), order="C")

    def item(self) -> Any:
        """Return the one object of an array of objects.

        Raises:
            ValueError: it holds another number of them, or something else.
        """
        objects = self._state[4] if len(self._state) == 5 else None
        if not isinstance(objects, list) or len(objects) != 1:
            raise ValueError("an array holds no single object")
        return objects[0]


class Ignored:
    """An object whose values nobody needs, such as a buffer of logged numbers."""

    def __init__(self, *_: object, **__: object) -> None:
        """Keep nothing."""

    def __setstate__(self, state: object) -> None:
        """Keep nothing."""


def pickled_scalar(dtype: PickledDtype, content: bytes | str) -> Any:
    """Return a single number in a file, `None` if it is no number."""
    raw = content.encode("latin1") if isinstance(content, str) else content
    return np.frombuffer(raw, dtype.numpy())[0].item() if dtype.kind in _KINDS else None


def pickled_buffer(content: bytes, dtype: PickledDtype, shape: Any, order: str) -> PickledArray:
    """Return an array that pickle's protocol 5 wrote as one buffer."""
    array = PickledArray()
    array.__setstate__((1, shape, dtype, order == "F", content))
    return array


def with_arrays(value: Any, budget: ValueBudget) -> Any:
    """Return a value in which stand-ins of arrays of numbers are arrays; mappings change in place.

    Args:
        value: of a file.
        budget: of the file.

    Raises:
        ValueError: an array has fewer or more values than its shape says, a tensor is none of plain
            numbers or has more than its file, or the value holds itself many times.
    """
    if isinstance(value, PickledArray):
        return value.numpy() if value.has_numbers else value
    if isinstance(value, Tensor):
        _check_tensor(value)
    if isinstance(value, dict | list | tuple):
        budget.spend(len(value))
    if isinstance(value, dict):
        for key, item in value.items():
            value[key] = with_arrays(item, budget)
    if type(value) in (list, tuple):
        return type(value)(with_arrays(item, budget) for item in value)
    return value


def _check_tensor(tensor: Tensor) -> None:
    """Refuse a tensor that is no weight, or a view that is larger than what the file holds.

    Raises:
        ValueError: it is one.
    """
    is_dense = tensor.layout is torch.strided and tensor.device.type == "cpu"
    if not is_dense or tensor.is_quantized or tensor.is_nested:
        raise ValueError("a tensor is sparse, quantised, or without values")
    if tensor.nbytes > tensor.untyped_storage().nbytes():
        raise ValueError(f"a tensor of shape {tuple(tensor.shape)} repeats fewer values")


def ignored_attribute(*_: object) -> None:
    """Stand for `getattr`, by which a buffer of logged numbers names its own methods."""


def no_bytes(*_: object) -> bytes:
    """Return the values of an array without any; old pickles call `bytes` for them."""
    return b""


_CORES = ("numpy.core", "numpy._core")
ARRAY_STAND_INS: dict[str, Any] = {
    "numpy.dtype": PickledDtype,
    "numpy.ndarray": PickledArray,
    "builtins.bytes": no_bytes,
    "__builtin__.bytes": no_bytes,
    **{f"{core}.multiarray._reconstruct": PickledArray for core in _CORES},
    **{f"{core}.multiarray.scalar": pickled_scalar for core in _CORES},
    **{f"{core}.numeric._frombuffer": pickled_buffer for core in _CORES},
}
CHECKPOINT_STAND_INS: dict[str, Any] = {
    **ARRAY_STAND_INS,
    "mmengine.logging.history_buffer.HistoryBuffer": Ignored,
    "builtins.getattr": ignored_attribute,
    "argparse.Namespace": Ignored,
}
