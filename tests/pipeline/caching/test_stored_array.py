import numpy as np
import pytest

from pipeline.caching.stored_array import StoredArray


def test_rows_are_those_that_lie_behind_the_offset(tmp_path):
    rows = np.arange(3 * 5, dtype=np.int16).reshape(3, 5)
    (tmp_path / "a").write_bytes(b"7 bytes" + rows.tobytes() + b"more")
    mapped = StoredArray(tmp_path / "a", rows.dtype, rows.shape, 7).map()
    assert (mapped.dtype, mapped.tolist()) == (rows.dtype, rows.tolist())
    assert not mapped.flags.writeable


def test_an_array_without_elements_lies_nowhere(tmp_path):
    found = StoredArray(tmp_path / "none", np.dtype(np.float16), (0, 7, 11), None).map()
    assert (found.dtype, found.shape) == (np.float16, (0, 7, 11))


def test_a_file_that_is_too_short_is_refused_before_it_is_read(tmp_path):
    (tmp_path / "a").write_bytes(bytes(20))
    with pytest.raises(ValueError, match="size"):
        StoredArray(tmp_path / "a", np.dtype(np.int64), (3,), 0).map()
