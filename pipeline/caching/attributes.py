"""Attributes of an HDF5 file: one text or number each, of a size known before it is read.

A text has a fixed length and lies in the object header, beside its name. Texts of variable length
lie in a heap, and HDF5 makes room for the length that stands beside them before it looks there.
"""

from collections.abc import Mapping
from typing import Any

import h5py

from pipeline.errors import InputError

MOST_BYTES = 64_000  # of a text; an object header holds 65,535 with the name and the type
_KINDS = {h5py.h5t.STRING, h5py.h5t.INTEGER, h5py.h5t.FLOAT}


def write_attributes(file: Any, attributes: Mapping[str, str | int | float]) -> None:
    """Write attributes in the order of their names.

    Args:
        file: an HDF5 file that is open for writing.
        attributes: by name; texts in UTF-8, padded with zeros where they are empty.

    Raises:
        InputError: a text is too long.
        ValueError: a text holds the character NUL, with which a text ends.
    """
    for name, value in sorted(attributes.items()):
        if isinstance(value, str):
            utf8 = _encoded(name, value)
            file.attrs.create(name, utf8, dtype=h5py.string_dtype("utf-8", max(1, len(utf8))))
        else:
            file.attrs[name] = value


def read_attribute(file: Any, name: str) -> str | int | float:
    """Return one attribute, which must be there; its kind and shape are checked before its value.

    Raises:
        ValueError: it is no single text of fixed length and no single number.
        Exception: of h5py, if the file is damaged.
    """
    attribute = h5py.h5a.open(file.id, name.encode())
    kind, space = attribute.get_type(), attribute.get_space()
    if kind.get_class() not in _KINDS or space.get_simple_extent_type() != h5py.h5s.SCALAR:
        raise ValueError(f"attribute `{name}` is not one text or number")
    if isinstance(kind, h5py.h5t.TypeStringID) and kind.is_variable_str():
        raise ValueError(f"attribute `{name}` is a text of variable length")
    if kind.get_size() > MOST_BYTES:
        raise ValueError(f"attribute `{name}` says to have {kind.get_size()} bytes")
    value = file.attrs[name]
    plain = value.decode() if isinstance(value, bytes) else value.item()
    if not isinstance(plain, str | int | float):
        raise ValueError(f"attribute `{name}` is no plain value")
    return plain


def _encoded(name: str, text: str) -> bytes:
    utf8 = text.encode()
    if b"\0" in utf8:
        raise ValueError(f"attribute `{name}` holds the character NUL")
    if len(utf8) > MOST_BYTES:
        raise InputError(f"attribute `{name}`: a cache holds {MOST_BYTES} bytes, not {len(utf8)}")
    return utf8
