"""Files made by hand to do harm, by the suffix of what they replace: code, bombs, links out.

Each is a function of the good file and of the folder outside; it gives the bytes in its place.
No reader may take a record from one.
"""

import io
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random

import h5py
import numpy as np
import torch

from tests.faults.fuzz_pictures import BLOCK, PICTURES, Hostile, deflated_zeros

_GIB = 2**30


class Calling:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def _named(module: str, name: str, argument: str) -> bytes:
    """Return a pickle that calls a function by its name with a text."""
    text = argument.encode()
    return (
        b"\x80\x02c" + f"{module}\n{name}\n".encode() + b"X" + struct.pack("<I", len(text)) + text
        + b"\x85R."
    )  # fmt: skip


def _calls(outside: Path) -> tuple[bytes, ...]:
    command = f"touch {outside / 'ran'}"
    return (
        _named("os", "system", command),
        _named("posix", "system", command),
        _named("builtins", "eval", f"__import__('os').system({command!r})"),
        _named("builtins", "exec", f"open({str(outside / 'ran')!r}, 'w')"),
        _named("subprocess", "getoutput", command),
        _named("torch.serialization", "load", str(outside / "ran")),
        _named("numpy", "load", str(outside / "ran")),
        _named("numpy.core.multiarray", "fromfile", str(outside / "1.txt")),
    )


def _shared(levels: int = 12) -> bytes:
    """Return a small pickle of lists that hold one another ten times each: 10 ** levels values."""
    value = [1] * 10
    for _ in range(levels):
        value = [value] * 10
    return pickle.dumps(value, 2)


def _shared_in_ref() -> bytes:
    value = ["x"] * 10
    for _ in range(10):
        value = [value] * 10
    ref = {"ref_id": 1, "ann_id": 250, "image_id": 25, "split": "val"}
    return pickle.dumps([{**ref, "sentences": [{"sent_id": 1, "sent": value}]}], 2)


def _in_itself() -> bytes:
    value: list = []
    value.append(value)
    return pickle.dumps(value, 2)


PICKLES: tuple[Hostile, ...] = (
    *(lambda _, outside, i=i: _calls(outside)[i] for i in range(8)),
    lambda *_: _shared(),
    lambda *_: _shared_in_ref(),
    lambda *_: _in_itself(),
    lambda *_: b"\x80\x02" + b"(" * 100_000 + b"l" * 100_000 + b".",
    lambda *_: b"\x80\x02]" + b"]a" * 100_000 + b".",
    lambda *_: b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"a.",  # bytes, 1 TiB of them
    lambda *_: b"\x80\x02K\x01r" + struct.pack("<I", 2**32 - 1) + b".",  # the last place of a memo
    lambda *_: b"\x80\x04\x96" + struct.pack("<Q", 2**36) + b"a.",
    lambda *_: b"\x80\x02" + b"]r\x01\x00\x00\x00(" + b"h\x01" * 2000 + b"e.",
)


