"""Damage to files: of any bytes, and of what a format holds.

Every function takes a `random.Random` and gives bytes; equal seeds give equal damage. `OUTSIDE` in
a text stands for a folder beside the one that a reader may look into.
"""

import io
import json
import pickle
import struct
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import torch
import yaml

from tests.python2_pickle import python2_pickle

OUTSIDE = "@OUTSIDE@"
HUGE_NUMBERS = (-1, 0, 1, 2**15, 2**31 - 1, 2**31, 2**32, 2**63 - 1, 2**63, 2**64, 10**400)
ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 0.5, "", "a", [], {}, [[]], [None], {"": None}, "0", "-1"),
    *(2**31, 2**63, -(2**63) - 1, 10**400, 1e308, float("nan"), float("inf"), -float("inf")),
    *(
        "\ud800",
        "a\x00b",
        "\u2028",
        "\ufeff",
        "x" * 300,
        "x" * 20_000,
        "[/EN#1/people",
        "%s {} ${X}",
    ),
    *(f"../{OUTSIDE}/1.jpg", f"{OUTSIDE}/1.jpg", "/etc/passwd", "../outside/1.jpg", "link.jpg"),
    *("../../outside/1.jpg", "sub/../../outside/1", "../outside/1", "..", ".", "/", "link", "a/b"),
    *([1, 2, 3, 4], [1.5, 2, 3], ["a"] * 4, [10**400] * 4, [[1, 2, 3, 4]], [float("nan")] * 4),
    *({"a": {"b": [1]}}, {"type": "os.system"}, [0, 1] * 50, {str(i): i for i in range(50)}),
)
DEPTHS = (50, 480, 900, 3000, 100_000)
Mutator = Callable[[bytes, Random], bytes]


