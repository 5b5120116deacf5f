"""Pictures made by hand to do harm: huge by their header, packed, or run by another program."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

Hostile = Callable[[bytes, Path], bytes]
BLOCK = 2**24


def deflated_zeros(num_bytes: int) -> bytes:
    """Return raw deflated zeros, of blocks that need nothing before them."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(BLOCK)) + packer.flush(zlib.Z_FULL_FLUSH)
    end = zlib.compressobj(9, zlib.DEFLATED, -15).flush()
    return block * (num_bytes // BLOCK) + end


def _png(width: int, height: int, *chunks: tuple[bytes, bytes], colour: int = 2) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    every = ((b"IHDR", head), *chunks, (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in every
    )


def _zlib_zeros(num_bytes: int) -> bytes:
    return b"\x78\x9c" + deflated_zeros(num_bytes) + bytes(4)


def _jpeg_of_size(content: bytes, width: int, height: int) -> bytes:
    for code in (b"\xff\xc0", b"\xff\xc2"):
        at = content.find(code)
        if at >= 0:
            return content[: at + 5] + struct.pack(">HH", height, width) + content[at + 9 :]
    return content


def _gif_of_size(width: int, height: int, frame_wh: tuple[int, int]) -> bytes:
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    return head + b"\x2c" + struct.pack("<HHHHB", 0, 0, *frame_wh, 0) + b"\x02\x02\x44\x01\x00;"


PICTURES: tuple[Hostile, ...] = (
    lambda *_: _png(2**31 - 1, 2**31 - 1),
    lambda *_: _png(60_000, 60_000, (b"IDAT", _zlib_zeros(2**28))),
    lambda *_: _png(13_000, 13_000, (b"IDAT", _zlib_zeros(2**29))),
    lambda *_: _png(13_000, 13_000, (b"IDAT", _zlib_zeros(2**30)), colour=6),
    lambda *_: _png(9, 9, (b"iCCP", b"a\0\0" + _zlib_zeros(2**30)), (b"IDAT", b"")),
    lambda *_: _png(9, 9, (b"zTXt", b"a\0\0" + _zlib_zeros(2**30)), (b"IDAT", b"")),
    lambda content, _: _jpeg_of_size(content, 65_500, 65_500),
    lambda content, _: _jpeg_of_size(content, 13_000, 13_000),
    lambda content, _: _jpeg_of_size(content, 0, 0),
    lambda *_: _gif_of_size(65_535, 65_535, (9, 9)),
    lambda *_: _gif_of_size(13_000, 13_000, (13_000, 13_000)),
    lambda *_: (
        b"BM" + struct.pack("<IIIIiiHHIIIIII", 70, 0, 54, 40, 13_000, 13_000, 1, 24, *[0] * 6)
    ),
    lambda *_: b"P6\n13000 13000\n255\n" + bytes(100),
    lambda *_: b"P6\n99999999 99999999\n255\n",
    lambda *_: (
        b"II*\0\x08\0\0\0\x02\0" + struct.pack("<HHIIHHII", 256, 4, 1, 13_000, 257, 4, 1, 13_000)
    ),
    lambda *_: b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 273, 4, 2**32 - 1, 8),
    lambda *_: b"8BPS\0\x01" + bytes(6) + struct.pack(">HIIHH", 3, 60_000, 60_000, 8, 3),
    lambda _, outside: (
        f"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n({outside}/1.txt) run\n".encode()
    ),
    lambda *_: b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(60),
    lambda *_: b"icns" + struct.pack(">I", 2**31) + b"it32" + struct.pack(">I", 2**31),
)
