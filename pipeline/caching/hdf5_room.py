"""Room on the disk for a whole HDF5 file, made sure of before HDF5 writes it.

HDF5 keeps what it could not write, tries again when the process ends, and crashes it. So no write
may fail: the file has the room beforehand, and what was too much is cut off afterwards.
Layout: HDF5 File Format Specification 3.0, II.A "Disk Format: Level 0A - Format Signature and
Superblock".
"""

import os
import struct
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_OVERHEAD, _EACH = 2**16, 2**12  # bytes beside the contents; of a name
_SUPERBLOCK_BYTES, _END_OF_FILE = 48, 40  # of version 0; where the address lies in it


def most_bytes(
    array_bytes: Sequence[int],
    texts: Mapping[str, Sequence[str]],
    attributes: Mapping[str, object],
) -> int:
    """Return how many bytes a file takes at most.

    Args:
        array_bytes: of each array.
        texts: lists of texts, in UTF-8 with an offset of eight bytes for each.
        attributes: texts and numbers by name.
    """
    num_names = len(array_bytes) + 3 * len(texts) + len(attributes)
    in_texts = sum(len(text.encode()) + 8 for own in texts.values() for text in own)
    in_attributes = sum(len(str(value).encode()) for value in attributes.values())
    return _OVERHEAD + num_names * _EACH + sum(array_bytes) + in_texts + 2 * in_attributes


def check_room(path: Path, num_bytes: int) -> None:
    """Make a file of so many bytes, while no library depends on it.

    Raises:
        OSError: it has no room on the disk.
    """
    with path.open("wb") as stream:
        reserve(stream.fileno(), num_bytes)


def reserve(handle: int, num_bytes: int) -> None:
    """Give an open file so many bytes on the disk; only Linux can.

    Raises:
        OSError: it has no room there.
    """
    if sys.platform == "linux":
        os.posix_fallocate(handle, 0, num_bytes)


def cut_to_size(path: Path) -> None:
    """Cut what was reserved behind the end of an HDF5 file that is closed."""
    with path.open("rb") as stream:
        (end,) = struct.unpack_from("<Q", stream.read(_SUPERBLOCK_BYTES), _END_OF_FILE)
    os.truncate(path, end)
