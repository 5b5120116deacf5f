"""An unpickler that makes no more room than the file that it reads has bytes."""

import pickle
import struct
from typing import Any


def _load_bytearray(unpickler: Any) -> None:
    (count,) = struct.unpack("<Q", unpickler.read(8))
    unpickler.append(bytearray(unpickler.read(count)))


class CarefulUnpickler(pickle._Unpickler):
    """An unpickler that takes no number in a file for the room to make.

    It is the Python implementation, whose memo is a mapping: the C implementation allocates a memo
    up to the largest index that a broken file names, up to 64 GB. Either makes room for a bytearray
    before it looks for its bytes; this one reads them first.
    """

    dispatch = pickle._Unpickler.dispatch | {pickle.BYTEARRAY8[0]: _load_bytearray}
