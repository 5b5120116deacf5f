"""A check of the heap in which HDF5 keeps the texts of attributes, before HDF5 itself reads it.

HDF5 goes from object to object by their sizes. Where an object without number has size 0, as in a
run of zeros, it never comes to the end (libhdf5 2.0, `H5HG__cache_heap_deserialize`).
Layout: HDF5 File Format Specification 3.0, III.E "Disk Format: Level 1E - Global Heap".
"""

import struct
from pathlib import Path

_COLLECTION = b"GCOL\x01\x00\x00\x00"  # signature, version, three reserved bytes
_ALIGNMENT, _HEADER, _START_BYTES = 8, 16, 2**16  # a cache has its attributes at its beginning


def has_endless_heap(path: Path) -> bool:
    """Return whether HDF5 would never come to the end of a heap at the beginning of a file.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as stream:
        start = stream.read(_START_BYTES)
    place = start.find(_COLLECTION)
    while place >= 0:
        if place % _ALIGNMENT == 0 and _is_endless(start, place):
            return True
        place = start.find(_COLLECTION, place + 1)
    return False


def _is_endless(start: bytes, collection: int) -> bool:
    """Return whether the walk through the objects of a collection stands still."""
    (size,) = struct.unpack_from("<Q", start.ljust(collection + _HEADER, b"\0"), collection + 8)
    place, end = collection + _HEADER, min(collection + size, len(start))
    while place + _HEADER <= end:
        number, _, _, length = struct.unpack_from("<HHIQ", start, place)
        if number == 0 and length == 0:
            return True
        padded = -(-length // _ALIGNMENT) * _ALIGNMENT
        place += length if number == 0 else _HEADER + padded
    return False