def flip(content: bytes, rng: Random) -> bytes:
    """Change up to eight bytes."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, 8)):
        if changed:
            changed[rng.randrange(len(changed))] = rng.choice((0, 255, 127, rng.randrange(256)))
    return bytes(changed)


def flip_head(content: bytes, rng: Random) -> bytes:
    """Change bytes among the first 256, where headers are."""
    return flip(content[:256], rng) + content[256:]


def cut(content: bytes, rng: Random) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def splice(content: bytes, rng: Random) -> bytes:
    """Put one part of the content where another was."""
    first, second, to = (rng.randrange(len(content) + 1) for _ in range(3))
    part = content[min(first, second) : max(first, second)][:4096]
    return content[:to] + part + content[to + rng.choice((0, len(part))) :]


def zero_run(content: bytes, rng: Random) -> bytes:
    at, length = rng.randrange(len(content) + 1), rng.choice((1, 7, 64, 1000))
    return content[:at] + bytes(length) + content[at + rng.choice((0, length)) :]


def number(content: bytes, rng: Random) -> bytes:
    """Write a huge or odd binary number somewhere, most often near the beginning."""
    if len(content) < 8:
        return content
    at = rng.randrange(min(len(content) - 7, rng.choice((64, 512, len(content)))))
    value = rng.choice(HUGE_NUMBERS[:-1])
    width, order = rng.choice((1, 2, 4, 8)), rng.choice("<>")
    packed = struct.pack(f"{order}Q", value % 2**64)
    part = packed[:width] if order == "<" else packed[-width:]
    return content[:at] + part + content[at + width :]


def digits(content: bytes, rng: Random) -> bytes:
    """Replace one of the decimal numbers in a text."""
    places = [i for i, byte in enumerate(content[:20_000]) if 48 <= byte <= 57]
    if not places:
        return flip(content, rng)
    at = rng.choice(places)
    value = rng.choice(
        (*map(str, HUGE_NUMBERS), "9" * 5000, "1e400", "NaN", "0x10", "1_0", "\u0661")
    )
    return content[:at] + value.encode() + content[at + 1 :]


def mark(content: bytes, rng: Random) -> bytes:
    """Begin with, or hold, what is odd in a text."""
    odd = rng.choice(
        (b"\xef\xbb\xbf", b"\xff\xfe", b"\x00", b"\xed\xa0\x80", b"\r", b"\xe2\x80\xa8")
    )
    at = rng.choice((0, rng.randrange(len(content) + 1)))
    return content[:at] + odd + content[at:]


def of_others(_: bytes, rng: Random) -> bytes:
    """Be no such file at all."""
    return rng.choice(
        (
            *(
                b"",
                b"\n",
                bytes(500),
                b"<!DOCTYPE html><html></html>",
                b"null",
                b"[]",
                b"{}",
                b"[{}]",
            ),
            *(b'""', b"0", b"NaN", b"\x80\x04N.", b"PK\x05\x06" + bytes(18), b"a\tb\n", b"\x89HDF"),
            b"version https://git-lfs.github.com/spec/v1\n",
        )
    )


BYTES: tuple[Mutator, ...] = (flip, flip, flip_head, cut, splice, zero_run, number, mark, of_others)
TEXT: tuple[Mutator, ...] = (*BYTES, digits, digits)


def values(content: Any, rng: Random) -> Any:
    """Return plain values with one to three of them changed."""
    for _ in range(rng.randint(1, 3)):
        content = _change(content, rng)
    return content


def _change(value: Any, rng: Random) -> Any:
    if isinstance(value, dict) and value and rng.random() < 0.85:
        return _change_mapping(dict(value), rng)
    if isinstance(value, list | tuple) and value and rng.random() < 0.85:
        items = list(value)
        at, action = rng.randrange(len(items)), rng.random()
        if action < 0.1:
            del items[at]
        elif action < 0.2:
            items.insert(at, rng.choice((items[at], rng.choice(ODD_VALUES))))
        else:
            items[at] = _change(items[at], rng)
        return type(value)(items) if type(value) in (list, tuple) else items
    if rng.random() < 0.05:
        return nested(rng.choice(DEPTHS[:3]), rng)
    return rng.choice(ODD_VALUES)


def _change_mapping(value: dict, rng: Random) -> dict:
    key, action = rng.choice(list(value)), rng.random()
    if action < 0.1:
        del value[key]
    elif action < 0.2:
        value[rng.choice(("x", "", "id", "\ud800", "type", "a.b", "__proto__"))] = value[key]
    elif action < 0.25:
        other = rng.choice(list(value))
        value[key], value[other] = value[other], value[key]
    else:
        value[key] = _change(value[key], rng)
    return value


def nested(depth: int, rng: Random) -> Any:
    inner: Any = 0
    for _ in range(depth):
        inner = [inner] if rng.random() < 0.5 else {"a": inner}
    return inner


def json_values(content: bytes, rng: Random) -> bytes:
    """Change values of a JSON file, or how it is written."""
    if rng.random() < 0.08:
        return json_text(content, rng)
    return _dumped(values(json.loads(content), rng), rng)


def _dumped(content: Any, rng: Random) -> bytes:
    try:
        return json.dumps(content, ensure_ascii=rng.random() < 0.7).encode("utf-8", "surrogatepass")
    except (RecursionError, ValueError):
        return b"[" * 20_000


def json_text(content: bytes, rng: Random) -> bytes:
    """Repeat a key, or nest without end."""
    depth = rng.choice(DEPTHS)
    deep = b"[" * depth + b"]" * depth
    if content.lstrip()[:1] != b"{" or rng.random() < 0.4:
        return rng.choice((deep, b'{"a":' * depth, content.replace(b":", b":" + deep, 1)))
    body = content.strip()
    return body[:-1] + b"," + body[1:]


def json_lines(content: bytes, rng: Random) -> bytes:
    """Change one line of JSON."""
    lines = content.split(b"\n")
    at = rng.randrange(len(lines))
    if lines[at].strip():
        lines[at] = json_values(lines[at], rng)
    return b"\n".join(lines)


def yaml_values(content: bytes, rng: Random) -> bytes:
    """Change values of a YAML file."""
    changed = values(yaml.safe_load(content), rng)
    try:
        return yaml.safe_dump(changed, allow_unicode=True).encode("utf-8", "surrogatepass")
    except (RecursionError, yaml.YAMLError, ValueError):
        return b"{" * 2000


def cells(content: bytes, rng: Random) -> bytes:
    """Change one cell of a table with tabs or commas."""
    separator = b"\t" if b"\t" in content else b","
    lines = content.split(b"\n")
    at = rng.randrange(len(lines))
    row = lines[at].split(separator)
    odd = str(rng.choice(ODD_VALUES)).encode("utf-8", "surrogatepass")
    row[rng.randrange(len(row))] = rng.choice((odd, b"AAAA", b"9" * 30, b"", row[0], b"-3"))
    lines[at] = separator.join(row)
    return b"\n".join(lines)


def pickled(content: bytes, rng: Random) -> bytes:
    """Change values of a pickle, and how it is written."""
    changed = values(pickle.loads(content, encoding="bytes"), rng)
    try:
        if rng.random() < 0.3:
            return python2_pickle(changed)
        return pickle.dumps(changed, rng.choice((0, 1, 2, 3, 4, 5)))
    except (RecursionError, KeyError, struct.error, UnicodeError, OverflowError):
        return pickle.dumps(rng.choice((None, 0, [], {}, [None])))


ODD_TENSORS: tuple[Callable[[], Any], ...] = (
    lambda: torch.zeros(0),
    lambda: torch.full((3,), float("nan")),
    lambda: torch.ones(1).expand(2**34),
    lambda: torch.zeros(1).as_strided((2**20, 2**16), (0, 0)),
    lambda: torch.zeros(2, 3, device="meta"),
    lambda: torch.eye(3).to_sparse(),
    lambda: torch.eye(3).to_sparse_csr(),
    lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
    lambda: torch.ones(3, dtype=torch.complex64),
    lambda: torch.ones(3, dtype=torch.bool),
    lambda: torch.ones(3, dtype=torch.float8_e4m3fn),
    lambda: torch.ones(2, 3, dtype=torch.int64),
    lambda: np.array(["a", None], object),
    lambda: np.ones(3, "f8"),
)


def saved_by_torch(content: bytes, rng: Random) -> bytes:
    """Change values or tensors of a file of torch, and how it is written."""
    loaded = torch.load(io.BytesIO(content), weights_only=False)
    if isinstance(loaded, dict) and rng.random() < 0.5:
        key = rng.choice(list(loaded))
        inner = loaded[key] if isinstance(loaded[key], dict) else loaded
        inner[rng.choice(list(inner) or ["x"])] = rng.choice(ODD_TENSORS)()
    else:
        loaded = values(loaded, rng)
    stream = io.BytesIO()
    try:
        torch.save(loaded, stream, _use_new_zipfile_serialization=rng.random() < 0.7)
    except (
        RecursionError,
        RuntimeError,
        TypeError,
        pickle.PicklingError,
        UnicodeError,
        ValueError,
    ):
        return content[: len(content) // 2]
    return stream.getvalue()


def safetensors_header(content: bytes, rng: Random) -> bytes:
    """Change the JSON header of a safetensors file, and perhaps its length."""
    length = struct.unpack("<Q", content[:8])[0]
    header = json_values(content[8 : 8 + length], rng)
    said = len(header) if rng.random() < 0.8 else rng.choice(HUGE_NUMBERS[2:7])
    return struct.pack("<Q", said) + header + content[8 + length :]


BY_SUFFIX: dict[str, tuple[Mutator, ...]] = {
    ".json": (*TEXT, *[json_values] * 16),
    ".jsonl": (*TEXT, *[json_lines] * 16),
    ".yaml": (*TEXT, *[yaml_values] * 12),
    ".lock": (*TEXT, *[yaml_values] * 6),
    ".tsv": (*TEXT, *[cells] * 8),
    ".csv": (*TEXT, *[cells] * 8),
    ".txt": (*TEXT, cells, cells),
    ".xml": (*TEXT, digits, digits),
    ".py": (*TEXT, digits),
    ".p": (*BYTES, *[pickled] * 8),
    ".pkl": (*BYTES, number, number),
    ".pth": (*BYTES, *[saved_by_torch] * 8),
    ".pt": (*BYTES, *[saved_by_torch] * 4),
    ".safetensors": (*BYTES, *[safetensors_header] * 8),
}
