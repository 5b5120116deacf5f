"""Caches that were damaged, or made to lead elsewhere."""

import os

import h5py
import numpy as np
import pytest

from pipeline.caching.cache import Cache, CacheError, read_provenance, write_cache
from tests.pipeline.caching.test_cache import ARRAYS, ATTRIBUTES, TEXTS, WRITTEN_BY

ELSEWHERE = {
    "a link out": lambda file, out: file.__setitem__("maps", h5py.ExternalLink(out, "offsets")),
    "a link": lambda file, _: file.__setitem__("maps", h5py.SoftLink("/offsets")),
    "a virtual array": lambda file, out: file.create_virtual_dataset("maps", _layout(out)),
    "bytes of another file": lambda file, out: file.create_dataset(
        "maps", (3,), "u1", external=[(out, 0, 3)]
    ),
    "fill values alone": lambda file, _: file.create_dataset("maps", (2**40,), "f4", chunks=(9,)),
    "no values": lambda file, _: file.create_dataset("maps", (2**40,), "f4"),
    "packed values": lambda file, _: file.create_dataset(
        "maps", data=np.zeros(10**5), compression="gzip"
    ),
    "texts": lambda file, _: file.create_dataset("maps", data=["a"], dtype=h5py.string_dtype()),
    "a group": lambda file, _: file.create_group("maps"),
    "a dtype": lambda file, _: file.__setitem__("maps", np.dtype("f4")),
}


def _layout(out):
    layout = h5py.VirtualLayout((2,), "i8")
    layout[:] = h5py.VirtualSource(out, "offsets", (2,))
    return layout


@pytest.mark.parametrize("what", ELSEWHERE)
def test_an_array_lies_in_the_cache_itself_value_by_value(tmp_path, what):
    for name in ("cams.h5", "out.h5"):
        write_cache(tmp_path / name, ARRAYS, TEXTS, ATTRIBUTES, WRITTEN_BY)
    with h5py.File(tmp_path / "cams.h5", "r+") as file:
        del file["maps"]
        ELSEWHERE[what](file, str(tmp_path / "out.h5"))
    cache = Cache(tmp_path / "cams.h5", "cams")
    with pytest.raises(CacheError, match=r"cams\.h5.*maps"):
        cache.array("maps")
    np.testing.assert_array_equal(cache.array("offsets"), ARRAYS["offsets"])


def test_an_attribute_is_a_plain_value(tmp_path):
    write_cache(tmp_path / "cams.h5", ARRAYS, TEXTS, ATTRIBUTES, WRITTEN_BY)
    with h5py.File(tmp_path / "cams.h5", "r+") as file:
        file.attrs["detector"] = np.arange(3)
    with pytest.raises(CacheError, match=r"cams\.h5.*detector"):
        Cache(tmp_path / "cams.h5", "cams").attribute("detector")
    with h5py.File(tmp_path / "cams.h5", "r+") as file:
        file.attrs["format_version"] = np.arange(3)
    with pytest.raises(CacheError, match=r"cams\.h5.*format"):
        read_provenance(tmp_path / "cams.h5")


def test_offsets_of_texts_cut_them_at_letters(tmp_path):
    texts = {"noun": ["café"]}
    write_cache(tmp_path / "cams.h5", {}, texts, ATTRIBUTES, WRITTEN_BY)
    with h5py.File(tmp_path / "cams.h5", "r+") as file:
        file["noun/offsets"][1] = 4
    with pytest.raises(CacheError, match=r"cams\.h5"):
        Cache(tmp_path / "cams.h5", "cams").texts("noun")


def test_a_pipe_is_no_cache(tmp_path):
    os.mkfifo(tmp_path / "cams.h5")
    with pytest.raises(CacheError, match=r"cams\.h5"):
        read_provenance(tmp_path / "cams.h5")
