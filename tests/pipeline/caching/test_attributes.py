import io
import subprocess
import sys

import h5py
import numpy as np
import pytest

from pipeline.caching.attributes import MOST_BYTES, read_attribute, write_attributes
from pipeline.caching.cache import Cache, CacheError, Provenance, read_provenance, write_cache
from pipeline.errors import InputError
from tests.conftest import ROOT

VALUES = {"empty": "", "letters": "café 猫", "space": " a ", "side": -7, "floor": 0.5}
WRITTEN_BY = Provenance("cams", "f00d")


def write_format_1(path):
    """Write a cache whose texts lie in a heap."""
    with h5py.File(path, "w") as file:
        file.attrs.update({"format_version": 1, "stage": "cams", "fingerprint": "f00d"})


def lengthen_texts(path):
    """Let 2 GiB stand beside each text of four bytes that lies in a heap."""
    content = path.read_bytes()
    heap = content.index(b"GCOL").to_bytes(8, "little")
    beside = (4).to_bytes(4, "little") + heap  # length, place of the heap
    assert content.count(beside) == 2
    path.write_bytes(content.replace(beside, (2 * 10**9).to_bytes(4, "little") + heap))


def attribute_of(write):
    """Return a file in memory, and read one of its attributes."""
    with h5py.File(io.BytesIO(), "w") as file:
        write(file)
        return read_attribute(file, "a")


@pytest.mark.parametrize("name", VALUES)
def test_what_is_written_is_read(name):
    found = attribute_of(lambda file: write_attributes(file, {"b": 1, "a": VALUES[name]}))
    assert (type(found), found) == (type(VALUES[name]), VALUES[name])


def test_attributes_lie_in_the_order_of_their_names():
    contents = []
    for values in (VALUES, dict(reversed(VALUES.items()))):
        with io.BytesIO() as stream:
            with h5py.File(stream, "w") as file:
                write_attributes(file, values)
            contents.append(stream.getvalue())
    assert contents[0] == contents[1]


def test_texts_lie_beside_their_names_and_not_in_a_heap(tmp_path):
    write_cache(tmp_path / "cams.h5", {}, {"noun": ["dog"]}, VALUES, WRITTEN_BY)
    assert b"GCOL" not in (tmp_path / "cams.h5").read_bytes()


def test_a_text_is_as_long_as_an_object_header_holds():
    longest, name = "é" * (MOST_BYTES // 2), "n" * 255
    assert attribute_of(lambda file: write_attributes(file, {"a": longest})) == longest
    with h5py.File(io.BytesIO(), "w") as file:
        write_attributes(file, {name: longest})
        with pytest.raises(InputError, match="`a`"):
            write_attributes(file, {"a": longest + "x"})


@pytest.mark.parametrize("text", ["\0", "a\0", "a\0b"])
def test_a_text_with_its_own_end_in_it_is_refused(text):
    with h5py.File(io.BytesIO(), "w") as file, pytest.raises(ValueError, match="`a`"):
        write_attributes(file, {"a": text})


ROWS = np.empty((), object)
ROWS[()] = np.arange(3)
OTHERS = {
    "variable": lambda file: file.attrs.create("a", "text"),
    "many variable": lambda file: file.attrs.create("a", ["b"], dtype=h5py.string_dtype()),
    "many": lambda file: file.attrs.create("a", np.arange(3)),
    "one of one": lambda file: file.attrs.create("a", np.arange(1)),
    "none": lambda file: file.attrs.create("a", h5py.Empty("f4")),
    "truth": lambda file: file.attrs.create("a", True),
    "long double": lambda file: file.attrs.create("a", np.longdouble(1)),
    "complex": lambda file: file.attrs.create("a", 1j),
    "array": lambda file: file.attrs.create("a", np.arange(3), (), np.dtype((np.int64, 3))),
    "rows": lambda file: file.attrs.create("a", ROWS, (), h5py.vlen_dtype(np.int64)),
    "reference": lambda file: file.attrs.create("a", file.ref, dtype=h5py.ref_dtype),
    "long": lambda file: file.attrs.create("a", b"x", dtype=f"S{MOST_BYTES + 1}"),
    "no UTF-8": lambda file: file.attrs.create("a", b"\xff", dtype="S1"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_another_kind_of_attribute_is_refused(what):
    with pytest.raises(ValueError):  # noqa: PT011
        attribute_of(OTHERS[what])


def test_a_cache_of_format_1_is_refused_in_one_line_with_its_remedy(tmp_path):
    write_format_1(tmp_path / "cams.h5")
    with pytest.raises(
        CacheError, match=r"cams\.h5: .*format 1\b.*\b2; `dvc repro cams`"
    ) as raised:
        Cache(tmp_path / "cams.h5", "cams")
    assert "\n" not in str(raised.value)


READING = """
import resource, sys
from pathlib import Path
from pipeline.caching.cache import Cache, CacheError

free = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (free + 2**28, free + 2**28))
try:
    Cache(Path(sys.argv[1]), "cams").array("maps")
except CacheError as error:
    sys.exit(f"error: {error}")
"""


def write_other_format(path):
    write_format_1(path)
    lengthen_texts(path)


def write_text_attributes(path):
    write_format_1(path)
    with h5py.File(path, "r+") as file:
        file.attrs["format_version"] = 2
    lengthen_texts(path)


def write_text_fill(path):
    write_cache(path, {}, {}, {}, WRITTEN_BY)
    with h5py.File(path, "r+") as file:
        file.create_dataset("maps", (3,), h5py.string_dtype(), fillvalue="four")
    lengthen_texts(path)


HEAPS = {
    write_other_format: "format 1",
    write_text_attributes: "variable length",
    write_text_fill: "no array of numbers",
}


@pytest.mark.parametrize("write", HEAPS)
def test_a_length_beside_a_text_in_a_heap_takes_no_memory(tmp_path, write):
    write(tmp_path / "cams.h5")
    done = subprocess.run(
        [sys.executable, "-c", READING, tmp_path / "cams.h5"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert done.stderr.startswith(f"error: {tmp_path / 'cams.h5'}: ")
    assert HEAPS[write] in done.stderr


def test_zeros_in_a_heap_of_texts_do_not_hang_the_reader(tmp_path):
    write_format_1(tmp_path / "cams.h5")
    content = bytearray((tmp_path / "cams.h5").read_bytes())
    place = content.index(b"GCOL") + 16
    content[place : place + 300] = bytes(300)  # HDF5 goes from text to text for ever
    (tmp_path / "cams.h5").write_bytes(content)
    with pytest.raises(CacheError, match="format 1"):
        read_provenance(tmp_path / "cams.h5")
