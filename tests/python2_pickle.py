"""Pickles with the bytes that Python 2 wrote at protocol 2: `str` as byte strings, memo and all.

Python 3 writes bytes otherwise, so that the opcodes are put together by hand
(https://docs.python.org/3/library/pickletools.html).
"""

import struct


def python2_pickle(value) -> bytes:
    """Return the pickle; bytes stand for Python 2's `str`, texts for its `unicode`."""
    memo = [0]
    return b"\x80\x02" + _opcodes(value, memo) + b"."


def _opcodes(value, memo) -> bytes:
    return _WRITERS[type(value)](value, memo)


def _byte_string(value, memo) -> bytes:
    is_short = len(value) < 256
    head = b"U" + bytes([len(value)]) if is_short else b"T" + struct.pack("<i", len(value))
    return head + value + _put(memo)


def _text(value, memo) -> bytes:
    encoded = value.encode("utf-8")
    return b"X" + struct.pack("<I", len(encoded)) + encoded + _put(memo)


def _list(value, memo) -> bytes:
    head = b"]" + _put(memo)
    return head + b"(" + b"".join(_opcodes(item, memo) for item in value) + b"e"


def _mapping(value, memo) -> bytes:
    head = b"}" + _put(memo)
    pairs = [_opcodes(key, memo) + _opcodes(item, memo) for key, item in value.items()]
    return head + b"(" + b"".join(pairs) + b"u"


def _put(memo) -> bytes:
    memo[0] += 1
    return b"r" + struct.pack("<I", memo[0])


_WRITERS = {
    int: lambda value, _: b"J" + struct.pack("<i", value),
    float: lambda value, _: b"G" + struct.pack(">d", value),
    bytes: _byte_string,
    str: _text,
    list: _list,
    dict: _mapping,
}
