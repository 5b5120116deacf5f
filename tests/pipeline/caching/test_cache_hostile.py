"""Files of HDF5 that are no cache of ours wherever a cache is expected."""

import h5py
import numpy as np
import pytest

from pipeline.caching.cache import (
    Cache,
    CacheError,
    Provenance,
    damage_as_cache_error,
    write_cache,
)
from pipeline.errors import InputError

ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.fixture
def path(tmp_path):
    write_cache(tmp_path / "other.h5", {"maps": ROWS}, {}, {}, Provenance("cams", "beef"))
    path = tmp_path / "cams.h5"
    arrays, texts = {"maps": ROWS, "flags": ROWS}, {"noun": ["a", "b ü"]}
    write_cache(path, arrays, texts, {}, Provenance("cams", "f00d"))
    return path


def virtual(file, name):
    layout = h5py.VirtualLayout(ROWS.shape, ROWS.dtype)
    layout[:] = h5py.VirtualSource("other.h5", "maps", ROWS.shape)
    file.create_virtual_dataset(name, layout)


def outside(file, name):
    raw = f"{file.filename}.raw"
    file.create_dataset(name, data=ROWS, external=[(raw, 0, ROWS.nbytes)])


def in_another_file(file, name):
    file[name] = h5py.ExternalLink("other.h5", "maps")


OTHERS = {
    "a link": lambda file, name: file.__setitem__(name, h5py.SoftLink("/flags")),
    "another file": lambda file, name: file.__setitem__(
        name, h5py.ExternalLink("other.h5", "maps")
    ),
    "virtual": virtual,
    "outside": outside,
    "a group": lambda file, name: file.create_group(name),
    "texts": lambda file, name: file.create_dataset(name, data=np.array([b"a"])),
    "nothing": lambda file, name: file.create_dataset(name, data=h5py.Empty("f4")),
    "chunks": lambda file, name: file.create_dataset(name, data=ROWS, chunks=ROWS.shape),
    "packed": lambda file, name: file.create_dataset(name, data=ROWS, compression="gzip"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_an_array_that_is_stored_otherwise_than_a_cache_is_not_read(path, what):
    with h5py.File(path, "r+") as file:
        del file["maps"]
        OTHERS[what](file, "maps")
    for read in (Cache.array, Cache.mapped):
        with pytest.raises(CacheError, match=r"cams\.h5: `maps` cannot be read: .*dvc repro cams"):
            read(Cache(path, "cams"), "maps")
    np.testing.assert_array_equal(Cache(path, "cams").array("flags"), ROWS)


def test_texts_in_a_group_that_is_a_link_are_not_read(path):
    with h5py.File(path, "r+") as file:
        file.move("noun", "elsewhere")
        file["noun"] = h5py.SoftLink("/elsewhere")
        file["again"] = file["elsewhere"]
    with pytest.raises(CacheError, match=r"cams\.h5: `noun/utf8` cannot be read: .*link"):
        Cache(path, "cams").texts("noun")
    assert Cache(path, "cams").texts("again") == ["a", "b ü"]


@pytest.mark.parametrize(("name", "values"), [("utf8", [0xFF]), ("offsets", [1.5, 2.5])])
def test_texts_that_do_not_fit_together_are_damage(path, name, values):
    with h5py.File(path, "r+") as file:
        del file["noun"][name]
        file["noun"][name] = np.array(values, np.uint8 if name == "utf8" else np.float64)
    with pytest.raises(CacheError, match=r"cams\.h5: .*dvc repro cams"):
        Cache(path, "cams").texts("noun")


@pytest.mark.parametrize(
    "error", [ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError]
)
def test_what_does_not_fit_together_is_damage_of_the_file_that_is_named(path, error):
    told = pytest.raises(CacheError, match=r"cams\.h5: .*no such row.*dvc repro cams")
    with told, damage_as_cache_error(path):
        raise error("no such row")


def test_other_errors_than_those_of_damage_stay(path):
    with pytest.raises(InputError, match=r"^known$"), damage_as_cache_error(path):
        raise InputError("known")
    with pytest.raises(ZeroDivisionError), damage_as_cache_error(path):
        raise ZeroDivisionError
