import multiprocessing
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.caching.atomic import WriteError
from pipeline.caching.cache import (
    Cache,
    CacheAccessError,
    CacheError,
    Provenance,
    read_provenance,
    write_cache,
)
from tests.conftest import ROOT
from tests.faults.full_disk import full_disk

WRITTEN_BY = Provenance("cams", "f00d")
ARRAYS = {
    "maps": np.arange(2 * 3 * 5, dtype=np.float16).reshape(2, 3, 5),
    "offsets": np.array([0, 2], np.int64),
    "flags": np.array([True, False, True]),
    "boxes_xyxy": np.zeros((0, 4), np.float32),
}
TEXTS = {"noun": ["", "café", "猫\n", "dog"], "label": []}
ATTRIBUTES = {"detector": "yolox", "side": 7, "floor": 0.5}


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "below" / "cams.h5"
    write_cache(path, ARRAYS, TEXTS, ATTRIBUTES, WRITTEN_BY)
    return path


def test_what_is_written_is_read(written):
    cache = Cache(written, "cams")
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(cache.array(name), array)
        assert cache.array(name).dtype == array.dtype
        np.testing.assert_array_equal(cache.mapped(name), array, strict=True)
    assert {name: cache.texts(name) for name in TEXTS} == TEXTS
    assert {name: [*cache.packed_texts(name)] for name in TEXTS} == TEXTS
    assert not cache.mapped("maps").flags.writeable
    assert {name: cache.attribute(name) for name in ATTRIBUTES} == ATTRIBUTES
    assert cache.fingerprint == "f00d"


def test_the_file_follows_the_documented_format(written):
    with h5py.File(written) as file:
        assert sorted(file) == ["boxes_xyxy", "flags", "label", "maps", "noun", "offsets"]
        assert file.attrs["format_version"] == 2
        assert bytes(file["noun/utf8"][:]).decode() == "café猫\ndog"
        assert file["noun/offsets"][:].tolist() == [0, 0, 5, 9, 12]
        assert (file["maps"].chunks, file["maps"].compression) == (None, None)


def test_the_folder_holds_the_cache_and_nothing_else(written):
    assert [file.name for file in written.parent.iterdir()] == ["cams.h5"]


def test_equal_contents_in_another_order_and_process_give_equal_bytes(written, tmp_path):
    other = tmp_path / "other.h5"
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path; from tests.pipeline.caching.test_cache import *\n"
        "turned = lambda values: dict(reversed(values.items()))\n"
        "arrays = {name: np.asfortranarray(a) for name, a in turned(ARRAYS).items()}\n"
        "write_cache(Path(sys.argv[2]), arrays, turned(TEXTS), turned(ATTRIBUTES), WRITTEN_BY)"
    )
    subprocess.run([sys.executable, "-c", script, str(ROOT), str(other)], check=True)
    assert other.read_bytes() == written.read_bytes()


def test_a_failed_write_leaves_the_old_file_and_no_other(written):
    before = written.read_bytes()
    with pytest.raises(TypeError):
        write_cache(written, {"maps": np.array(["text"])}, {}, {}, WRITTEN_BY)
    assert written.read_bytes() == before
    assert [file.name for file in written.parent.iterdir()] == ["cams.h5"]


def test_what_a_killed_writer_left_is_removed_by_the_next(written):
    for suffix in ("partial", "lock"):
        (written.parent / f".cams.h5.0123.{suffix}").touch()
    write_cache(written, ARRAYS, TEXTS, ATTRIBUTES, WRITTEN_BY)
    assert [file.name for file in written.parent.iterdir()] == ["cams.h5"]


@pytest.mark.parametrize("kept", [0, 1, 8, 100, 0.25, 0.5, 0.9, -1])
def test_a_truncated_file_is_refused(written, kept):
    whole = written.read_bytes()
    written.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    with pytest.raises(CacheError, match=r"cams\.h5.*dvc repro cams"):
        Cache(written, "cams")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(CacheError, match=r"nouns\.h5.*dvc repro nouns"):
        Cache(tmp_path / "nouns.h5", "nouns")