def _zip_of_zeros(start: bytes, name: str, num_bytes: int) -> bytes:
    """Return a zip file whose one member is deflated: `start`, then zeros."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    data, size = head + deflated_zeros(num_bytes), len(start) + num_bytes // BLOCK * BLOCK
    encoded = name.encode()
    fields = (20, 0, 8, 0, 0x21, 0, len(data), size, len(encoded), 0)
    local = b"PK\x03\x04" + struct.pack("<HHHHHIIIHH", *fields) + encoded + data
    central = b"PK\x01\x02" + struct.pack("<HHHHHHIIIHHHHHII", 20, *fields, 0, 0, 0, 0, 0) + encoded
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local), 0)
    return local + central + end


def _npy_head(descr: str, shape: str) -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


@cache
def _npz_bomb() -> bytes:
    count = 3 * _GIB // 16
    return _zip_of_zeros(_npy_head("'<f4'", f"({count}, 4)"), "bbox.npy", 3 * _GIB)


def _npz_of(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return stream.getvalue()


def _npz_with(content: bytes, name: str, member: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        kept = {one.removesuffix(".npy"): archive.read(one) for one in archive.namelist()}
    return _npz_of(**{**kept, name: member})


def _info(pickle_bytes: bytes) -> bytes:
    return _npy_head("'|O'", "()") + pickle_bytes


def _patched_zip(content: bytes, offset: int, value: int) -> bytes:
    """Return a zip file in which a 16-bit field of each header is another, such as its method."""
    changed = bytearray(content)
    for signature, shift in ((b"PK\x03\x04", 0), (b"PK\x01\x02", 2)):
        at = changed.find(signature)
        while at >= 0:
            struct.pack_into("<H", changed, at + offset + shift, value)
            at = changed.find(signature, at + 4)
    return bytes(changed)


NPZ: tuple[Hostile, ...] = (
    lambda *_: _npz_bomb(),
    lambda *_: _npz_of(bbox=_npy_head("'<f4'", "(1000000000000, 4)")),
    lambda *_: _npz_of(bbox=_npy_head("'<f4'", "(-3, 4)") + bytes(48)),
    lambda *_: _npz_of(bbox=_npy_head("'<f4'", "9" * 5000) + bytes(48)),
    lambda *_: _npz_of(bbox=_npy_head("'<f4'", "(3, 4)" + "(" * 5000)),
    lambda *_: _npz_of(bbox=_npy_head("'|V1000000000'", "(3, 4)")),
    lambda *_: _npz_of(bbox=_npy_head("'|O'", "(3, 4)") + pickle.dumps(Calling(print, "ran"))),
    lambda content, _: _patched_zip(content, 6, 1),  # encrypted
    lambda content, _: _patched_zip(content, 8, 12),  # bzip2
    lambda content, _: _patched_zip(content, 8, 99),
    *(
        lambda content, outside, i=i: _npz_with(content, "info", _info(_calls(outside)[i]))
        for i in range(8)
    ),
    lambda content, _: _npz_with(content, "info", _info(_shared())),
    lambda content, _: _npz_with(content, "info", _info(pickle.dumps(np.zeros(0)) + b"junk")),
    lambda content, _: _npz_with(
        content, "info", _info(pickle.dumps(Calling(np.ndarray, (2**28,), np.dtype("f8"))))
    ),
    lambda content, _: _npz_with(
        content, "info", _info(b"\x80\x02K\x01r" + struct.pack("<I", 2**31) + b".")
    ),
)


def _torch_saved(value: object, zipped: bool = True) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream, _use_new_zipfile_serialization=zipped)
    return stream.getvalue()


def _torch_with_pickle(content: bytes) -> bytes:
    """Return a file of torch whose pickle is another."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, member in {
            "data.pkl": content,
            "version": b"3\n",
            "byteorder": b"little",
        }.items():
            archive.writestr(f"archive/{name}", member)
    return stream.getvalue()


