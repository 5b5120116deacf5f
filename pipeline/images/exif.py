"""The orientation tag of EXIF data, read by itself: whatever else the data holds does no harm.

EXIF 2.32 lays its data out as TIFF 6.0 does: byte order, 42, offset of the first directory; there
the number of entries, then 12 bytes for each: tag, type, count, value.
"""

import struct

ORIENTATION = 274
_ORDERS = {b"II": "<", b"MM": ">"}
_TYPES = {3: "H", 4: "I"}  # SHORT, as the standard has it, and LONG
_PREFIX = b"Exif\0\0"
_MAGIC = 42


def orientation_in(exif: bytes) -> int | None:
    """Return the orientation in EXIF data, 1 to 8; None if there is no such tag.

    A tag of another type, count or value, and data that are cut off before it, mean 1: as stored.

    Args:
        exif: the data, with or without the six bytes `Exif` 0 0 before them.
    """
    exif = exif.removeprefix(_PREFIX)
    order = _ORDERS.get(exif[:2])
    if order is None:
        return None
    try:
        magic, start = struct.unpack_from(f"{order}HI", exif, 2)
        entries = struct.unpack_from(f"{order}H", exif, start)[0] if magic == _MAGIC else 0
        for place in range(start + 2, start + 2 + 12 * entries, 12):
            tag, kind, count = struct.unpack_from(f"{order}HHI", exif, place)
            if tag == ORIENTATION:
                if kind not in _TYPES or count != 1:
                    return 1
                value = struct.unpack_from(order + _TYPES[kind], exif, place + 8)[0]
                return value if 2 <= value <= 8 else 1
    except struct.error:
        return 1
    return None