def test_a_text_is_no_cache(tmp_path):
    (tmp_path / "cams.h5").write_text("text " * 99)
    with pytest.raises(CacheError, match=r"cams\.h5.*HDF5"):
        Cache(tmp_path / "cams.h5", "cams")


def test_hdf5_of_somebody_else_is_no_cache(tmp_path):
    with h5py.File(tmp_path / "cams.h5", "w") as file:
        file["maps"] = [1]
    with pytest.raises(CacheError, match=r"cams\.h5.*dvc repro cams"):
        Cache(tmp_path / "cams.h5", "cams")


def test_the_cache_of_another_stage_is_refused(written):
    with pytest.raises(CacheError, match=r"cams\.h5.*\bcams\b.*`nouns`"):
        Cache(written, "nouns")


def test_another_format_version_is_refused(written):
    for version in (3, "3" + " " * 9999):
        with h5py.File(written, "r+") as file:
            file.attrs.create("format_version", version, dtype=None if version == 3 else "S9999")
        with pytest.raises(CacheError, match=r"cams\.h5.*\b3\b.*\b2\b") as raised:
            read_provenance(written)
        assert len(str(raised.value)) < 1000 + len(str(written))


HOLDER = """
import sys, h5py
path, mode, libver, locking = sys.argv[1:]
file = h5py.File(path, mode, libver=libver or None, locking=locking == "lock")
file.attrs["x"] = 1
file["more"] = list(range(99))
print("open", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("mode", "libver", "locking"),
    [("w", "", "lock"), ("w", "latest", "lock"), ("w", "latest", ""), ("r+", "latest", "lock")],
)
def test_a_cache_that_another_program_writes_is_not_called_damaged(tmp_path, mode, libver, locking):
    path = tmp_path / "cams.h5"
    with h5py.File(path, "w", libver=libver or None) as file:
        file["maps"] = [1]
    command = [sys.executable, "-c", HOLDER, str(path), mode, libver, locking]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    holder.stdout.readline()
    try:
        with pytest.raises(CacheAccessError, match=r"cams\.h5: .*open in another program"):
            Cache(path, "cams")
    finally:
        holder.kill()
        holder.communicate()


def test_a_reader_beside_does_no_harm(written):
    with h5py.File(written, "r", locking=False):
        assert Cache(written, "cams").array("flags").tolist() == [True, False, True]
    with h5py.File(written, "r", locking=True), pytest.raises(CacheAccessError, match="is open"):
        Cache(written, "cams")


def test_a_cache_open_for_writing_in_this_process_is_not_called_damaged(written):
    with h5py.File(written, "r+"), pytest.raises(CacheAccessError, match="open in another"):
        Cache(written, "cams")


def test_an_attribute_whose_type_is_damaged_ends_in_an_error_not_the_process(written):
    text, damaged = b"\x19\x01\x01\x00", b"\x19\xb6\x01\x00"  # HDF5 crashes when it reads it
    with h5py.File(written, "r+") as file:
        file.attrs["stage"] = "cams"
    content = written.read_bytes()
    assert text in content
    written.write_bytes(content.replace(text, damaged, 1))
    with pytest.raises(CacheError, match=written.name):
        Cache(written, "cams")


def test_a_folder_in_place_of_a_cache_is_no_damaged_file(tmp_path):
    (tmp_path / "cams.h5").mkdir()
    with pytest.raises(CacheAccessError, match=r"cams\.h5: .*is a directory"):
        Cache(tmp_path / "cams.h5", "cams")
    (tmp_path / "file").touch()
    with pytest.raises(CacheError, match="does not exist"):
        Cache(tmp_path / "file" / "cams.h5", "cams")


@pytest.mark.parametrize("forbidden", ["cams.h5", "."])
def test_a_cache_that_may_not_be_read_is_not_called_damaged(written, forbidden):
    (written.parent / forbidden).chmod(0)
    try:
        if os.access(written, os.R_OK):
            pytest.skip("this user may read everything")
        with pytest.raises(CacheAccessError, match=r"cams\.h5: .*permission denied"):
            Cache(written, "cams")
    finally:
        (written.parent / forbidden).chmod(0o755)


@pytest.mark.parametrize("missing", ["stage", "fingerprint"])
def test_a_cache_without_its_provenance_is_no_cache(written, missing):
    with h5py.File(written, "r+") as file:
        del file.attrs[missing]
    with pytest.raises(CacheError, match="no cache of this project"):
        read_provenance(written)


def test_whatever_byte_is_wrong_a_cache_is_read_or_named(written):
    whole = written.read_bytes()
    messages = []
    places = range(0, len(whole), 13)
    for place in places:
        written.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            cache = Cache(written, "cams")
            cache.array("maps")
            np.nansum(cache.mapped("maps"))
            cache.close()
        except CacheError as error:
            messages.append(str(error))
    assert 0 < len(messages) < len(places)
    assert {message.split(": ")[0] for message in messages} == {str(written)}


@pytest.mark.parametrize("most_bytes", [0, 1000, 100_000, 399_000])
def test_a_cache_that_does_not_fit_the_disk_leaves_the_old_one(written, most_bytes):
    before = written.read_bytes()
    large = {"maps": np.zeros(99_991, np.float32)}
    with full_disk(most_bytes), pytest.raises(WriteError, match=f"^{written}: cannot be written"):
        write_cache(written, large, {}, {}, WRITTEN_BY)
    assert written.read_bytes() == before
    assert [file.name for file in written.parent.iterdir()] == ["cams.h5"]


@pytest.mark.parametrize("name", ["none", "noun"])
def test_an_array_that_is_not_there_is_named(written, name):
    for read in (Cache.array, Cache.mapped):
        with pytest.raises(CacheError, match=rf"cams\.h5.*`{name}`"):
            read(Cache(written, "cams"), name)


def test_texts_and_attributes_that_are_not_there_are_named(written):
    with pytest.raises(CacheError, match="`maps/utf8`"):
        Cache(written, "cams").texts("maps")
    with pytest.raises(CacheError, match="`none`"):
        Cache(written, "cams").attribute("none")


@pytest.mark.parametrize(
    ("texts", "attributes", "first"),
    [
        ({"maps": []}, {}, "maps"),
        ({}, {"fingerprint": "x"}, "fingerprint"),
        ({"maps": []}, {"stage": "x", "format_version": 2}, "format_version"),
    ],
)
def test_a_name_given_twice_is_refused(tmp_path, texts, attributes, first):
    with pytest.raises(ValueError, match=rf"cams\.h5.*`{first}`"):
        write_cache(tmp_path / "cams.h5", ARRAYS, texts, attributes, WRITTEN_BY)
    assert not list(tmp_path.iterdir())


def test_a_reader_that_has_read_can_be_pickled(written):
    cache = Cache(written, "cams")
    cache.array("maps")
    again = pickle.loads(pickle.dumps(cache))
    np.testing.assert_array_equal(again.array("maps"), ARRAYS["maps"])
    assert again.fingerprint == "f00d"


def test_a_reader_that_is_closed_reads_on(written):
    cache = Cache(written, "cams")
    cache.array("maps")
    cache.close()
    np.testing.assert_array_equal(cache.array("maps"), ARRAYS["maps"])


def read_often(cache, seed, sums):
    rng = np.random.default_rng(seed)
    wrong = 0
    for row in rng.integers(0, 997, 500):
        wrong += cache.array("maps")[row].tolist() != [row, -row]
    sums.put(wrong)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of forking beside threads
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_a_reader_that_has_read_may_cross_into_other_processes(tmp_path, start):
    rows = np.arange(997, dtype=np.int64)
    path = tmp_path / "cams.h5"
    write_cache(path, {"maps": np.stack([rows, -rows], axis=1)}, {}, {}, WRITTEN_BY)
    cache = Cache(path, "cams")
    cache.array("maps")
    context = multiprocessing.get_context(start)
    sums = context.SimpleQueue()
    readers = [context.Process(target=read_often, args=(cache, seed, sums)) for seed in range(2)]
    for reader in readers:
        reader.start()
    parent = context.SimpleQueue()
    read_often(cache, 7, parent)
    assert [sums.get() for _ in readers] + [parent.get()] == [0, 0, 0]
    for reader in readers:
        reader.join()
    assert [reader.exitcode for reader in readers] == [0, 0]


def read_once(cache, answers):
    answers.put(cache.array("maps").tolist())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of forking beside threads
def test_a_forked_process_opens_the_file_itself(tmp_path):
    path = tmp_path / "cams.h5"
    write_cache(path, {"maps": np.array([1, 2])}, {}, {}, WRITTEN_BY)
    cache = Cache(path, "cams")
    cache.array("maps")
    write_cache(path, {"maps": np.array([3, 4])}, {}, {}, WRITTEN_BY)  # shows who opens again
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    reader = context.Process(target=read_once, args=(cache, answers))
    reader.start()
    assert answers.get() == [3, 4]
    assert cache.array("maps").tolist() == [1, 2]
    reader.join()


def test_a_cache_that_was_replaced_or_removed_meanwhile_is_not_read_on(written):
    cache = Cache(written, "cams")
    write_cache(written, ARRAYS, TEXTS, ATTRIBUTES, Provenance("cams", "f11d"))
    with pytest.raises(CacheError, match=r"cams\.h5: another"):
        cache.array("maps")
    written.unlink()
    with pytest.raises(CacheError, match=r"cams\.h5: does not exist"):
        cache.array("maps")


def test_a_cache_is_on_the_disk_when_it_has_its_name_unless_asked_otherwise(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr(os, "fsync", flushed.append)
    write_cache(tmp_path / "cams.h5", ARRAYS, {}, {}, WRITTEN_BY, flush=False)
    assert flushed == []
    write_cache(tmp_path / "cams.h5", ARRAYS, {}, {}, WRITTEN_BY)
    assert len(flushed) == 2  # the file and its folder


DTYPES = st.one_of(
    st.sampled_from([np.bool_, np.int8, np.uint8, np.int16, np.int32, np.int64]),
    st.sampled_from([np.float16, np.float32, np.float64]),
)
NAMES = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=9)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))  # any Unicode but halves of pairs
VALUES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),  # HDF5's end
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
)


@given(
    st.dictionaries(
        NAMES.map("array_{}".format), hnp.arrays(DTYPES, hnp.array_shapes(min_dims=1, min_side=0))
    ),
    st.dictionaries(NAMES.map("text_{}".format), st.lists(TEXT)),
    st.dictionaries(NAMES.map("own_{}".format), VALUES),
)
@settings(max_examples=60, deadline=None)
def test_anything_that_is_written_is_read(arrays, texts, attributes):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cams.h5"
        write_cache(path, arrays, texts, attributes, WRITTEN_BY)
        cache = Cache(path, "cams")
        for name, array in arrays.items():
            found = cache.array(name)
            assert (found.dtype, found.shape) == (array.dtype, array.shape)
            assert found.tobytes() == array.tobytes()
        assert {name: cache.texts(name) for name in texts} == texts
        assert {name: cache.attribute(name) for name in attributes} == attributes
        cache.close()


def test_values_that_the_file_does_not_hold_are_none(written):
    with h5py.File(written, "r+") as file:
        file.create_dataset("unwritten", shape=(3,), dtype=np.float32)  # reads as zeros
    with pytest.raises(CacheError, match=r"unwritten.* 12 bytes"):
        Cache(written, "cams").array("unwritten")