def _torch_deflated(num_bytes: int = 3 * _GIB) -> bytes:
    """Return a file of torch with one large tensor of zeros, deflated."""
    head = (
        b"\x80\x02}q\x00X\x06\x00\x00\x00weightq\x01ctorch._utils\n_rebuild_tensor_v2\nq\x02"
        b"((X\x07\x00\x00\x00storageq\x03ctorch\nFloatStorage\nq\x04X\x01\x00\x00\x000q\x05"
        b"X\x03\x00\x00\x00cpuq\x06J" + struct.pack("<i", num_bytes // 4) + b"tq\x07QK\x00J"
        + struct.pack("<i", num_bytes // 4) + b"\x85q\x08K\x01\x85q\x09\x89ccollections\n"
        b"OrderedDict\nq\x0a)Rq\x0btq\x0cRq\x0ds."
    )  # fmt: skip
    bomb = _zip_of_zeros(b"", "archive/data/0", num_bytes)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", head)
        archive.writestr("archive/version", b"3\n")
        archive.writestr("archive/byteorder", b"little")
    return _joined_zips(stream.getvalue(), bomb)


def _joined_zips(first: bytes, second: bytes) -> bytes:
    """Return a zip file with the members of two."""
    parts = []
    for content in (first, second):
        count, _, offset = struct.unpack("<HII", content[-12:-2])
        parts.append((content[:offset], content[offset:-22], count))
    (local_a, central_a, count_a), (local_b, central_b, count_b) = parts
    moved, at = bytearray(central_b), 0
    while at < len(moved):
        name, extra, comment = struct.unpack_from("<HHH", moved, at + 28)
        struct.pack_into(
            "<I", moved, at + 42, struct.unpack_from("<I", moved, at + 42)[0] + len(local_a)
        )
        at += 46 + name + extra + comment
    central, local = central_a + bytes(moved), local_a + local_b
    counts = (count_a + count_b,) * 2
    return (
        local
        + central
        + b"PK\x05\x06"
        + struct.pack("<HHHHIIH", 0, 0, *counts, len(central), len(local), 0)
    )


TORCH: tuple[Hostile, ...] = (
    *(lambda _, outside, i=i: _torch_with_pickle(_calls(outside)[i]) for i in range(8)),
    *(lambda _, outside, i=i: _calls(outside)[i] for i in range(3)),
    lambda *_: _torch_saved({"weight": Calling(print, "ran")}),
    lambda *_: _torch_saved([Calling(print, "ran")], zipped=False),
    lambda *_: _torch_saved(_shared_list()),
    lambda *_: _torch_saved({"state_dict": _shared_list()}),
    lambda *_: _torch_saved({"a": torch.ones(1).expand(2**34)}),
    lambda *_: _torch_saved({"a": torch.zeros(1).as_strided((2**20, 2**16), (0, 0))}, zipped=False),
    lambda *_: _torch_deflated(),
    lambda *_: _torch_with_pickle(b"\x80\x02]" + b"]a" * 100_000 + b"."),
    lambda *_: _torch_with_pickle(_named("builtins", "bytearray", "a")),
)


def _shared_list(levels: int = 10) -> list:
    value: list = [1] * 10
    for _ in range(levels):
        value = [value] * 10
    return value


def _h5(write: Callable[[h5py.File, Path], None]) -> Hostile:
    def hostile(content: bytes, outside: Path) -> bytes:
        stream = io.BytesIO(content)
        with h5py.File(stream, "r+") as file:
            name = Random(len(content)).choice([key for key in file if "offsets" not in key])
            for one in [key for key in file if isinstance(file[key], h5py.Dataset)] or [name]:
                del file[one]
                write(file, outside, one)
        return stream.getvalue()

    return hostile


def _external(file, outside, name):
    file[name] = h5py.ExternalLink(str(outside / "cache.h5"), "offsets")


def _virtual(file, outside, name):
    layout = h5py.VirtualLayout((3,), "i8")
    layout[:] = h5py.VirtualSource(str(outside / "cache.h5"), "offsets", (3,))
    file.create_virtual_dataset(name, layout)


def _raw(file, outside, name):
    file.create_dataset(name, (5,), "u1", external=[(str(outside / "1.txt"), 0, 5)])


def _filled(file, _, name):
    file.create_dataset(name, (2**29,), "f8", fillvalue=1.0)


def _endless(file, _, name):
    file.create_dataset(name, (2**50,), "f4", chunks=(2**20,), fillvalue=1.0)


def _squeezed(file, _, name):
    data = file.create_dataset(name, (2**28,), "f8", chunks=(2**20,), compression="gzip")
    data[: 2**20] = 0


H5: tuple[Hostile, ...] = (
    _h5(_external),
    _h5(_virtual),
    _h5(_raw),
    _h5(_filled),
    _h5(_endless),
    _h5(_squeezed),
    _h5(lambda file, _, name: file.__setitem__(name, h5py.SoftLink(f"/{name}"))),
    _h5(lambda file, _, name: file.__setitem__(name, h5py.SoftLink("/nowhere"))),
    _h5(lambda file, _, name: file.__setitem__(name, np.dtype("f8"))),
    _h5(
        lambda file, _, name: file.create_dataset(name, data=["a", "b"], dtype=h5py.string_dtype())
    ),
    _h5(
        lambda file, _, name: file.create_dataset(
            name, (3,), h5py.string_dtype(), fillvalue="a text in a heap"
        )
    ),
    _h5(lambda file, _, name: file.create_dataset(name, dtype="f4", shape=None)),
    _h5(lambda file, _, name: file.create_dataset(name, data=np.complex64(1))),
)
_LAUGHS = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 12))
XML: tuple[Hostile, ...] = (
    lambda *_: f'<!DOCTYPE a [<!ENTITY l0 "ha">{_LAUGHS}]><a>&l11;</a>'.encode(),
    lambda *_: f'<?xml version="1.0"?><!DoCtYpE a [{_LAUGHS}]><a>&l11;</a>'.encode(),
    lambda _, outside: (
        f'<!DOCTYPE a [<!ENTITY x SYSTEM "file://{outside}/1.txt">]><a>&x;</a>'.encode()
    ),
    lambda *_: f'<!DOCTYPE a [<!ENTITY l0 "ha">{_LAUGHS}]><a>&l11;</a>'.encode("utf-16"),
    lambda *_: b"<a>" * 200_000,
    lambda *_: b"<a>" * 100_000 + b"</a>" * 100_000,
    lambda *_: b'<?xml version="1.0" encoding="nowhere"?><annotation/>',
    lambda *_: b"<a " + b" ".join(b'b%d="1"' % i for i in range(30_000)) + b"/>",
)
_YAML_ALIASES = "a0: &a0 [x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)
)
YAML: tuple[Hostile, ...] = (
    lambda _, outside: f"a: !!python/object/apply:os.system ['touch {outside}/ran']\n".encode(),
    lambda _, outside: f"!!python/object/new:os.system ['touch {outside}/ran']\n".encode(),
    lambda *_: b"a: !!python/name:os.system\n",
    lambda *_: _YAML_ALIASES.encode(),
    lambda *_: b"a: &a\n  b: *a\n",
    lambda *_: b"&a [*a]: 1\n",
    lambda *_: b"[" * 50_000,
    lambda *_: b"- " * 5000 + b"a",
    lambda *_: b"{" * 3000 + b"}" * 3000,
    lambda *_: b"? " * 2000 + b"a: 1",
    lambda content, _: content + b"\n" + content,
    lambda content, _: content + b"\n---\n" + content,
    lambda *_: b"a: " + b"9" * 10_000 + b"\n",
    lambda *_: b"a: !!binary " + b"A" * 10_000 + b"\n",
    lambda *_: b"a: !!int 0x" + b"f" * 9000 + b"\n",
    lambda *_: b"<<: [1]\na: 1\n",
    lambda *_: b"<<: &x {<<: *x}\n",
    lambda *_: b"a: 2026-13-45\nb: 1:99:99\n",
    lambda *_: b"#" * 1_000_100,
)
CONFIG: tuple[Hostile, ...] = (
    lambda _, outside: f"import os\nos.system('touch {outside}/ran')\n".encode(),
    lambda _, outside: f"a = open('{outside}/ran', 'w')\n".encode(),
    lambda _, outside: f"a = dict(b=__import__('os').system('touch {outside}/ran'))\n".encode(),
    lambda content, _: content.replace(b"type='", b"type='os.system", 1),
    lambda content, _: content + b"\n_base_ = ['../outside/1.py']\n",
    lambda *_: b"model = " + b"(" * 5000 + b"1" + b")" * 5000,
    lambda *_: b"model = " + b"[" * 180 + b"]" * 180,
    lambda *_: b"model = " + b"-" * 50_000 + b"1",
    lambda *_: b"model = 9**9**9**9\n",
    lambda *_: b"model = dict(**dict(a=1))\n",
    lambda *_: b"model = 'x' * 9999999999\n",
    lambda *_: b"a = b = c = dict()\n",
    lambda *_: b"model = " + b"9" * 10_000,
    lambda *_: b"model = {[]: 1}\n",
    lambda *_: b"model = {**1}\n",
)
BY_SUFFIX: dict[str, tuple[Hostile, ...]] = {
    ".p": PICKLES,
    ".pkl": PICKLES,
    ".pth": TORCH,
    ".pt": TORCH,
    ".bin": TORCH,
    ".npz": NPZ,
    ".h5": H5,
    ".xml": XML,
    ".yaml": YAML,
    ".lock": YAML,
    ".py": CONFIG,
    **dict.fromkeys((".jpg", ".png", ".gif", ".tif", ".bmp", ".webp", ".ppm"), PICTURES),
}
