import h5py
import numpy as np
import pytest

from pipeline.caching.cache import CacheError, Provenance, read_provenance, write_cache
from pipeline.caching.global_heap import has_endless_heap


@pytest.fixture
def cache(tmp_path):
    attributes = {f"name{number}": "x" * number for number in range(40)}
    write_cache(tmp_path / "cams.h5", {}, {"noun": ["dog"]}, attributes, Provenance("cams", "f"))
    assert not has_endless_heap(tmp_path / "cams.h5")
    return tmp_path / "cams.h5"


def heap_at(path):
    return path.read_bytes().index(b"GCOL")


@pytest.mark.parametrize("after", [16, 16 + 32])
def test_zeros_in_the_heap_of_attributes_do_not_hang_the_reader(cache, after):
    content = bytearray(cache.read_bytes())
    place = heap_at(cache) + after
    content[place : place + 300] = bytes(300)
    cache.write_bytes(content)
    assert has_endless_heap(cache)
    with pytest.raises(CacheError, match=r"cams\.h5"):
        read_provenance(cache)


def test_the_same_letters_in_data_are_no_heap(tmp_path):
    letters = b"GCOL\x01\x00\x00\x00" + bytes(64)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("a", data=np.frombuffer(b"x" + letters, np.uint8))
    content = (tmp_path / "a.h5").read_bytes()
    assert content.count(b"GCOL") == 1
    assert content.index(b"GCOL") % 8
    assert not has_endless_heap(tmp_path / "a.h5")


def test_a_heap_that_is_cut_off_is_walked_to_the_cut(cache):
    content = cache.read_bytes()
    for length in range(heap_at(cache), heap_at(cache) + 100, 7):
        cache.write_bytes(content[:length])
        assert not has_endless_heap(cache)
